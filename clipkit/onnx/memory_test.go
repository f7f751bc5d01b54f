package onnx_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/device/devicetest"
	"clipnb/clipkit/onnx"
	"clipnb/clipkit/weights"
	"clipnb/clipkit/weights/tensor"
)

// Writing the largest model out of a mapped file, in float32 and in int8, takes at most 1.3 times its float32 weights of memory, those pages of the
// mapped file included.
func TestMemoryOfViTH14(t *testing.T) {
	if !*full && !devicetest.IsChild() {
		t.Skip("asked for by -full: takes 4 GB of disk and of memory")
	}
	if !devicetest.InOwnProcess(t) {
		return
	}
	cfg, err := arch.Lookup("ViT-H-14")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	f, err := weights.Open(zeros(t, dir, cfg))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var list []tensor.Tensor
	for _, name := range f.Names() {
		x, err := f.Unread(name)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, x)
	}
	for _, p := range []onnx.Precision{onnx.Int8, onnx.F32} {
		for _, side := range []onnx.Side{onnx.Texts, onnx.Images} {
			path, err := onnx.Write(filepath.Join(dir, "m"), side, cfg, list, onnx.Options{Precision: p})
			if err != nil {
				t.Fatal(err)
			}
			share := peak(t) / (4 * float64(cfg.NumParams()))
			t.Logf("%s: peak so far %.3f times the weights", filepath.Base(path), share)
			if share > 1.3 {
				t.Errorf("%s: peak %.3f times the weights", filepath.Base(path), share)
			}
			for _, file := range []string{path, path + ".extra_file"} {
				if err := os.RemoveAll(file); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// zeros is a safetensors file of a model whose weights are zero, a hole in the file.
func zeros(t *testing.T, dir string, cfg arch.Config) string {
	t.Helper()
	type entry struct {
		Dtype   string `json:"dtype"`
		Shape   []int  `json:"shape"`
		Offsets [2]int `json:"data_offsets"`
	}
	header, at := map[string]entry{}, 0
	for _, x := range cfg.Tensors() {
		end := at + 4*x.Size()
		header[x.Name] = entry{"F32", append([]int{}, x.Shape...), [2]int{at, end}}
		at = end
	}
	text, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	text = append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...)
	path := filepath.Join(dir, "zeros.safetensors")
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, int64(len(text)+at)); err != nil {
		t.Fatal(err)
	}
	return path
}

// peak is the most memory that this process had, in bytes.
func peak(t *testing.T) float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("this system does not say what memory a process had:", err)
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	var kB float64
	if _, err := fmt.Sscan(after, &kB); err != nil {
		t.Fatal(err)
	}
	return 1024 * kB
}
