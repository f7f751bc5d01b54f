package deploy

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"

	"clipnb/clipkit/device"
	"clipnb/clipkit/device/ort"
	"clipnb/clipkit/internal/regular"
	"clipnb/clipkit/model"
	"clipnb/clipkit/onnx"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"golang.org/x/sys/cpu"
)

// words are other names for the precisions of files: those of package model.
var words = map[string]onnx.Precision{"f32": onnx.F32, "f16": onnx.F16}

// Open opens a folder in one of its precisions; "" is the first that it lists. It runs on the processor, by ONNX Runtime with as many threads as Go has
// (GOMAXPROCS): on is "" or "cpu". A tower that is not in the folder is missed when it is asked for, with ErrAbsent.
func Open(dir, precision, on string) (*model.Model, error) {
	if on != "" && on != "cpu" && on != "cpu:onnx" {
		return nil, fmt.Errorf("opening the export %s on %q: it runs on the processor, \"cpu\"; take the model that was exported for other devices", dir, on)
	}
	list, err := ReadManifest(dir)
	if err != nil {
		return nil, err
	}
	p := list.Files[0].Precision
	if precision != "" {
		p = cmp.Or(words[precision], onnx.Precision(precision))
	}
	t := &towers{dir: dir, list: list, precision: p, open: map[onnx.Side]*ort.File{}}
	present, whole := 0, true // whether all sums of 8 bits fit
	for _, s := range Sides {
		if f := list.file(s, p); f != nil {
			present++
			t.unit = f.Normalized
			whole = whole && (p != onnx.Int8 || f.sevenBits())
			if err := f.checkIn(dir); err != nil {
				return nil, fmt.Errorf("opening the export %s: %w: %w", dir, ErrFolder, err)
			}
		}
	}
	if present == 0 {
		return nil, fmt.Errorf("opening the export %s: precision %q: %w; it has %s", dir, p, ErrAbsent, quoted(list.Precisions()))
	}
	if a, b := list.file(onnx.Images, p), list.file(onnx.Texts, p); a != nil && b != nil && (a.Normalized != b.Normalized || a.Settings != b.Settings) {
		return nil, fmt.Errorf("opening the export %s: %w: the two towers of %s were exported in other ways (opset, normalisation); export both again", dir, ErrFolder, p)
	}
	dev, err := device.Open("cpu:onnx") // which brings the runtime
	if err != nil {
		return nil, err
	}
	with := ort.Provider{Log: 3, Shared: true, Threads: runtime.GOMAXPROCS(0)}
	if !whole {
		with.Session = wholeSums(runtime.GOARCH, cpu.X86.HasAVX512VNNI || cpu.X86.HasAVXVNNI)
	}
	if t.backend, err = ort.Open(with); err != nil {
		dev.Close()
		return nil, fmt.Errorf("opening the export %s: %w", dir, err)
	}
	return model.Of(list.Config, dev, model.Precision(p), t), nil
}

// wholeSums are the options of sessions in which no sum of 8-bit products is cut off (package onnx): with them ONNX Runtime takes other kernels on
// x86 processors without VNNI, in which int8 is slower by a quarter to a third.
func wholeSums(arch string, vnni bool) [][2]string {
	if arch != "amd64" || vnni {
		return nil
	}
	return [][2]string{{"session.x64quantprecision", "1"}}
}

func quoted(list []onnx.Precision) string {
	var out []string
	for _, p := range list {
		out = append(out, fmt.Sprintf("%q", string(p)))
	}
	return strings.Join(out, ", ")
}

// checkIn looks at the file and at what it keeps beside it, without reading weights.
func (f *File) checkIn(dir string) error {
	file, err := f.Stored.open(dir)
	if err != nil {
		return err
	}
	defer file.Close()
	data, err := externals(file, f.Bytes)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	if f.Beside != nil {
		beside, err := f.Beside.open(dir)
		if err != nil {
			return err
		}
		beside.Close()
	}
	for _, e := range data {
		if f.Beside == nil || e.location != f.Beside.Path {
			return fmt.Errorf("%s keeps data in %.200q: it may name a file of this folder that %s lists for it, and no other", f.Path, e.location, ManifestName)
		}
		if end := f.Beside.Bytes; e.offset > end || e.length > end-e.offset {
			return fmt.Errorf("%s has data at byte %d of %s, %d bytes long, and that file ends at %d", f.Path, e.offset, e.location, e.length, end)
		}
	}
	return nil
}

