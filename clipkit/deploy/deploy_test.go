package deploy_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"clipnb/clipkit/deploy"
	"clipnb/clipkit/device"
	"clipnb/clipkit/internal/atomicfile"
	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/model"
	"clipnb/clipkit/onnx"
	"clipnb/clipkit/weights"
)

var ctx = context.Background()

// tiny is one of the reference's tiny models.
func tiny(t *testing.T, kind string) (*model.Model, model.Ident) {
	t.Helper()
	dev, err := device.Open("cpu:go") // nothing to compile
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dev.Close)
	m, err := model.New(golden.Config(t, kind), dev)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	f, err := weights.Open(golden.Path(kind + "/init.pt"))
	if err == nil {
		defer f.Close()
		err = weights.Load(m, m.Config, f)
	}
	sum := ""
	if err == nil {
		sum, err = m.Fingerprint()
	}
	if err != nil {
		t.Fatal(err)
	}
	return m, model.Ident{Name: m.Config.Name, Source: kind, Architecture: m.Config.Name, Fingerprint: sum}
}

// written exports a tiny model and gives the folder.
func written(t *testing.T, m *model.Model, is model.Ident, o deploy.Options) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "deploy")
	if _, err := deploy.Write(ctx, dir, is, m, o, func(line string) { t.Log(line) }); err != nil {
		t.Fatal(err)
	}
	return dir
}

func opened(t *testing.T, dir, precision string) *model.Model {
	t.Helper()
	m, err := deploy.Open(dir, precision, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Device.Close)
	t.Cleanup(m.Close)
	return m
}

// batch repeats the fixture's pictures and texts until there are n.
func batch(t *testing.T, kind string, n int) (pixels []float32, ids []int32) {
	f := golden.Open(t, kind+"/forward_eval.safetensors")
	p, x := golden.Values(t, f, "images"), golden.IDs(t, f, "texts")
	each, length := len(p)/4, len(x)/4
	for i := range n {
		k := i % 4
		pixels, ids = append(pixels, p[k*each:(k+1)*each]...), append(ids, x[k*length:(k+1)*length]...)
	}
	return pixels, ids
}

// near compares with the model, not with the reference.
func near(t *testing.T, what string, got, want []float32, limit float64) {
	t.Helper()
	if _, far := golden.Difference(got, want); len(got) != len(want) || far > limit {
		t.Errorf("%s: %d values, want %d; the largest difference is %.3g of the largest value, want %g at most", what, len(got), len(want), far, limit)
	}
}

// A folder is the model: unit and raw features of batches of any size, its scale, and a fingerprint for every precision.
func TestFolderIsTheModel(t *testing.T) {
	for _, kind := range []string{"vit", "rn"} {
		m, is := tiny(t, kind)
		dir := written(t, m, is, deploy.Options{Beside: kind == "rn"})
		sums := []string{is.Fingerprint}
		for precision, limit := range map[string]float64{"": 1e-4, "fp16": 5e-3, "int8": 0.2} {
			small := opened(t, dir, precision)
			for _, n := range []int{1, 3, 17, 70} {
				pixels, ids := batch(t, kind, n)
				for name, of := range map[string]func(*model.Model) ([]float32, error){
					"images":     func(m *model.Model) ([]float32, error) { return m.EncodeImages(ctx, pixels, n) },
					"texts":      func(m *model.Model) ([]float32, error) { return m.EncodeTexts(ctx, ids, n) },
					"raw images": func(m *model.Model) ([]float32, error) { return m.RawImages(ctx, pixels, n) },
					"raw texts":  func(m *model.Model) ([]float32, error) { return m.RawTexts(ctx, ids, n) },
				} {
					want, err := of(m)
					if err != nil {
						t.Fatal(err)
					}
					got, err := of(small)
					if err != nil {
						t.Fatal(err)
					}
					near(t, fmt.Sprintf("%s %s, %d %s", kind, small.Precision(), n, name), got, want, limit)
				}
			}
			want, _ := m.LogitScale()
			if got, err := small.LogitScale(); err != nil || got != want {
				t.Errorf("scale %v, want %v (%v)", got, want, err)
			}
			sum, err := small.Fingerprint()
			if err != nil || slices.Contains(sums, sum) {
				t.Errorf("%s: fingerprint %s is another's, too (%v)", small.Precision(), sum, err)
			}
			sums = append(sums, sum)
		}
	}
}

