// Package notebook runs the repository's notebooks in tests, as `go run ./kernels exec` does for a person. Only tests import it.
//
// Each notebook's test is a package of its own below this one: go test runs them side by side, and each has go test's limit for itself.
package notebook

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"clipnb/clipkit/internal/repo"
)

// Root is the repository.
var Root = repo.Root()

// Notebook is what a test looks at of an .ipynb.
type Notebook struct {
	Cells []struct {
		CellType string `json:"cell_type"`
		Source   []string
		Outputs  []Output
		Count    *int `json:"execution_count"`
	}
}

// Output is one output of a cell.
type Output struct {
	Type string               `json:"output_type"`
	Name string               // of a stream
	Text Multiline            // of a stream
	Data map[string]Multiline // by media type
}

// Multiline is a text that is stored as one string or as its lines.
type Multiline string

// UnmarshalJSON reads both forms. Other values, such as those of application/json, stay as they are written.
func (m *Multiline) UnmarshalJSON(b []byte) error {
	var text string
	var lines []string
	switch {
	case json.Unmarshal(b, &text) == nil:
		*m = Multiline(text)
	case json.Unmarshal(b, &lines) == nil:
		*m = Multiline(strings.Join(lines, ""))
	default:
		*m = Multiline(b)
	}
	return nil
}

// Quiet fails the test for whatever cells wrote to standard error: Jupyter shows it in red, and nothing is wrong.
func (nb Notebook) Quiet(t *testing.T) {
	t.Helper()
	for i, c := range nb.Cells {
		for _, o := range c.Outputs {
			if o.Type == "stream" && o.Name == "stderr" {
				t.Errorf("cell %d wrote to standard error: %.1000s", i+1, o.Text)
			}
		}
	}
}

// Read reads a notebook.
func Read(t *testing.T, path string) (nb Notebook) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &nb)
	}
	if err != nil {
		t.Fatal(err)
	}
	return nb
}

// Executed fails the test for every code cell that was not run.
func (nb Notebook) Executed(t *testing.T) {
	t.Helper()
	for i, c := range nb.Cells {
		if c.CellType == "code" && c.Count == nil {
			t.Errorf("cell %d was not executed", i+1)
		}
	}
}

// Execute runs a notebook of the repository, or one that a test made (its path without .ipynb), headless with parameters and gives what it left: the executed notebook, and the page with its figures. It ends before
// go test's own limit does, saying how long it took.
func Execute(t *testing.T, name string, params ...string) (nb Notebook, page string) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: this test runs a whole notebook")
	}
	ctx := t.Context()
	if end, limited := t.Deadline(); limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, end.Add(-15*time.Second))
		defer cancel()
	}
	out, path, start := t.TempDir(), name, time.Now()
	if name = filepath.Base(path); name == path {
		path = filepath.Join("notebooks", name)
	}
	cmd := exec.CommandContext(ctx, "go", append([]string{"run", "./kernels", "exec", "-out", out, path + ".ipynb"}, params...)...)
	cmd.Dir = Root
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	said, err := cmd.CombinedOutput()
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Fatalf("%s.ipynb had run for %.0f s when its test came to go test's limit; on a slow or busy machine: go test -timeout 30m ./...\n%s",
			path, time.Since(start).Seconds(), said)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	html, err := os.ReadFile(filepath.Join(out, name+".html"))
	if err != nil {
		t.Fatal(err)
	}
	return Read(t, filepath.Join(out, name+".ipynb")), string(html)
}

// Run names a run of a test's own, and gives its folder, which is removed after the test.
func Run(t *testing.T, name string) (run, dir string) {
	run = fmt.Sprintf("test-%s-%d", name, os.Getpid())
	dir = filepath.Join(Root, "experiments", run)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return run, dir
}

// Squares writes 48 pictures, 50 captions with commas among them, and a file that is none.
func Squares(t *testing.T, folder string) {
	t.Helper()
	f, err := os.Create(filepath.Join(folder, "captions.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := csv.NewWriter(f)
	w.Write([]string{"image", "caption"})
	for i := range 48 {
		picture := image.NewRGBA(image.Rect(0, 0, 40+i, 60))
		draw.Draw(picture, picture.Bounds(), image.NewUniform(color.RGBA{uint8(5 * i), uint8(255 - 5*i), uint8(90 * (i % 3)), 255}), image.Point{}, draw.Src)
		name := fmt.Sprintf("方块 %d.png", i)
		p, err := os.Create(filepath.Join(folder, name))
		if err == nil {
			err = png.Encode(p, picture)
		}
		if err != nil {
			t.Fatal(err)
		}
		p.Close()
		w.Write([]string{name, fmt.Sprintf("第%d个方块, 宽%d", i, 40+i)})
	}
	w.Write([]string{"方块 0.png", "绿色的方块"})
	w.Write([]string{"方块 1.png", "另一个绿色的方块"})
	if w.Flush(); w.Error() != nil {
		t.Fatal(w.Error())
	}
}
