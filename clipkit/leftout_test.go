package clipkit_test

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/explore"
	"clipnb/clipkit/imaging"
)

// goodAndBad is a folder with six good pictures and one each that is cut off, a saved web page, AVIF under another name, too large, and soon missing.
func goodAndBad(t *testing.T) (dir string, bad []string) {
	dir = t.TempDir()
	data := clipkit.Must(clipkit.OpenDataset(t.Context(), "emoji"))
	defer data.Close()
	write := func(name string, b []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for i, id := range data.Valid.ImageIDs()[:6] {
		picture := clipkit.Must(data.Valid.Image(id))
		if _, err := imaging.Decode(picture); err != nil {
			t.Fatal(err)
		}
		write(string(rune('a'+i))+".png", picture)
	}
	for name, of := range map[string]string{"cut.jpg": "truncated.jpg", "heif.jpg": "picture.avif", "huge.png": "giant.png", "gone.jpg": "truncated.jpg"} {
		write(name, clipkit.Must(os.ReadFile(filepath.Join("imaging", "testdata", "broken", of))))
		bad = append(bad, name)
	}
	write("page.jpg", []byte("<html><body>not found</body></html>"))
	return dir, append(bad, "page.jpg")
}

// captioned writes captions for all pictures of dir, and opens it; of says which split one is in. gone.jpg goes then.
func captioned(t *testing.T, dir string, of func(name string) string) *dataset.Dataset {
	t.Helper()
	lines := "image,caption,split\n"
	for _, path := range clipkit.Must(filepath.Glob(filepath.Join(dir, "*.*"))) {
		name := filepath.Base(path)
		lines += name + ",一张叫" + name + "的图," + of(name) + "\n"
	}
	if err := os.WriteFile(filepath.Join(dir, "captions.csv"), []byte(lines), 0o644); err != nil {
		t.Fatal(err)
	}
	data, err := clipkit.OpenDataset(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { data.Close() })
	if err := os.Remove(filepath.Join(dir, "gone.jpg")); err != nil {
		t.Fatal(err)
	}
	return data
}

// said is what work writes to standard error.
func said(t *testing.T, work func()) string {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	was := os.Stderr
	os.Stderr = file
	defer func() { os.Stderr = was }()
	work()
	b, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// once checks that each bad picture is told of once, by its path.
func once(t *testing.T, text string, bad []string) {
	t.Helper()
	for _, name := range bad {
		if n := strings.Count(text, "left out: "+name+": "); n != 1 {
			t.Errorf("%s is told of %d times:\n%s", name, n, text)
		}
	}
}

// Bad pictures do not end the making of an index, with or without a place to keep it, the others are found, and the page shows no others. With a budget
// of none the first bad one does, by its path.
func TestExploreOneBad(t *testing.T) {
	dir, bad := goodAndBad(t)
	t.Setenv("CLIPKIT_ROOT", t.TempDir())
	m := clipkit.Must(clipkit.Load(t.Context(), "emoji"))
	defer m.Close()
	pictures := clipkit.Must(dataset.OpenPictures(dir))
	defer pictures.Close()
	if err := os.Remove(filepath.Join(dir, "gone.jpg")); err != nil {
		t.Fatal(err)
	}
	for name, options := range map[string][]clipkit.Option{"in memory": nil, "kept": {clipkit.Keep("bad-pictures")}} {
		t.Run(name, func(t *testing.T) {
			_, err := clipkit.BuildIndex(t.Context(), m, pictures, append(options, clipkit.SkipBudget(0))...)
			if err == nil || !slices.ContainsFunc(bad, func(path string) bool { return strings.Contains(err.Error(), path) }) {
				t.Errorf("without a budget: %v", err)
			}
			var ix *clipkit.Index
			text := said(t, func() {
				if ix, err = clipkit.BuildIndex(t.Context(), m, pictures, options...); err != nil {
					t.Fatal(err)
				}
				side, err := ix.Side(t.Context(), "emoji")
				if err != nil {
					t.Fatal(err)
				}
				page, err := explore.New(t.Context(), explore.Config{Title: name, Source: pictures, Sides: []explore.Side{side}})
				if err != nil {
					t.Fatal(err)
				}
				defer page.Close()
				reply := httptest.NewRecorder()
				page.ServeHTTP(reply, httptest.NewRequest("GET", "http://localhost/api/pictures", nil))
				if list := reply.Body.String(); strings.Count(list, `"id"`) != 6 || !strings.Contains(list, `"total":6`) || strings.Contains(list, bad[0]) {
					t.Errorf("the page lists %s", list)
				}
			})
			once(t, text, bad)
			hits, err := ix.SearchText(t.Context(), "猫", 20)
			if err != nil || len(hits) != 6 {
				t.Errorf("%d hits, want the 6 good pictures: %v", len(hits), err)
			}
			for _, h := range hits {
				if slices.Contains(bad, pictures.Label(h.ImageID)) {
					t.Errorf("%s was found", pictures.Label(h.ImageID))
				}
			}
			if err := ix.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// Bad validation pictures are met before training, which goes on, as validation does over the rest: its rows count them, and each is told of once.
func TestAnimValid(t *testing.T) {
	dir, bad := goodAndBad(t)
	data := captioned(t, dir, func(name string) string {
		if strings.ContainsAny(name[:1], "abcd") && filepath.Ext(name) == ".png" {
			return "train"
		}
		return "valid"
	})
	t.Setenv("CLIPKIT_ROOT", t.TempDir())
	cfg := clipkit.Must(clipkit.Recipe("emoji/finetune")).Config
	cfg.Name, cfg.MaxSteps, cfg.MaxEpochs, cfg.BatchSize, cfg.ValidBatchSize, cfg.ValidEpochInterval, cfg.ValidStepInterval = "spoiled", 0, 2, 4, 4, 1, 0
	var run *clipkit.Run
	text := said(t, func() {
		m := clipkit.Must(clipkit.Load(t.Context(), "emoji"))
		defer m.Close()
		var err error
		if run, err = clipkit.Finetune(t.Context(), m, data, cfg); err != nil {
			t.Fatal(err)
		}
	})
	once(t, text, bad)
	valid := 0
	for _, row := range run.Rows {
		if row.Kind == "valid" {
			valid++
			if row.LeftOut != len(bad) || row.TextToImage == nil {
				t.Errorf("%+v", row)
			}
		}
	}
	if valid != 2 {
		t.Errorf("%d validations, want 2", valid)
	}

	cfg.Name, cfg.SkipBudget = "strict", 0
	m := clipkit.Must(clipkit.Load(t.Context(), "emoji"))
	defer m.Close()
	run, err := clipkit.Finetune(t.Context(), m, data, cfg)
	if err == nil || !slices.ContainsFunc(bad, func(path string) bool { return strings.Contains(err.Error(), path) }) {
		t.Errorf("without a budget: %v", err)
	}
}

// What is measured is the set without the bad pictures, and the report counts them. The reference's files need all, and so does a budget of none.
func TestAnimValidIsEvaluated(t *testing.T) {
	dir, bad := goodAndBad(t)
	data := captioned(t, dir, func(string) string { return "test" })
	t.Setenv("CLIPKIT_ROOT", t.TempDir())
	m := clipkit.Must(clipkit.Load(t.Context(), "emoji"))
	defer m.Close()
	once(t, said(t, func() {
		report, err := clipkit.EvaluateRetrieval(t.Context(), m, data.Test)
		if err != nil || report.LeftOut != len(bad) || report.Images != 6 || report.Texts != 6 {
			t.Errorf("%+v (%v), want 6 pictures and %d left out", report, err, len(bad))
		}
	}), bad)
	for _, o := range []clipkit.Option{clipkit.ReferenceFiles(t.TempDir()), clipkit.SkipBudget(0)} {
		_, err := clipkit.EvaluateRetrieval(t.Context(), m, data.Test, o)
		if err == nil || !slices.ContainsFunc(bad, func(name string) bool { return strings.Contains(err.Error(), name) }) {
			t.Errorf("every picture is needed: %v", err)
		}
	}
}
