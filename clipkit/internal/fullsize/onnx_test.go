package fullsize_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"clipnb/clipkit"
	"clipnb/clipkit/onnx"
)

// TestONNXEqualsPyTorch exports ViT-B-16, RN50 and ViT-H-14 of random weights and the embedded model as ONNX, and compares what Python's ONNX Runtime makes
// of the files with the reference's features in PyTorch, in batches of 1, 3 and 17. onnx.checker has to take the files.
//
//	CLIPKIT_TORCH_PYTHON=… CLIPKIT_ONNX_PYTHON=… go test ./clipkit/internal/fullsize -run ONNX -full -v -timeout 60m
//
// names a python with torch and cn-clip, and one with onnx and onnxruntime.
func TestONNXEqualsPyTorch(t *testing.T) {
	if !*full {
		t.Skip("asked for by -full: takes minutes and 8 GB of disk")
	}
	torch, runtime := os.Getenv("CLIPKIT_TORCH_PYTHON"), os.Getenv("CLIPKIT_ONNX_PYTHON")
	if torch == "" || runtime == "" {
		t.Fatal("CLIPKIT_TORCH_PYTHON and CLIPKIT_ONNX_PYTHON have to name a python with torch and cn-clip, and one with onnx and onnxruntime")
	}
	t.Setenv("CLIPKIT_ROOT", t.TempDir())
	for _, name := range []string{"emoji", "RN50", "ViT-B-16", "ViT-H-14"} {
		t.Run(name, func(t *testing.T) { onnxEqualsPyTorch(t, name, torch, runtime) })
	}
}

func onnxEqualsPyTorch(t *testing.T, name, torch, runtime string) {
	ctx, dir := context.Background(), t.TempDir()
	var m *clipkit.Model
	var err error
	if name == "emoji" {
		m, err = clipkit.Load(ctx, name)
	} else {
		m, err = clipkit.New(ctx, name, 1)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	cfg := m.Towers.Config
	checkpoint, config := filepath.Join(dir, "m.pt"), filepath.Join(dir, "m.json")
	text, err := json.Marshal(cfg)
	if err == nil {
		err = os.WriteFile(config, text, 0o600)
	}
	if err == nil {
		err = m.Save(checkpoint, false)
	}
	if err != nil {
		t.Fatal(err)
	}
	batches := []string{"1", "3", "17"}
	python := func(python, script string, args ...string) []byte {
		cmd := exec.Command(python, append(append([]string{filepath.Join("testdata", script)}, args...), batches...)...)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s %s %v: %v", python, script, args, err)
		}
		return out
	}
	python(torch, "reference_batches.py", config, checkpoint, dir)
	if err := os.Remove(checkpoint); err != nil {
		t.Fatal(err)
	}
	weights := m.Towers.Tensors(cfg.Tensors()...)
	for _, c := range []struct {
		precision onnx.Precision
		far, near float64 // the largest difference that may be, and the least cosine
	}{{onnx.F32, 1e-4, 0.99999}, {onnx.F16, 5e-3, 0.9999}, {onnx.Int8, 1, 0.99}} {
		for side, kind := range map[onnx.Side]string{onnx.Images: "image", onnx.Texts: "text"} {
			path, err := onnx.Write(filepath.Join(dir, "m"), side, cfg, weights, onnx.Options{Precision: c.precision})
			if err != nil {
				t.Fatal(err)
			}
			lines, compared := bufio.NewScanner(bytes.NewReader(python(runtime, "runtime_batches.py", path, kind, dir))), 0
			for lines.Scan() {
				var n int
				var far, cosine float64
				if _, err := fmt.Sscan(lines.Text(), &n, &far, &cosine); err != nil {
					t.Fatalf("%q: %v", lines.Text(), err)
				}
				t.Logf("%s %ss %s, batch %d: largest difference %.2g of the largest value, worst cosine %.6f", name, kind, c.precision, n, far, cosine)
				if far > c.far || cosine < c.near {
					t.Errorf("%s: %.3g of the largest value, want at most %g; cosine %.6f, want %g", filepath.Base(path), far, c.far, cosine, c.near)
				}
				compared++
			}
			if compared != len(batches) {
				t.Errorf("%s: %d batches were compared, want %d", path, compared, len(batches))
			}
			for _, file := range []string{path, path + ".extra_file"} {
				if err := os.RemoveAll(file); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}