// open opens a file of the folder that is a plain one and as long as it should be.
func (s Stored) open(dir string) (*os.File, error) {
	path := filepath.Join(dir, s.Path)
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		return nil, fmt.Errorf("%s is a link: copy the file itself into the folder", path)
	}
	if known, ok := info.Sys().(*syscall.Stat_t); ok && info.Mode().IsRegular() && known.Nlink > 1 {
		return nil, fmt.Errorf("%s has %d names (hard links): copy the file, so that nothing outside the folder changes it", path, known.Nlink)
	}
	f, err := regular.Open(path)
	if err != nil {
		return nil, err
	}
	if info, err = f.Stat(); err == nil && info.Size() != s.Bytes {
		err = fmt.Errorf("%s has %d bytes, %s says %d: copy it again, or export again", path, info.Size(), ManifestName, s.Bytes)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// verify compares a file with its hash.
func (s Stored) verify(dir string) error {
	f, err := s.open(dir)
	if err != nil {
		return err
	}
	f.Close()
	path := filepath.Join(dir, s.Path)
	_, sum, err := hashOf(path)
	if err == nil && sum != s.SHA256 {
		err = fmt.Errorf("%w: %s has SHA-256 %.12s…, %s says %.12s…: copy it again, or export again", ErrFolder, path, sum, ManifestName, s.SHA256)
	}
	return err
}

// towers are an export's files in ONNX Runtime; each is loaded when it is first asked for.
type towers struct {
	dir       string
	list      *Manifest
	precision onnx.Precision
	unit      bool
	backend   *ort.Backend

	mu     sync.Mutex
	open   map[onnx.Side]*ort.File
	closed bool
}

var _ model.Exported = (*towers)(nil)

func (t *towers) Unit() bool                   { return t.unit }
func (t *towers) LogitScale() float64          { return t.list.LogitScale }
func (t *towers) Fingerprint() (string, error) { return t.list.fingerprint(t.precision), nil }

func (t *towers) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range t.open {
		f.Close()
	}
	if !t.closed {
		t.closed = true
		t.backend.Finalize()
	}
}

// file loads a tower.
func (t *towers) file(s onnx.Side) (*ort.File, *File, error) {
	f := t.list.file(s, t.precision)
	if f == nil {
		what := map[onnx.Side]string{onnx.Images: "pictures", onnx.Texts: "texts"}[s]
		return nil, nil, fmt.Errorf("no tower for %s (%s.%s): %w, %s; export again with both sides, or with side %q", what, s, t.precision, ErrAbsent, t.dir, s)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if opened := t.open[s]; opened != nil {
		return opened, f, nil
	}
	parts := []Stored{f.Stored}
	if f.Beside != nil {
		parts = append(parts, *f.Beside)
	}
	for _, part := range parts {
		if err := part.verify(t.dir); err != nil {
			return nil, nil, err
		}
	}
	opened, err := t.backend.OpenFile(filepath.Join(t.dir, f.Path))
	if err != nil {
		return nil, nil, err
	}
	t.open[s] = opened
	return opened, f, nil
}

func (t *towers) Images(_ context.Context, pixels []float32, n int) ([]float32, error) {
	r := t.list.Config.ImageResolution
	return t.run(onnx.Images, pixels, shapes.Make(dtypes.Float32, n, 3, r, r))
}

func (t *towers) Texts(_ context.Context, ids []int32, n int) ([]float32, error) {
	long := make([]int64, len(ids))
	for i, id := range ids {
		long[i] = int64(id)
	}
	return t.run(onnx.Texts, long, shapes.Make(dtypes.Int64, n, len(ids)/n))
}

// run computes the features of one batch.
func (t *towers) run(s onnx.Side, flat any, shape shapes.Shape) ([]float32, error) {
	opened, f, err := t.file(s)
	if err != nil {
		return nil, err
	}
	in, err := t.backend.BufferFromFlatData(0, flat, shape)
	if err != nil {
		return nil, err
	}
	defer in.Finalize()
	n, d := shape.Dim(0), t.list.Config.EmbedDim
	out, err := opened.Run(f.Input, in, f.Output, shapes.Make(dtypes.Float32, n, d))
	if err != nil {
		return nil, err
	}
	defer out.Finalize()
	features := make([]float32, n*d)
	return features, out.ToFlatData(features)
}

// Absent tells which towers an export lacks in the precision in which it was opened.
func (m *Manifest) Absent(precision string) (list []onnx.Side) {
	p := cmp.Or(words[precision], onnx.Precision(precision))
	return slices.DeleteFunc(slices.Clone(Sides), func(s onnx.Side) bool { return m.file(s, p) != nil })
}
