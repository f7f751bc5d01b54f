package joined

import (
	"errors"
	"testing"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/dataset/datasettest"
)

func TestConforms(t *testing.T) {
	data, err := dataset.Open("emoji")
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	datasettest.Test(t, func(t *testing.T) dataset.Source {
		all, err := Of("valid and test", data.Valid, data.Test)
		if err != nil {
			t.Fatal(err)
		}
		return all
	})
}

func TestAllPicturesOfTheEmojiSet(t *testing.T) {
	data, err := dataset.Open("emoji")
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	all, err := Of("emoji, all pictures", data.Train, nil, data.Valid, data.Test)
	if err != nil {
		t.Fatal(err)
	}
	if n, texts := len(all.ImageIDs()), len(all.Texts()); n != 1202+150+500 || texts != 5*n || all.Name() != "emoji, all pictures" {
		t.Errorf("%s: %d pictures, %d texts", all.Name(), n, texts)
	}
	for _, split := range []dataset.Source{data.Train, data.Valid, data.Test} {
		id := split.ImageIDs()[7]
		want, err := split.Image(id)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := all.Image(id); err != nil || string(got) != string(want) {
			t.Errorf("picture %d of %s: %v", id, split.Name(), err)
		}
	}
	if _, err := all.Image(-1); !errors.Is(err, dataset.ErrNotFound) {
		t.Error(err)
	}
	if err := all.Close(); err != nil {
		t.Error(err)
	}
	if _, err := data.Test.Image(data.Test.ImageIDs()[0]); err != nil {
		t.Errorf("the split was closed with it: %v", err)
	}
}

func TestSplitsThatCannotBeJoined(t *testing.T) {
	data, err := dataset.Open("emoji")
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	if _, err := Of("twice", data.Test, data.Test); !errors.Is(err, dataset.ErrFormat) {
		t.Error(err)
	}
	if _, err := Of("nothing", nil); !errors.Is(err, dataset.ErrNotFound) {
		t.Error(err)
	}
}
