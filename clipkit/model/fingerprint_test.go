package model

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"runtime"
	"sync"
	"testing"

	"clipnb/clipkit/device"
	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/weights"
	"clipnb/clipkit/weights/tensor"

	"github.com/gomlx/gomlx/core/tensors"
)

// wholeFile is the model as one safetensors file in float32, made of copies of all its tensors: what a fingerprint is the hash of.
func wholeFile(t *testing.T, m *Model) []byte {
	t.Helper()
	var parts []tensor.Tensor
	for _, x := range m.Config.Tensors() {
		_, values, err := m.Get(x.Name)
		if err != nil {
			t.Fatal(err)
		}
		if x.Int64 {
			parts = append(parts, tensor.I64(x.Name, int64(values[0])))
			continue
		}
		parts = append(parts, tensor.F32(x.Name, x.Shape, values))
	}
	var b bytes.Buffer
	if err := weights.EncodeSafetensors(&b, parts, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func fingerprintOf(t *testing.T, m *Model) string {
	t.Helper()
	sum, err := m.Fingerprint()
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// A fingerprint is the hash of the whole file, byte by byte, in every precision, also where the device's memory is not the host's. The values
// of two models are written down here: feature files and indexes of users hold such ones.
func TestFingerprintIsThatOfTheWholeFile(t *testing.T) {
	known := map[string]string{
		"vit": "154b4d05a71371e5354117400d6593337e47e120f50abde86c654a4c2bb0b937",
		"rn":  "a456a6987b14b405c9ce34aad6796b542795a0993562c2337013ecaccc6f2e2e",
	}
	for _, engine := range []string{"cpu:xla", "cpu:go"} {
		for kind, want := range known {
			m := loaded(t, engine, kind)
			file := wholeFile(t, m)
			sum := sha256.Sum256(file)
			if got := fingerprintOf(t, m); got != hex.EncodeToString(sum[:]) || got != want {
				t.Errorf("%s on %s: fingerprint %s, the file's is %x, and it was %s before", kind, engine, got, sum, want)
			}
			var apart bytes.Buffer
			if err := m.hashInto(&apart, false); err != nil || !bytes.Equal(apart.Bytes(), file) {
				t.Errorf("%s on %s, its memory taken to be apart: other bytes (%v)", kind, engine, err)
			}
		}
	}
	dev, err := device.Open("cpu:xla")
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	for _, p := range []Precision{BF16, F16} {
		cfg := golden.Config(t, "vit")
		cfg.VocabSize = 4000 // word embeddings that are converted in more than one piece
		m, err := NewIn(cfg, dev, p)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		if err := m.Init(3); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(wholeFile(t, m))
		if got := fingerprintOf(t, m); got != hex.EncodeToString(sum[:]) {
			t.Errorf("%s: fingerprint %s, the file's is %x", p, got, sum)
		}
	}
}

// Whatever writes weights changes the fingerprint, and nothing else computes it again.
func TestFingerprintFollowsTheWeights(t *testing.T) {
	m := loaded(t, "cpu:xla", "vit")
	const name = "text_projection"
	shape, values, err := m.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	first := fingerprintOf(t, m)
	if m.fingerprint != first {
		t.Error("the fingerprint was not kept")
	}
	write := func(values []float32, expect string) {
		t.Helper()
		if err := m.Set(name, shape, values); err != nil {
			t.Fatal(err)
		}
		if got := fingerprintOf(t, m); (got == first) != (expect == "first") {
			t.Errorf("after Set the fingerprint is %s, at first it was %s", got, first)
		}
	}
	other := append([]float32{values[0] + 1}, values[1:]...)
	write(other, "another")
	write(values, "first")

	variables, giveBack := m.LendVariables()
	if fingerprintOf(t, m) != first || m.fingerprint != "" {
		t.Error("lending changes the weights, or what is computed meanwhile is kept")
	}
	v := variables.GetVariable("/" + name)
	if err := v.SetValue(tensors.FromFlatDataAndDimensions(other, shape...)); err != nil {
		t.Fatal(err)
	}
	if fingerprintOf(t, m) == first {
		t.Error("a borrower's change is not seen")
	}
	giveBack()
	giveBack() // once is enough, twice is no harm
	if m.borrowers != 0 {
		t.Errorf("%d borrowers are left", m.borrowers)
	}
	if fingerprintOf(t, m) == first || m.fingerprint == "" {
		t.Error("after the last borrower the fingerprint is of before, or not kept")
	}
}

// Callers in parallel, beside others that encode, get the same.
func TestFingerprintInParallel(t *testing.T) {
	m := loaded(t, "cpu:go", "vit")
	want := sha256.Sum256(wholeFile(t, m))
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			if sum, err := m.Fingerprint(); err != nil || sum != hex.EncodeToString(want[:]) {
				t.Errorf("%s, %v", sum, err)
			}
		})
		wait.Go(func() {
			if _, err := m.EncodeTexts(context.Background(), []int32{101, 7, 102}, 1); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
}

// Hashing takes no memory where the device's is the host's, and that of the largest tensor elsewhere.
func TestFingerprintHoldsOneTensorAtMost(t *testing.T) {
	dev, err := device.Open("cpu:xla")
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	cfg := golden.Config(t, "vit")
	cfg.VocabSize, cfg.VisionWidth, cfg.VisionLayers = 50000, 256, []int{12} // word embeddings of 6 MB among 44
	m, err := New(cfg, dev)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.Init(1); err != nil { // which moves the tensors to the device
		t.Fatal(err)
	}
	var all, largest int
	for _, x := range cfg.Tensors() {
		all, largest = all+4*x.Size(), max(largest, 4*x.Size())
	}
	const header = 1 << 20 // names and shapes as JSON, and what making it takes
	if all < largest+2*header {
		t.Fatalf("a model of %d bytes whose largest tensor has %d shows nothing", all, largest)
	}
	for _, shared := range []bool{true, false} {
		limit := header
		if !shared {
			limit += largest
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := m.hashInto(io.Discard, shared); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		took := after.TotalAlloc - before.TotalAlloc
		if took > uint64(limit) {
			t.Errorf("shared memory %v: hashing %d bytes took %d, want at most %d", shared, all, took, limit)
		}
		t.Logf("shared memory %v: hashing %d bytes, the largest tensor %d, took %d of the Go heap", shared, all, largest, took)
	}
}
