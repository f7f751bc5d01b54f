package train

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"clipnb/clipkit/dataset"
)

// introduction is what the processes of a run compare before they begin.
type introduction struct {
	Config    map[string]any
	Model     string // the architecture
	Weights   string // of the model before anything was resumed
	Data      string // of the training split
	Validates bool
	Teaches   bool
}

// compare refuses processes that were started with something else than rank 0.
func (j *Job) compare() error {
	if j.world().Size() == 1 {
		return nil
	}
	mine, err := j.introduce()
	if err := j.agree(err); err != nil {
		return err
	}
	first := introduction{}
	if j.world().Rank() == 0 {
		first = mine
	}
	if err := shareJSON(j.world(), &first); err != nil {
		return err
	}
	return j.agree(mine.differsFrom(first))
}

func (j *Job) introduce() (i introduction, err error) {
	text, err := json.Marshal(j.Config)
	if err == nil {
		err = json.Unmarshal(text, &i.Config)
	}
	if err != nil {
		return i, err
	}
	if i.Weights, err = j.Model.Fingerprint(); err != nil {
		return i, err
	}
	i.Model, i.Validates, i.Teaches = j.Model.Config.Name, j.Validate != nil, j.Teacher != nil
	i.Data = fmt.Sprintf("%s with %d pairs and hash %s", j.Train.Name(), len(j.pairs), contents(j.Train, j.pairs))
	return i, nil
}

// samplePictures is how many of a split's pictures are compared: reading all would take as long as an epoch's decoding.
const samplePictures = 64

// contents is a hash of all pairs and of some pictures, evenly spread.
func contents(s dataset.Source, pairs []dataset.Pair) string {
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

func (i introduction) differsFrom(first introduction) error {
	for key := range i.Config {
		if _, ok := first.Config[key]; !ok {
			first.Config[key] = nil // it is off there
		}
	}
	for _, key := range slices.Sorted(maps.Keys(first.Config)) {
		want := first.Config[key]
		if got := i.Config[key]; fmt.Sprint(got) != fmt.Sprint(want) {
			return fmt.Errorf("%w: its %s is %v, and that of rank 0 %v: start all with the same settings", ErrConfig, key, got, want)
		}
	}
	switch {
	case i.Model != first.Model:
		return fmt.Errorf("%w: its model is %s, and that of rank 0 %s", ErrConfig, i.Model, first.Model)
	case i.Data != first.Data:
		return fmt.Errorf("%w: its data set is %s, and that of rank 0 %s: give every host the same", ErrConfig, i.Data, first.Data)
	case i.Weights != first.Weights:
		return fmt.Errorf("%w: its model has other weights than that of rank 0 (fingerprints %.12s… and %.12s…): load the same", ErrConfig, i.Weights, first.Weights)
	case i.Validates != first.Validates || i.Teaches != first.Teaches:
		return fmt.Errorf("%w: its Job has a validation (%v) and a teacher (%v), that of rank 0 %v and %v", ErrConfig, i.Validates, i.Teaches, first.Validates, first.Teaches)
	}
	return nil
}
