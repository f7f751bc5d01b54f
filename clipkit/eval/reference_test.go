package eval

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/internal/golden"
)

func retrievalFile(name string) string {
	return filepath.Join("testdata", "retrieval", filepath.FromSlash(name))
}

func contents(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(retrievalFile(name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// referenceSets are what the reference's tools made: of 12 and of 6 pictures, and of 40 vectors with exact ties.
var referenceSets = []struct{ images, texts, truth, prefix string }{
	{"train_imgs", "train_texts", "train_texts", "train_"},
	{"test_imgs", "test_texts", "test_texts", "test_"},
	{"synthetic/imgs", "synthetic/texts", "synthetic/texts", "synthetic/"},
}

func referenceFeatures(t testing.TB, images, texts string) *Features {
	t.Helper()
	f := &Features{}
	var err error
	dim := 0
	if f.ImageIDs, f.Images, f.Dim, err = ReadVectors(retrievalFile(images+".img_feat.jsonl"), ImageToText); err != nil {
		t.Fatal(err)
	}
	if f.TextIDs, f.Texts, dim, err = ReadVectors(retrievalFile(texts+".txt_feat.jsonl"), TextToImage); err != nil || dim != f.Dim {
		t.Fatal(dim, err)
	}
	return f
}

// truthOf reads the texts file as far as truth needs it.
func truthOf(t testing.TB, name string) (texts []dataset.Text) {
	t.Helper()
	list, err := ReadTruth(retrievalFile(name+".jsonl"), TextToImage)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		texts = append(texts, dataset.Text{ID: r.Query, ImageIDs: r.Answers})
	}
	return texts
}

// Every file of the reference comes out byte for byte: features, truth turned round, predictions both ways, scores.
func TestReferenceFiles(t *testing.T) {
	for _, set := range referenceSets {
		t.Run(set.truth, func(t *testing.T) {
			f, texts := referenceFeatures(t, set.images, set.texts), truthOf(t, set.truth)
			same := func(name string, write func(b *bytes.Buffer) error) {
				t.Helper()
				var b bytes.Buffer
				if err := write(&b); err != nil {
					t.Fatal(err)
				}
				if want := contents(t, name); !bytes.Equal(b.Bytes(), want) {
					t.Errorf("%s:\n%s\nwant\n%s", name, b.Bytes(), want)
				}
			}
			same(set.images+".img_feat.jsonl", func(b *bytes.Buffer) error { return encodeVectors(b, ImageToText, f.ImageIDs, f.Images) })
			same(set.texts+".txt_feat.jsonl", func(b *bytes.Buffer) error { return encodeVectors(b, TextToImage, f.TextIDs, f.Texts) })
			same(set.truth+".tr.jsonl", func(b *bytes.Buffer) error { return encodeRetrieved(b, ImageToText, Invert(answersOf(texts))) })
			for way, name := range map[Way]string{TextToImage: "", ImageToText: "tr_"} {
				predictions := set.prefix + name + "predictions.jsonl"
				same(predictions, func(b *bytes.Buffer) error {
					list, err := TopK(context.Background(), f, way, 10, nil)
					if err != nil {
						return err
					}
					return encodeRetrieved(b, way, list)
				})
				truth := map[Way]string{TextToImage: ".jsonl", ImageToText: ".tr.jsonl"}[way]
				same(set.prefix+name+"score.json", func(b *bytes.Buffer) error {
					b.Write(scoreJSON(Score(retrievalFile(set.truth+truth), retrievalFile(predictions), way)))
					return nil
				})
			}
		})
	}
}

// Our own way to recall gives the reference's figures where the reference gives any, and figures where it refuses (6 pictures).
// fault 36
func TestRetrievalEqualsTheScorer(t *testing.T) {
	for _, set := range referenceSets {
		r, err := Retrieval(referenceFeatures(t, set.images, set.texts), truthOf(t, set.truth))
		if err != nil {
			t.Fatal(err)
		}
		t2i, errT2I := Score(retrievalFile(set.truth+".jsonl"), retrievalFile(set.prefix+"predictions.jsonl"), TextToImage)
		i2t, errI2T := Score(retrievalFile(set.truth+".tr.jsonl"), retrievalFile(set.prefix+"tr_predictions.jsonl"), ImageToText)
		if set.prefix == "test_" {
			if r.TextToImage.R10 != 100 || r.TextToImage.R1 == 100 || errT2I == nil || errI2T == nil {
				t.Errorf("%+v, %v, %v", r, errT2I, errI2T)
			}
			continue
		}
		if r.TextToImage != t2i || r.ImageToText != i2t || errT2I != nil || errI2T != nil {
			t.Errorf("%s: %+v\n%+v %v\n%+v %v", set.truth, r, t2i, errT2I, i2t, errI2T)
		}
	}
}

// Every mistake that the scorer knows is reported in its words, with a place for the reader.
func TestBadPredictions(t *testing.T) {
	scores, err := filepath.Glob(retrievalFile("synthetic/bad/*.score.json"))
	if err != nil || len(scores) != 10 {
		t.Fatal(scores, err)
	}
	for _, want := range scores {
		predictions := strings.TrimSuffix(want, ".score.json") + ".jsonl"
		recall, err := Score(retrievalFile("synthetic/texts.jsonl"), predictions, TextToImage)
		expected, readErr := os.ReadFile(want)
		if readErr != nil {
			t.Fatal(readErr)
		}
		if got := scoreJSON(recall, err); !bytes.Equal(got, expected) {
			t.Errorf("%s:\n%s\nwant\n%s", want, got, expected)
		}
		if fine := strings.Contains(want, "is_fine"); fine != (err == nil) || (!fine && !strings.Contains(err.Error(), filepath.Base(predictions))) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// WriteReference leaves the same files in one go.
func TestWriteReference(t *testing.T) {
	f, dir := referenceFeatures(t, "train_imgs", "train_texts"), t.TempDir()
	if err := WriteReference(context.Background(), dir, "train", f, fixtureSplit(t, "train").Texts(), 10); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 8 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		got, err := os.ReadFile(filepath.Join(dir, file.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if file.Name() == "train_texts.jsonl" { // theirs was written by hand
			continue
		}
		if !bytes.Equal(got, contents(t, file.Name())) {
			t.Errorf("%s:\n%s", file.Name(), got)
		}
	}
}

// fault 36
func TestScoreErrors(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	texts, tr := retrievalFile("synthetic/texts.jsonl"), retrievalFile("synthetic/texts.tr.jsonl")
	ten := `[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]`
	for _, c := range []struct {
		truth, predictions string
		way                Way
		message            string
	}{
		{texts, "absent.jsonl", TextToImage, "The submission file is not found!"},
		{tr, retrievalFile("synthetic/tr_predictions.jsonl"), TextToImage, "text_id"},
		{texts, retrievalFile("synthetic/predictions.jsonl"), ImageToText, "image_id"},
		{texts, file("string", `{"text_id": "1"}`), TextToImage, "cannot access local variable 'qid' where it is not associated with a value"},
		{tr, file("tr-string", `{"image_id": "猫"}`), ImageToText, "Found an invalid image_id 猫, it should be an integer (not string), please check your schema"},
		{tr, file("tr-list", `{"image_id": 1, "text_ids": 3}`), ImageToText, "The text_ids field of image_id 1 is not a list, please check your schema"},
		{tr, file("tr-twice", `{"image_id": 1, "text_ids": [1, 2, 3, 4, 5, 6, 7, 8, 9, 9]}`), ImageToText, "Image_id 1 has duplicate topk texts in your prediction. Pleace check again!"},
		{texts, file("number", "7"), TextToImage, "There exists one line not containing text_id: 7"},
		{texts, file("empty", "\n"), TextToImage, "Cannot parse this line into json object: "},
		{texts, file("null", `{"text_id": 1, "image_ids": [null, 2, 3, 4, 5, 6, 7, 8, 9, 10]}`), TextToImage,
			"Text_id 1 has an invalid predicted image_id null at rank 1, it should be an integer (not string), please check your schema"},
		{file("no-truth", ""), file("fine", `{"text_id": 1, "image_ids": `+ten+`}`), TextToImage, "float division by zero"},
		{file("text-truth", `{"text_id": "1", "image_ids": []}`), file("fine", ""), TextToImage, `text_id is "1"`},
		{file("bad-truth", `{"text_id": 1, "image_ids": "1"}`), file("fine", ""), TextToImage, `image_ids is "1"`},
	} {
		_, err := Score(c.truth, c.predictions, c.way)
		e := new(ScoreError)
		if !errors.As(err, &e) || e.Message != c.message || e.Place == "" {
			t.Errorf("%s by %s: %v, want %q", c.predictions, c.truth, err, c.message)
		}
	}
	if _, err := Score("absent", texts, TextToImage); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if _, err := Score(texts, file("long", strings.Repeat(" ", maxLine+2)), TextToImage); err == nil {
		t.Error("an endless line was accepted")
	}
	if _, err := Score(texts, retrievalFile("synthetic/tr_predictions.jsonl"), TextToImage); err == nil || !strings.Contains(err.Error(), "-tr") {
		t.Error(err)
	}
	// A repeated query: the last line counts. An unanswerable one is a miss.
	truth := file("hidden", "{\"text_id\": 1, \"image_ids\": [99]}\n{\"text_id\": 2, \"image_ids\": []}\n{\"text_id\": 1, \"image_ids\": [3]}\n")
	again := file("again", `{"text_id": 1, "image_ids": [11, 12, 13, 14, 15, 16, 17, 18, 19, 20]}`+"\n"+`{"text_id": 2, "image_ids": `+ten+"}\n"+`{"text_id": 1, "image_ids": `+ten+"}")
	if r, err := Score(truth, again, TextToImage); err != nil || r.R1 != 0 || r.R5 != 50 || r.R10 != 50 {
		t.Error(r, err)
	}
}

// The features that the reference extracted from its LMDB, in the order of its keys.
func TestExtractEqualsTheReference(t *testing.T) {
	m := tiny(t)
	for _, split := range []string{"train", "test"} {
		s := fixtureSplit(t, split)
		f, err := Extract(context.Background(), exchange.Alone, m, s, 52, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := referenceFeatures(t, split+"_imgs", split+"_texts")
		if !slices.Equal(f.ImageIDs, want.ImageIDs) || !slices.Equal(f.TextIDs, want.TextIDs) || f.Dim != want.Dim {
			t.Errorf("%s: %v %v, want %v %v", split, f.ImageIDs, f.TextIDs, want.ImageIDs, want.TextIDs)
		}
		golden.Close(t, "extracted pictures, "+split, f.Images, want.Images, 1e-5)
		golden.Close(t, "extracted texts, "+split, f.Texts, want.Texts, 1e-5)
	}
}

func FuzzVectors(f *testing.F) {
	f.Add(contents(f, "test_imgs.img_feat.jsonl"))
	for _, s := range []string{`{"image_id": 1, "feature": [1]}`, `{"image_id": 1, "feature": [1,]}`, `{"image_id": 1, "feature": []}`, `{"image_id": 1e3, "feature": [[1]]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		ids, v, dim, err := decodeVectors(bytes.NewReader(data), "fuzz", ImageToText)
		if err != nil {
			return
		}
		if len(ids)*dim != len(v) {
			t.Fatal(len(ids), dim, len(v))
		}
		var b bytes.Buffer
		if err := encodeVectors(&b, ImageToText, ids, v); err != nil {
			t.Fatal(err)
		}
		ids2, v2, _, err := decodeVectors(&b, "again", ImageToText)
		if err != nil || !slices.Equal(ids, ids2) || !slices.Equal(v, v2) {
			t.Fatal(err)
		}
	})
}

func FuzzPredicted(f *testing.F) {
	files, err := filepath.Glob(retrievalFile("synthetic/bad/*.jsonl"))
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			f.Add(line)
		}
	}
	f.Fuzz(func(t *testing.T, line string) {
		for _, w := range []Way{TextToImage, ImageToText} {
			if _, answers, err := parsePredicted(line, w, "1"); err == nil && len(answers) != scored {
				t.Fatal(answers)
			}
		}
	})
}
