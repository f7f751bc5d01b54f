package dataset

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"
)

// A split is opened again by its location alone, with the same pictures, and says so when it is not there.
func TestLocations(t *testing.T) {
	emoji, err := Open("emoji")
	if err != nil {
		t.Fatal(err)
	}
	defer emoji.Close()
	dir := t.TempDir()
	if err := WriteTSV(emoji.Valid, filepath.Join(dir, "valid_imgs.tsv"), filepath.Join(dir, "valid_texts.jsonl")); err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Dir(dir))
	folder, err := Open(filepath.Base(dir)) // a relative path is of this process only; the location's is absolute
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	for _, want := range []Source{emoji.Test, emoji.Valid, folder.Valid} {
		at, ok := LocationOf(want)
		if !ok || at.Path != "emoji" && !filepath.IsAbs(at.Path) {
			t.Errorf("%s lies at %+v, %v", want.Name(), at, ok)
		}
		again, err := at.Open()
		if err != nil {
			t.Fatal(err)
		}
		if again.Name() != want.Name() || !slices.Equal(again.ImageIDs(), want.ImageIDs()) {
			t.Errorf("%s again is %s", want.Name(), again.Name())
		}
		if err := again.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := (Location{dir, "test"}).Open(); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if _, err := (Location{dir, "tset"}).Open(); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	type somebodysOwn struct{ Source }
	if at, ok := LocationOf(somebodysOwn{emoji.Test}); ok {
		t.Errorf("a source that nobody opened lies at %+v", at)
	}
}

// The split of a report is the published figures' own.
func TestReportSplit(t *testing.T) {
	data, err := Open("emoji")
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	muge, mine := &Dataset{Name: "MUGE", Valid: data.Valid, Test: data.Test}, &Dataset{Name: "mine", Valid: data.Valid}
	if data.ReportSplit() != data.Test || muge.ReportSplit() != data.Valid || mine.ReportSplit() != data.Valid {
		t.Errorf("%v %v %v", data.ReportSplit().Name(), muge.ReportSplit().Name(), mine.ReportSplit().Name())
	}
}
