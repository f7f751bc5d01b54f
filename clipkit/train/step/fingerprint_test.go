package step

import (
	"testing"

	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/model/modeltest"
)

// A step changes the model's fingerprint, whichever way the update goes, and closing the Stepper lets the model keep it again.
func TestStepsChangeTheFingerprint(t *testing.T) {
	for _, graphUpdates := range []bool{false, true} {
		m := modeltest.Tiny(t, "cpu:go", "rn")
		s, err := New(m, Config{Beta1: 0.9, Beta2: 0.98, Epsilon: 1e-6})
		if err != nil {
			t.Fatal(err)
		}
		s.graphUpdates = graphUpdates
		batches := golden.Open(t, "rn/train_batches.safetensors")
		images, ids, n := golden.Values(t, batches, "images"), golden.IDs(t, batches, "texts"), 4
		seen := map[string]bool{}
		for range 3 {
			sum, err := m.Fingerprint()
			if err != nil {
				t.Fatal(err)
			}
			if seen[sum] {
				t.Errorf("graph updates %v: a step left the fingerprint as it was", graphUpdates)
			}
			seen[sum] = true
			if _, err := s.Step(images[:len(images)/5], ids[:len(ids)/5], n, 1e-4, 1); err != nil {
				t.Fatal(err)
			}
		}
		s.Close()
	}
}
