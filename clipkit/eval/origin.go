package eval

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/model"
)

// ErrOtherModel is wrapped when stored features are of other weights than the model's, ErrOtherSplit when they are of other data or were
// prepared in another way.
var (
	ErrOtherModel = errors.New("eval: features of another model")
	ErrOtherSplit = errors.New("eval: features of other data")
)

// Origin is what features depend on. It stands in the file with them, and features are used again only for the same.
type Origin struct {
	Weights    string `json:"weights_sha256"` // of the model's parameters
	Model      string `json:"model"`          // architecture
	Precision  string `json:"precision"`
	Resolution int    `json:"resolution"` // side of the prepared pictures
	Dim        int    `json:"dim"`

	Split         string `json:"split"`
	Samples       string `json:"samples_sha256"` // of ids and captions in their order; other bytes under the same id go unnoticed
	ContextLength int    `json:"context_length"`
	Preparation   string `json:"preparation"`
}

// preparation names how pictures and texts reach the model. It changes when a change of ours changes features.
const preparation = "pictures resized, then RGB; texts lower case with straight quotes"

// OriginOf describes the features that m makes of s. weightsSum is the SHA-256 of m's parameters.
func OriginOf(m *model.Model, weightsSum string, s dataset.Source, contextLength int) Origin {
	h := sha256.New()
	for _, id := range s.ImageIDs() {
		fmt.Fprintln(h, id)
	}
	for _, t := range s.Texts() {
		fmt.Fprintf(h, "%d %q\n", t.ID, t.Text)
	}
	return Origin{
		Weights: weightsSum, Model: m.Config.Name, Precision: string(m.Precision()), Resolution: m.Config.ImageResolution, Dim: m.Config.EmbedDim,
		Split: s.Name(), Samples: hex.EncodeToString(h.Sum(nil)), ContextLength: contextLength, Preparation: preparation,
	}
}

// check says why features of o are not those that are wanted.
func (o Origin) check(path string, want Origin) error {
	if o == want {
		return nil
	}
	if o.Weights != want.Weights || o.Model != want.Model || o.Precision != want.Precision || o.Resolution != want.Resolution || o.Dim != want.Dim {
		return fmt.Errorf("%w: %s is of %s (%s, %d×%d pixels, dimension %d, weights %.12s), want %s (%s, %d×%d, %d, %.12s); give each model a file of its own, or delete this one",
			ErrOtherModel, path, o.Model, o.Precision, o.Resolution, o.Resolution, o.Dim, o.Weights, want.Model, want.Precision, want.Resolution, want.Resolution, want.Dim, want.Weights)
	}
	return fmt.Errorf("%w: %s is of %s (samples %.12s, %d tokens; %s), want %s (%.12s, %d tokens; %s); delete it to extract again",
		ErrOtherSplit, path, o.Split, o.Samples, o.ContextLength, o.Preparation, want.Split, want.Samples, want.ContextLength, want.Preparation)
}