// One tower may be absent, unit vectors may come out, and a second export adds to the first.
func TestTowersOneByOne(t *testing.T) {
	m, is := tiny(t, "vit")
	dir := written(t, m, is, deploy.Options{Precisions: []onnx.Precision{onnx.F32}, Sides: []onnx.Side{onnx.Texts}, Normalize: true})
	small := opened(t, dir, "fp32")
	pixels, ids := batch(t, "vit", 2)
	v, err := small.EncodeTexts(ctx, ids, 2)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := m.EncodeTexts(ctx, ids, 2)
	near(t, "unit vectors of the file", v, want, 1e-4)
	if _, err := small.EncodeImages(ctx, pixels, 2); !errors.Is(err, deploy.ErrAbsent) || !strings.Contains(err.Error(), `with side "img"`) {
		t.Errorf("the absent tower: %v", err)
	}
	if _, err := small.RawTexts(ctx, ids, 2); err == nil || !strings.Contains(err.Error(), "without normalisation") {
		t.Errorf("raw vectors of a file that normalises: %v", err)
	}
	if _, _, err := small.Get("text_projection"); !errors.Is(err, model.ErrTensor) {
		t.Errorf("weights of an export: %v", err)
	}
	alone, _ := small.Fingerprint()
	if _, err := deploy.Write(ctx, dir, is, m, deploy.Options{Precisions: []onnx.Precision{onnx.F32}, Sides: []onnx.Side{onnx.Images}, Normalize: true}, func(string) {}); err != nil {
		t.Fatal(err)
	}
	both := opened(t, dir, "f32")
	if _, err := both.EncodeImages(ctx, pixels, 2); err != nil {
		t.Error(err)
	}
	if sum, _ := both.Fingerprint(); sum != alone {
		t.Error("the fingerprint depends on which towers are there")
	}
	if _, err := deploy.Open(dir, "fp16", ""); !errors.Is(err, deploy.ErrAbsent) || !strings.Contains(err.Error(), `it has "fp32"`) {
		t.Errorf("an absent precision: %v", err)
	}
	if _, err := deploy.Open(dir, "", "npu:0"); err == nil || !strings.Contains(err.Error(), "runs on the processor") {
		t.Errorf("on an NPU: %v", err)
	}
	if _, err := deploy.Write(ctx, t.TempDir(), is, both, deploy.Options{}, func(string) {}); !errors.Is(err, deploy.ErrOption) {
		t.Errorf("an export is exported: %v", err)
	}

	// Other weights replace all of it.
	rn, other := tiny(t, "rn")
	var said []string
	list, err := deploy.Write(ctx, dir, other, rn, deploy.Options{Precisions: []onnx.Precision{onnx.F16}}, func(line string) { said = append(said, line) })
	if err != nil || len(list.Files) != 2 || !strings.Contains(said[0], "is replaced") {
		t.Errorf("%v %q %v", list, said, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "tiny-vit*")); len(left) > 0 {
		t.Errorf("the other model has left %v", left)
	}
}

func oneLine(t *testing.T, what string, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%s: %v; want one line with %q", what, err, want)
	}
}

