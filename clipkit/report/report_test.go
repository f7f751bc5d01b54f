package report

import (
	"bytes"
	"errors"
	"io/fs"
	"math"
	"strings"
	"testing"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/eval"
)

// turned are features of a split in the plane: picture k points to its own angle, and each caption points a little beside its picture.
func turned(split dataset.Source) *eval.Features {
	f := &eval.Features{Dim: 2, ImageIDs: split.ImageIDs()}
	angle := map[int64]float64{}
	for k, id := range f.ImageIDs {
		angle[id] = 2 * math.Pi * float64(k) / float64(len(f.ImageIDs))
		f.Images = append(f.Images, float32(math.Cos(angle[id])), float32(math.Sin(angle[id])))
	}
	for _, t := range split.Texts() {
		a := angle[t.ImageIDs[0]] + 0.1
		f.TextIDs = append(f.TextIDs, t.ID)
		f.Texts = append(f.Texts, float32(math.Cos(a)), float32(math.Sin(a)))
	}
	return f
}

// Each figure shows what the features say: a caption's own picture at cos 0.1 = 0.995, the pictures on a circle.
func TestFiguresOfFeatures(t *testing.T) {
	data, err := dataset.Open("emoji")
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	f := turned(data.Valid)
	mapped, err := Map(f, data.Valid, 40)
	if err != nil {
		t.Fatal(err)
	}
	if html := mapped.HTML(); strings.Count(html, "data:image/") < 40 {
		t.Errorf("%d pictures on the map", strings.Count(html, "data:image/"))
	}
	heat, err := Heatmap(f, data.Valid, 6)
	if err != nil {
		t.Fatal(err)
	}
	if html := heat.HTML(); strings.Count(html, "0.995") < 6 || strings.Contains(html, "NaN") {
		t.Errorf("%d of 6 captions at their own pictures", strings.Count(html, "0.995"))
	}
	spread, err := Similarities(f, data.Valid)
	if err != nil {
		t.Fatal(err)
	}
	if html := spread.HTML(); !strings.Contains(html, "0.99") || strings.Contains(html, "NaN") {
		t.Error("no threshold between 0.995 and the others")
	}
	if _, err := Map(&eval.Features{Dim: 2}, data.Valid, 5); err == nil || !strings.Contains(err.Error(), "emoji/valid") {
		t.Errorf("no features: %v", err)
	}
}

// A report is found again under its name, and the tables show its numbers.
func TestKeptReports(t *testing.T) {
	t.Setenv("CLIPKIT_ROOT", t.TempDir())
	r := &eval.Report{}
	r.TextToImage.R5, r.ImageToText.R10 = 57.24, 50.3
	if err := Keep("run", "after", r); err != nil {
		t.Fatal(err)
	}
	kept, err := Kept("run", "after")
	if err != nil || kept.Name != "after" || kept.TextToImage.R5 != 57.24 {
		t.Fatal(kept, err)
	}
	if html := RecallTable(kept).HTML(); !strings.Contains(html, ">57.2<") || !strings.Contains(html, ">50.3<") || !strings.Contains(html, "after") {
		t.Error(html)
	}
	if html := RecallBars(kept).HTML(); !strings.Contains(html, "after") {
		t.Error(html)
	}
	if _, err := Kept("run", "before"); err == nil {
		t.Error("a report that nobody kept was read")
	}
}

// spoilt is a split some of whose pictures are missing or no pictures.
type spoilt struct {
	dataset.Source
	bad map[int64]error // nil: no picture
}

func (s spoilt) Image(id int64) ([]byte, error) {
	switch err, is := s.bad[id]; {
	case is && err != nil:
		return nil, err
	case is:
		return []byte("<html>"), nil
	}
	return s.Source.Image(id)
}

// In place of a bad picture a sample has the next, and what is compared by it is shown with the reason.
func TestBadPicturesAreShown(t *testing.T) {
	data, err := dataset.Open("emoji")
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	ids := data.Valid.ImageIDs()
	want, err := data.Valid.Image(ids[2])
	if err != nil {
		t.Fatal(err)
	}
	s := spoilt{data.Valid, map[int64]error{ids[0]: fs.ErrNotExist, ids[1]: nil}}
	sample, err := Sample(s, 3)
	if err != nil || len(sample) != 3 || !bytes.Equal(sample[0].Encoded, want) {
		t.Errorf("%d pictures: %v", len(sample), err)
	}
	if _, err := Images(sample); err != nil {
		t.Error(err)
	}
	moved, err := MovedImages(s, []eval.Moved{{Query: ids[0], Before: 2, After: 1}}, 1)
	if err != nil || len(moved) != 1 || moved[0].Encoded != nil || !strings.Contains(moved[0].Caption, fs.ErrNotExist.Error()) {
		t.Errorf("%+v, %v", moved, err)
	}
	for _, id := range ids {
		s.bad[id] = fs.ErrNotExist
	}
	if _, err := Sample(s, 3); err == nil || !strings.Contains(err.Error(), "no picture of emoji/valid") || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no picture is left: %v", err)
	}
}
