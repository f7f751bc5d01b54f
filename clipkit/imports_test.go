package clipkit_test

import (
	"os/exec"
	"strings"
	"testing"
)

// floors: a package may import only packages of lower floors. The façade is on top, and above it what reproduces results with it; internal packages
// and assets are below.
var floors = [][]string{
	{"clipkit/internal/mapping", "clipkit/internal/nearest", "clipkit/internal/regular", "clipkit/internal/intake", "clipkit/internal/transient", "kernels/bracket", "kernels/traceback"},
	{"clipkit/internal/atomicfile", "clipkit/internal/machine", "clipkit/internal/pickle", "clipkit/internal/pip", "clipkit/internal/pybase64", "clipkit/dataset/randperm", "clipkit/internal/pyjson", "clipkit/internal/repo", "clipkit/internal/progress", "clipkit/imaging/jpeg", "clipkit/imaging/raster", "clipkit/projection", "clipkit/chart/svg", "clipkit/chart/option", "clipkit/dataset/captions", "clipkit/dataset/skipped", "clipkit/device/lower", "clipkit/device/ort",
		"clipkit/device/ascend", "clipkit/device/blocks", "clipkit/weights/tensor", "assets"},
	{"clipkit/internal/intact", "clipkit/chart/library", "clipkit/chart/plain", "clipkit/arch", "clipkit/internal/download", "clipkit/internal/unpack", "clipkit/dataset/shape", "clipkit/train/loss", "clipkit/train/lossscale", "clipkit/train/watch", "clipkit/weights/pytorch", "clipkit/exchange", "clipkit/imaging/bmp", "clipkit/imaging/gif", "clipkit/imaging/png", "clipkit/imaging/pnm"},
	{"clipkit/exchange/deal", "clipkit/exchange/mpi", "clipkit/exchange/hccl", "clipkit/train/adamw", "clipkit/train/lora", "clipkit/device", "clipkit/onnx", "clipkit/weights", "clipkit/weights/hub", "clipkit/dataset/lmdb", "clipkit/imaging", "clipkit/tokenizer"},
	{"clipkit/model/pixels", "clipkit/dataset/coco", "clipkit/dataset/folder", "clipkit/dataset/parquet", "clipkit/dataset/webdataset"},
	{"clipkit/train/compiled", "clipkit/model", "clipkit/dataset", "clipkit/index", "clipkit/experiment", "clipkit/checkpoint"},
	{"clipkit/train/batchnorm", "clipkit/train/introduction", "clipkit/dataset/joined", "clipkit/dataset/loader", "clipkit/dataset/published", "clipkit/deploy"},
	{"clipkit/train/step"},
	{"clipkit/train/memory"},
	{"clipkit/train", "clipkit/dataset/check", "clipkit/eval", "clipkit/zeroshot", "clipkit/chart", "clipkit/explore", "clipkit/index/pgvector"},
	{"clipkit/train/plan", "clipkit/train/reference", "clipkit/deploy/parity", "clipkit/latency", "clipkit/weights/byname"},
	{"clipkit/recipe", "clipkit/page", "clipkit/launch", "clipkit/live", "clipkit/index/kept"},
	{"clipkit/everyday", "clipkit/report"},
	{"clipkit"},
	{"clipkit/results", "clipkit/cmd/clipkit/deployment"},
}

// testOnly may import anything, and nothing but tests may import them.
var testOnly = []string{"clipkit/internal/golden", "clipkit/internal/browser", "clipkit/internal/faults", "clipkit/internal/limit", "clipkit/internal/notebook", "clipkit/internal/notebook/quickstart", "clipkit/internal/notebook/finetune", "clipkit/internal/notebook/results",
	"clipkit/internal/notebook/retrieval", "clipkit/internal/notebook/zeroshot", "clipkit/internal/notebook/deploy", "clipkit/internal/jupyter", "clipkit/internal/fullsize", "clipkit/internal/gpu", "clipkit/internal/othermodule", "clipkit/internal/processes", "clipkit/device/devicetest", "clipkit/model/modeltest", "clipkit/device/npusim", "clipkit/dataset/datasettest", "clipkit/exchange/exchangetest", "clipkit/imaging/raster/rastertest", "clipkit/dataset/lmdb/lmdbtest", "clipkit/index/indextest", "clipkit/index/pgvector/pgserver"}

func TestImportsPointDown(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.Name}} {{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, "clipnb/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	floor := map[string]int{}
	for i, names := range floors {
		for _, n := range names {
			floor["clipnb/"+n] = i
		}
	}
	only := map[string]bool{}
	for _, n := range testOnly {
		only["clipnb/"+n] = true
	}
	checked := 0
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		fields := strings.Fields(line)
		name, pkg, imports := fields[0], fields[1], fields[2:]
		if name == "main" || only[pkg] {
			continue
		}
		mine, known := floor[pkg]
		if !known {
			t.Errorf("%s stands on no floor of this test: add it", pkg)
			continue
		}
		for _, imp := range imports {
			if !strings.HasPrefix(imp, "clipnb/") {
				continue
			}
			checked++
			if theirs, known := floor[imp]; !known || theirs >= mine {
				t.Errorf("%s imports %s, which is not below it", pkg, imp)
			}
			if pkg == "clipnb/clipkit/chart" && imp != "clipnb/clipkit/experiment" && imp != "clipnb/clipkit/imaging" && !strings.HasPrefix(imp, "clipnb/clipkit/chart/") {
				t.Errorf("chart imports %s; it draws rows and pictures and knows no more", imp)
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d imports checked", checked)
	}
}

// Package kernels must say what a bare machine lacks, so it is compiled by Go alone. (Programs stand on no floor, hence a test of its own.)
func TestKernelsImportsNothingOfClipkit(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "clipnb/kernels").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, pkg := range strings.Fields(string(out)) {
		if strings.HasPrefix(pkg, "clipnb/") && pkg != "clipnb/kernels" {
			t.Errorf("kernels imports %s", pkg)
		}
	}
}
