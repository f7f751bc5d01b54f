// Package fullsize_test has the checks that take minutes or gigabytes: go test ./clipkit/internal/fullsize -full -v
package fullsize_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"flag"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"clipnb/clipkit"
	"clipnb/clipkit/arch"
	"clipnb/clipkit/weights/hub"
)

var full = flag.Bool("full", false, "write, load and run random checkpoints of all published sizes (up to 4 GB of disk, minutes)")

// textTower of each published model, as the reference names its configuration.
var textTower = map[string]string{"RN50": "RBT3-chinese", "ViT-H-14": "RoBERTa-wwm-ext-large-chinese"}

// TestFullSize writes a random checkpoint of each published model as .pt, loads it as a user would, encodes a picture and a text and prints
// parameters, times and peak memory. Where CLIPKIT_TORCH_PYTHON names a python with torch and cn-clip, the reference loads the same file
// and its features must agree.
func TestFullSize(t *testing.T) {
	if !*full {
		t.Skip("asked for by -full: takes minutes and gigabytes")
	}
	t.Setenv("CLIPKIT_ROOT", t.TempDir())
	for _, name := range hub.Published() {
		t.Run(name, func(t *testing.T) { fullSize(t, name) })
	}
}

func fullSize(t *testing.T, name string) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), name+".pt")
	made, err := clipkit.New(ctx, name, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := made.Save(path, false); err != nil {
		t.Fatal(err)
	}
	made.Close()

	got := map[string]features{}
	cfg := encodeBoth(t, path, "f32", got)
	encodeBoth(t, path, "f16", got)
	if cfg.Name != name {
		t.Errorf("the file of %s was taken for %q", name, cfg.Name)
	}

	python := os.Getenv("CLIPKIT_TORCH_PYTHON")
	if python == "" {
		t.Log("CLIPKIT_TORCH_PYTHON is not set: not compared with the reference")
		return
	}
	var raw bytes.Buffer
	if err := binary.Write(&raw, binary.LittleEndian, wave(cfg.ImageResolution)); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(t.TempDir(), "pixels.bin")
	if err := os.WriteFile(bin, raw.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	tower := textTower[name]
	if tower == "" {
		tower = "RoBERTa-wwm-ext-base-chinese"
	}
	cmd := exec.Command(python, "testdata/reference_features.py", path, name, tower, strconv.Itoa(cfg.ImageResolution), bin, sentence)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("the reference does not load the file: %v", err)
	}
	var want struct {
		Parameters int
		F32, F16   features
	}
	if err := json.Unmarshal(out, &want); err != nil {
		t.Fatal(err)
	}
	if want.Parameters != cfg.NumParams() {
		t.Errorf("the reference counts %d parameters", want.Parameters)
	}
	compare := func(what string, got, theirs []float32) {
		var cosine, worst, top float64
		for i, x := range unit(theirs) {
			cosine += float64(got[i]) * x
			worst = math.Max(worst, math.Abs(float64(got[i])-x))
			top = math.Max(top, math.Abs(x))
		}
		t.Logf("%s against the reference: cosine %.8f, largest difference %.2g of the largest value", what, cosine, worst/top)
		if cosine < 0.99999 || worst > 1e-4*top {
			t.Errorf("%s of %s is not the reference's", what, name)
		}
	}
	compare("image, float32", got["f32"].Image, want.F32.Image)
	compare("text, float32", got["f32"].Text, want.F32.Text)
	compare("image, weights rounded to float16 (load_from_name)", got["f16"].Image, want.F16.Image)
	compare("text, weights rounded to float16 (load_from_name)", got["f16"].Text, want.F16.Text)
}

type features struct{ Image, Text []float32 }

const sentence = "杰尼龟在海边晒太阳"

// encodeBoth loads as a user would, encodes a text and a picture, and prints what that took.
func encodeBoth(t *testing.T, path, precision string, got map[string]features) arch.Config {
	ctx := context.Background()
	debug.FreeOSMemory()
	resetPeak(t)
	start := time.Now()
	m, err := clipkit.Load(ctx, path, clipkit.In(precision))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	text, err := m.EncodeTexts(ctx, []string{sentence})
	if err != nil {
		t.Fatal(err)
	}
	loaded := time.Since(start)
	image, err := m.Towers.EncodeImages(ctx, wave(m.Towers.Config.ImageResolution), 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s %s: %d parameters (%d vision), load and one text %.1f s, peak memory %.2f GiB; its float32 weights are %.2f GiB", m.Towers.Config.Name,
		precision, m.Towers.Config.NumParams(), m.Towers.Config.NumVisualParams(), loaded.Seconds(), peakGiB(t), 4*float64(m.Towers.Config.NumParams())/(1<<30))
	got[precision] = features{image, text[0]}
	return m.Towers.Config
}

// wave is a picture [3,R,R] as a model takes it.
func wave(r int) []float32 {
	pixels := make([]float32, 3*r*r)
	for i := range pixels {
		pixels[i] = float32(math.Sin(float64(i) / 1000))
	}
	return pixels
}

func unit(v []float32) []float64 {
	var n float64
	for _, x := range v {
		n += float64(x) * float64(x)
	}
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(x) / math.Sqrt(n)
	}
	return out
}

// resetPeak starts the kernel's record of this process's largest memory anew.
func resetPeak(t *testing.T) {
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		t.Logf("peak memory includes making the file: %v", err)
	}
}

func peakGiB(t *testing.T) float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return math.NaN()
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	kB, err := strconv.ParseFloat(strings.Fields(after)[0], 64)
	if err != nil {
		t.Fatal(err)
	}
	return kB / (1 << 20)
}
