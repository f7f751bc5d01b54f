package onnx

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/internal/atomicfile"
	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/weights/tensor"

	onnxpb "github.com/gomlx/compute-onnx/support/protos"
	"google.golang.org/protobuf/proto"
)

func constant(cfg arch.Config, value float32) (list []tensor.Tensor) {
	for _, x := range cfg.Tensors() {
		values := make([]float32, x.Size())
		for i := range values {
			values[i] = value
		}
		list = append(list, tensor.F32(x.Name, x.Shape, values))
	}
	return list
}

// contents are the files of a folder and, below it, of folders.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if err == nil && path != dir {
				files[path] = "a folder"
			}
			return err
		}
		data, err := os.ReadFile(path)
		files[path] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// An export that fails at its n-th operation, for all n, leaves the older one as it was or, once the new files are in place, those; never one's model with
// the other's weights, and nothing beside them.
func TestAWriteThatFailsKeepsTheOlderExport(t *testing.T) {
	cfg := golden.Config(t, "vit")
	for _, c := range []struct{ old, new bool }{{true, true}, {true, false}, {false, true}, {false, false}} { // do weights lie beside?
		t.Run(fmt.Sprintf("beside %v then %v", c.old, c.new), func(t *testing.T) {
			make := func(dir string, beside bool, value float32) error {
				_, err := Write(filepath.Join(dir, "m"), Texts, cfg, constant(cfg, value), Options{Beside: beside})
				return err
			}
			dir := t.TempDir()
			if err := make(dir, c.new, 2); err != nil {
				t.Fatal(err)
			}
			want := contents(t, dir)
			if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o755), make(dir, c.old, 1)); err != nil {
				t.Fatal(err)
			}
			old := contents(t, dir)
			for n := 1; ; n++ {
				at := 0
				end := atomicfile.Inject(func(op, path string) error {
					if at++; at == n {
						return syscall.ENOSPC
					}
					return nil
				})
				err := make(dir, c.new, 2)
				end()
				if at < n {
					if err != nil || !maps.Equal(contents(t, dir), want) {
						t.Errorf("nothing failed, but for %v", err)
					}
					return
				}
				if err != nil && (!errors.Is(err, syscall.ENOSPC) || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "writing "+dir)) {
					t.Errorf("operation %d: %v", n, err)
				}
				got := contents(t, dir)
				for path := range got { // what could not be removed is hidden
					if strings.Contains(path, "/.m.txt.fp32.onnx.") {
						delete(got, path)
						_ = os.RemoveAll(path)
					}
				}
				switch {
				case maps.Equal(got, old):
				case maps.Equal(got, want):
					if err := make(dir, c.old, 1); err != nil {
						t.Fatal(err)
					}
				default:
					t.Fatalf("operation %d (%v) leaves %d files, and the model with weights of another", n, err, len(got))
				}
			}
		})
	}
}

// Where older files cannot be moved back either, the error says where they lie.
func TestStrandedFilesAreNamed(t *testing.T) {
	cfg, dir := golden.Config(t, "vit"), t.TempDir()
	write := func() error {
		_, err := Write(filepath.Join(dir, "m"), Texts, cfg, constant(cfg, 1), Options{Beside: true})
		return err
	}
	if err := write(); err != nil {
		t.Fatal(err)
	}
	renames := 0
	end := atomicfile.Inject(func(op, path string) error {
		if op == "rename" && !strings.HasPrefix(filepath.Base(filepath.Dir(path)), ".") {
			if renames++; renames > 1 {
				return syscall.EIO
			}
		}
		return nil
	})
	err := write()
	end()
	if !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), ".old after their names") {
		t.Fatal(err)
	}
	if old, _ := filepath.Glob(filepath.Join(dir, ".m.*", "*.old")); len(old) != 2 {
		t.Errorf("%v are left after %v", old, err)
	}
}

func TestAFolderIsNotReplaced(t *testing.T) {
	cfg, dir := golden.Config(t, "vit"), t.TempDir()
	path := filepath.Join(dir, "m.txt.fp32.onnx")
	if err := os.MkdirAll(filepath.Join(path, "mine"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := Write(filepath.Join(dir, "m"), Texts, cfg, constant(cfg, 1), Options{})
	if _, gone := os.Stat(filepath.Join(path, "mine")); err == nil || !strings.Contains(err.Error(), "is a folder") || gone != nil {
		t.Error(err, gone)
	}
}

// A write that is stopped ends before its next piece, and the older export is there.
func TestAStoppedWriteKeepsTheOlderExport(t *testing.T) {
	cfg, dir := golden.Config(t, "vit"), t.TempDir()
	prefix, list := filepath.Join(dir, "m"), constant(cfg, 1)
	if _, err := Write(prefix, Texts, cfg, list, Options{Beside: true}); err != nil {
		t.Fatal(err)
	}
	old := contents(t, dir)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	for i, x := range list {
		if x.Name == "text_projection" {
			list[i] = tensor.Lent(x.Name, x.DType, x.Shape, func(use func([]byte) error) error {
				stop()
				return use(x.Data)
			})
		}
	}
	_, err := WriteContext(ctx, prefix, Texts, cfg, list, Options{Beside: true})
	if !errors.Is(err, context.Canceled) || !maps.Equal(contents(t, dir), old) {
		t.Error(err)
	}
}

// A file tells what it is.
func TestMetadata(t *testing.T) {
	cfg, dir := golden.Config(t, "vit"), t.TempDir()
	for _, c := range []struct {
		side Side
		Options
		want map[string]string
	}{
		{Images, Options{Precision: Int8, ReduceRange: true, Fingerprint: "abc", Mean: [3]float32{0.5, 0.25, 0.125}, Std: [3]float32{1, 2, 3}},
			map[string]string{"architecture": "tiny-vit", "tower": "img", "precision": "int8", "weight_bits": "7", "fingerprint": "abc", "embed_dim": "32",
				"normalized": "false", "image_resolution": fmt.Sprint(cfg.ImageResolution), "image_mean": "0.5 0.25 0.125", "image_std": "1 2 3"}},
		{Texts, Options{Normalize: true}, map[string]string{"architecture": "tiny-vit", "tower": "txt", "precision": "fp32", "embed_dim": "32",
			"normalized": "true", "context_length": fmt.Sprint(cfg.ContextLength)}},
		{Texts, Options{Context: 9, Precision: Int8}, map[string]string{"architecture": "tiny-vit", "tower": "txt", "precision": "int8", "weight_bits": "8", "embed_dim": "32",
			"normalized": "false", "context_length": "9"}},
	} {
		path, err := Write(filepath.Join(dir, "m"), c.side, cfg, constant(cfg, 1), c.Options)
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		var m onnxpb.ModelProto
		if err = errors.Join(err, proto.Unmarshal(data, &m)); err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, e := range m.MetadataProps {
			got[e.Key] = e.Value
		}
		if !maps.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", path, got, c.want)
		}
	}
}
