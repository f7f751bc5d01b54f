package pytorch_test

import (
	"bytes"
	"slices"
	"testing"

	"clipnb/clipkit/weights"
)

// The containers hold every type, views and shared storages; the expected values are the reference's.
func TestContainersAgainstSafetensors(t *testing.T) {
	want, err := weights.Open("testdata/pt/container_expected.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"container_zip.pt", "container_zip_parameters.pt", "container_legacy.pt"} {
		f, err := weights.Open("testdata/pt/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range want.Names() {
			w, _ := want.Tensor(n)
			x, err := f.Tensor(n)
			if err != nil || x.DType != w.DType || !slices.Equal(x.Shape, w.Shape) || !bytes.Equal(x.Data, w.Data) {
				t.Errorf("%s: %s is %v, want %v (%v)", name, n, x, w, err)
			}
		}
	}
}
