// Package introduction is what the processes of a run tell each other before they begin, so that none trains with other settings, data or weights.
package introduction

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"clipnb/clipkit/dataset"
)

// Introduction is what the processes of a run compare before they begin.
type Introduction struct {
	Config    map[string]any
	Model     string // the architecture
	Weights   string // of the model before anything was resumed
	Data      string // of the training split
	Validates bool
	Teaches   bool
}

// samplePictures is how many of a split's pictures are compared: reading all would take as long as an epoch's decoding.
const samplePictures = 64

// Contents is a hash of all pairs and of some pictures, evenly spread.
func Contents(s dataset.Source, pairs []dataset.Pair) string {
	h := sha256.New()
	for _, p := range pairs {
		fmt.Fprintf(h, "%d %d %q\n", p.ImageID, p.TextID, p.Text)
	}
	for i := range min(samplePictures, len(pairs)) {
		picture, err := s.Image(pairs[i*len(pairs)/min(samplePictures, len(pairs))].ImageID)
		fmt.Fprintf(h, "%d %t\n", len(picture), err == nil) // one that cannot be read is the loader's matter
		h.Write(picture)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// DiffersFrom tells what a process has been started with that rank 0 has not; nil where it is the same.
func (i Introduction) DiffersFrom(first Introduction) error {
	for key := range i.Config {
		if _, ok := first.Config[key]; !ok {
			first.Config[key] = nil // it is off there
		}
	}
	for _, key := range slices.Sorted(maps.Keys(first.Config)) {
		want := first.Config[key]
		if got := i.Config[key]; fmt.Sprint(got) != fmt.Sprint(want) {
			return fmt.Errorf("its %s is %v, and that of rank 0 %v: start all with the same settings", key, got, want)
		}
	}
	switch {
	case i.Model != first.Model:
		return fmt.Errorf("its model is %s, and that of rank 0 %s", i.Model, first.Model)
	case i.Data != first.Data:
		return fmt.Errorf("its data set is %s, and that of rank 0 %s: give every host the same", i.Data, first.Data)
	case i.Weights != first.Weights:
		return fmt.Errorf("its model has other weights than that of rank 0 (fingerprints %.12s… and %.12s…): load the same", i.Weights, first.Weights)
	case i.Validates != first.Validates || i.Teaches != first.Teaches:
		return fmt.Errorf("its Job has a validation (%v) and a teacher (%v), that of rank 0 %v and %v", i.Validates, i.Teaches, first.Validates, first.Teaches)
	}
	return nil
}