// A disk that is full or may not be written gives one line and no folder that could be taken for an export.
func TestWritingFails(t *testing.T) {
	m, is := tiny(t, "vit")
	for _, cause := range []error{syscall.ENOSPC, syscall.EROFS, syscall.EACCES} {
		for n := 1; n < 3 || cause == syscall.ENOSPC; n++ {
			dir := filepath.Join(t.TempDir(), "deploy")
			at := 0
			end := atomicfile.Inject(func(string, string) error {
				if at++; at == n {
					return cause
				}
				return nil
			})
			_, err := deploy.Write(ctx, dir, is, m, deploy.Options{Precisions: []onnx.Precision{onnx.F32}}, func(string) {})
			end()
			if at < n {
				break
			}
			oneLine(t, fmt.Sprint("operation ", n), err, cause.Error())
			if n > 1 && deploy.IsFolder(dir) {
				if _, err := deploy.Open(dir, "", ""); err != nil { // renamed already, only the folder was not synced
					t.Errorf("operation %d leaves a folder that is none: %v", n, err)
				}
			}
		}
	}
	_, err := deploy.Write(ctx, t.TempDir(), is, m, deploy.Options{Opset: 99}, func(string) {})
	oneLine(t, "opset", err, "opset 99, want 13 to 22")
	_, err = deploy.Write(ctx, t.TempDir(), is, m, deploy.Options{Precisions: []onnx.Precision{"int3"}}, func(string) {})
	oneLine(t, "precision", err, `precision "int3"`)
	_, err = deploy.Write(ctx, t.TempDir(), is, m, deploy.Options{Sides: []onnx.Side{"sound"}}, func(string) {})
	oneLine(t, "side", err, `side "sound"`)
	run := t.TempDir()
	if err := os.WriteFile(filepath.Join(run, "config.json"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = deploy.Write(ctx, run, is, m, deploy.Options{}, func(string) {})
	oneLine(t, "a run's folder", err, "holds other files")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = deploy.Write(ctx, file, is, m, deploy.Options{}, func(string) {})
	oneLine(t, "a file in the folder's place", err, "not a directory")
}

// edit changes the manifest of a folder.
func edit(t *testing.T, dir string, change func(m *deploy.Manifest)) {
	t.Helper()
	path := filepath.Join(dir, deploy.ManifestName)
	b, err := os.ReadFile(path)
	var m deploy.Manifest
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err == nil {
		change(&m)
		b, err = json.Marshal(m)
	}
	if err == nil {
		err = os.WriteFile(path, b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// What a folder from elsewhere may try is refused before ONNX Runtime sees it.
// fault 10
func TestHostileFolders(t *testing.T) {
	m, is := tiny(t, "vit")
	const extra = "tiny-vit.img.fp32.onnx.extra_file"
	for name, c := range map[string]struct {
		change func(t *testing.T, dir string)
		want   string
	}{
		"path up": {func(t *testing.T, dir string) {
			edit(t, dir, func(m *deploy.Manifest) { m.Files[0].Path = "../tiny-vit.img.fp32.onnx" })
		}, "want the name of a file in the folder"},
		"absolute path": {func(t *testing.T, dir string) {
			edit(t, dir, func(m *deploy.Manifest) { m.Files[0].Beside.Path = "/etc/passwd" })
		}, "want the name of a file in the folder"},
		"other data": {func(t *testing.T, dir string) {
			edit(t, dir, func(m *deploy.Manifest) { m.Files[0].Beside = nil })
		}, "it may name a file of this folder"},
		"link": {func(t *testing.T, dir string) {
			outside := filepath.Join(t.TempDir(), "outside")
			if err := errors.Join(os.Rename(filepath.Join(dir, extra), outside), os.Symlink(outside, filepath.Join(dir, extra))); err != nil {
				t.Fatal(err)
			}
		}, "is a link"},
		"hard link": {func(t *testing.T, dir string) {
			if err := os.Link(filepath.Join(dir, extra), filepath.Join(dir, "second")); err != nil {
				t.Fatal(err)
			}
		}, "hard links"},
		"pipe": {func(t *testing.T, dir string) {
			path := filepath.Join(dir, extra)
			if err := errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o644)); err != nil {
				t.Fatal(err)
			}
		}, "it is a pipe"},
		"short": {func(t *testing.T, dir string) {
			if err := os.Truncate(filepath.Join(dir, extra), 5000); err != nil {
				t.Fatal(err)
			}
		}, "has 5000 bytes"},
		"short, and said so": {func(t *testing.T, dir string) {
			if err := os.Truncate(filepath.Join(dir, extra), 5000); err != nil {
				t.Fatal(err)
			}
			edit(t, dir, func(m *deploy.Manifest) { m.Files[0].Beside.Bytes = 5000 })
		}, "and that file ends at 5000"},
		"no such file": {func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, extra)) }, "no such file"},
		"two of one": {func(t *testing.T, dir string) {
			edit(t, dir, func(m *deploy.Manifest) { m.Files = append(m.Files, m.Files[0]) })
		}, "no pair twice"},
		"no model": {func(t *testing.T, dir string) {
			edit(t, dir, func(m *deploy.Manifest) { m.Config.TextHeads = 0 })
		}, "text_num_attention_heads"},
		"another version": {func(t *testing.T, dir string) { edit(t, dir, func(m *deploy.Manifest) { m.Version = 7 }) }, "version 7"},
		"no manifest": {func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, deploy.ManifestName), []byte("{"), 0o644); err != nil {
				t.Fatal(err)
			}
		}, "unexpected end"},
		"endless manifest": {func(t *testing.T, dir string) {
			if err := os.Truncate(filepath.Join(dir, deploy.ManifestName), 1<<30); err != nil {
				t.Fatal(err)
			}
		}, "file too long"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := written(t, m, is, deploy.Options{Precisions: []onnx.Precision{onnx.F32}, Beside: true})
			c.change(t, dir)
			_, err := deploy.Open(dir, "", "")
			oneLine(t, name, err, c.want)
			if !errors.Is(err, deploy.ErrFolder) {
				t.Errorf("%v is no ErrFolder", err)
			}
		})
	}

	// A byte that has changed is found when the tower is loaded, also where only ONNX Runtime would not mind.
	dir := written(t, m, is, deploy.Options{Precisions: []onnx.Precision{onnx.F32}, Beside: true})
	f, err := os.OpenFile(filepath.Join(dir, extra), os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteAt([]byte{1, 2, 3}, 64)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	pixels, _ := batch(t, "vit", 1)
	_, err = opened(t, dir, "").EncodeImages(ctx, pixels, 1)
	oneLine(t, "a changed byte", err, "has SHA-256")
}
