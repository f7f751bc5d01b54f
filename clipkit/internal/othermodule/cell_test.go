package othermodule_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"clipnb/clipkit/internal/repo"
)

var costs = flag.Bool("costs", false, "print what each package that cells leave out would add to one")

// largestCell bounds the program of a quickstart's cell: it is linked, written and read each time that a cell runs.
const largestCell = 20_000_000

// cell is a program as GoNB makes it of a cell that uses what the quickstart uses.
const cell = `package main

import (
	"context"
	"flag"
	"fmt"

	"clipnb/clipkit"
	"clipnb/clipkit/chart"
	"clipnb/clipkit/report"
%s)

var ctx = context.Background()

func main() {
	flag.Parse()
	data := clipkit.Must(clipkit.OpenDataset(ctx, "emoji"))
	m := clipkit.Must(clipkit.Load(ctx, "emoji"))
	if flag.Arg(0) == "train" {
		clipkit.Must(clipkit.Finetune(ctx, m, data, clipkit.Must(clipkit.Recipe("emoji/finetune")).Config))
	}
	if flag.Arg(0) == "evaluate" {
		after := clipkit.Must(clipkit.EvaluateRetrieval(ctx, m, data.Test))
		clipkit.Show(report.RecallTable(after), report.RecallBars(after), chart.Grid("", clipkit.Must(report.Sample(data.Train, 12))))
	}
	_, err := clipkit.BuildIndex(ctx, m, data.Valid, clipkit.InPostgres("postgres://127.0.0.1:1/none"))
	fmt.Println(len(data.Test.ImageIDs()), err)
	_, err = clipkit.Load(ctx, "emoji", clipkit.On("cpu:go"))
	fmt.Println(err)
	_, err = clipkit.OpenDataset(ctx, "table") // a folder with a parquet file
	fmt.Println(err)
}
`

// leftOut are packages that cells import by name where they use them, and what each is for.
var leftOut = []struct{ path, use string }{
	{"clipnb/clipkit/index/pgvector", "an index in PostgreSQL"},
	{"github.com/gomlx/compute/gobackend", "the pure-Go engine"},
	{"clipnb/clipkit/dataset/parquet", "data in parquet files"},
}

// A cell's program holds what a cell uses: it is small, its data are the checkout's, and what it leaves out says which import brings it.
func TestCellIsSmall(t *testing.T) {
	here, dir := repo.Root(), t.TempDir()
	var spec struct{ Env map[string]string }
	b, err := os.ReadFile(filepath.Join(here, "kernels", "cpu", "kernel.json"))
	if err == nil {
		err = json.Unmarshal(b, &spec)
	}
	if err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "CGO_ENABLED=1", "GOFLAGS="+spec.Env["GOFLAGS"], "CLIPKIT_ROOT="+t.TempDir())
	run := func(name string, args ...string) (string, float64) {
		t.Helper()
		c := exec.CommandContext(t.Context(), name, args...)
		c.Dir, c.Env = dir, env
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
		return string(out), (c.ProcessState.UserTime() + c.ProcessState.SystemTime()).Seconds()
	}
	build := func(imports string) (size int64, cpu float64) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "main.go"), fmt.Appendf(nil, cell, imports), 0o644); err != nil {
			t.Fatal(err)
		}
		_, cpu = run("go", "build", "-o", "cell", ".")
		info, err := os.Stat(filepath.Join(dir, "cell"))
		if err != nil {
			t.Fatal(err)
		}
		return info.Size(), cpu
	}
	table := filepath.Join(dir, "table")
	if err := errors.Join(os.Mkdir(table, 0o755), os.WriteFile(filepath.Join(table, "train.parquet"), []byte("PAR1"), 0o644)); err != nil {
		t.Fatal(err)
	}
	run("go", "mod", "init", "gonb_cell")
	run("go", "work", "init", ".", here)
	size, _ := build("")
	if size > largestCell {
		t.Errorf("a cell's program has %d bytes, at most %d keep cells quick: go tool nm -size -sort size (without -s in GOFLAGS) shows what came in", size, largestCell)
	}
	said, _ := run("./cell")
	if !strings.HasPrefix(said, "500 ") {
		t.Errorf("the cell says %q", said)
	}
	linked, _ := run("go", "list", "-deps", ".")
	for _, p := range leftOut {
		if strings.Contains(linked, p.path+"\n") || !strings.Contains(said, `add _ "`+p.path+`" to the notebook's imports`) {
			t.Errorf("%s: linked, or the cell does not say how to import it: %q", p.path, said)
		}
	}
	all := ""
	for _, p := range leftOut {
		line := fmt.Sprintf("\t_ %q\n", p.path)
		all += line
		if *costs {
			more, cpu := build(line)
			t.Logf("%-40s %5.1f MB more, %.1f CPU seconds to build", p.path, float64(more-size)/1e6, cpu)
		}
	}
	build(all)
	if said, _ = run("./cell"); strings.Contains(said, "to the notebook's imports") {
		t.Errorf("with what it asked for the cell says %q", said)
	}
	if *costs {
		build("\n")
		_, cpu := build("\n\n") // what is compiled in is in the cache, as for a cell that was changed
		_, runs := run("./cell", "-h")
		t.Logf("a warm cell: %.1f MB, %.2f CPU seconds to build, %.2f to start", float64(size)/1e6, cpu, runs)
	}
}
