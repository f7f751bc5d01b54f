package zeroshot

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The reference's sets are found by dataset and have its sizes.
func TestTemplatesOfTheReference(t *testing.T) {
	for dataset, want := range map[string]int{
		"fgvc-aircraft-2013b-variants102": 100, "food-101": 21, "oxford-flower-102": 32, "eurosat_clip": 24, "resisc45_clip": 24,
		"country211": 4, "cifar-100": 183, "imagenet": 183,
	} {
		got, err := ReadTemplates(fixtures+"/templates.json", "", dataset)
		if err != nil || len(got) != want {
			t.Errorf("%s: %d templates, want %d (%v)", dataset, len(got), want, err)
		}
	}
	// Sets that the reference never selects are asked for by name.
	if got, err := ReadTemplates(fixtures+"/templates.json", "pet_templates", ""); err != nil || len(got) != 6 {
		t.Error(got, err)
	}
	if _, err := ReadTemplates(fixtures+"/templates.json", "dog_templates", ""); !errors.Is(err, ErrInput) || !strings.Contains(err.Error(), "it has aircraft_templates, ") {
		t.Error(err)
	}
}

// The reference's Python file is read, not run.
func TestTemplatesInPython(t *testing.T) {
	path := filepath.Join(t.TempDir(), "templates.py")
	file := "\"\"\"\nThis script provides templates.\n\"\"\"\n\nopenai_templates = [\n    lambda c: f\"{c}的照片\",\n    # a comment\n    lambda name: f\"一张{name}的图片\"\n]\n\n" +
		"normal_templates = [lambda c: f\"{c}的图片\"]\n\nfood_templates = [\n    lambda c: f\"一道{c}\",\n]\n"
	if err := os.WriteFile(path, []byte(file), 0o644); err != nil {
		t.Fatal(err)
	}
	for set, want := range map[string]Templates{"openai_templates": {"{}的照片", "一张{}的图片"}, "normal_templates": {"{}的图片"}, "food_templates": {"一道{}"}} {
		if got, err := ReadTemplates(path, set, ""); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v", set, got, err)
		}
	}
	if _, err := ReadTemplates(path, "", "food-101"); !errors.Is(err, ErrInput) || !strings.Contains(err.Error(), "has 1 templates, the reference's has 21") {
		t.Error(err)
	}
}

func TestChineseTemplates(t *testing.T) {
	if err := ChineseTemplates.Check(); err != nil {
		t.Error(err)
	}
	distinct := map[string]bool{}
	for i := range ChineseTemplates {
		distinct[ChineseTemplates.fill(i, "{}猫")] = true
	}
	if len(distinct) != len(ChineseTemplates) || !distinct["一张{}猫的照片"] {
		t.Error(distinct)
	}
}

func TestBrokenTextFiles(t *testing.T) {
	says := map[string]string{
		"labels-blank-line.txt":      ":2: blank line",
		"labels-empty.txt":           "is empty",
		"labels-gbk.txt":             ":1: not UTF-8",
		"templates-no-place.json":    `template 2, "照片", needs {} once`,
		"templates-two-places.json":  "needs {} once",
		"templates-not-strings.json": "list of strings",
		"templates-too-few.json":     "has 1 templates, the reference's has 21",
		"templates-empty.json":       "0 templates",
		"templates-function.py":      "line 3: ",
		"templates-format.py":        "needs {c} once",
		"predictions-ragged.json":    "picture 1 has 1 probabilities, picture 0 has 2",
		"predictions-two-runs.json":  "predictions of several runs; want one",
		"predictions-nan.json":       "not predictions",
		"predictions-cut-off.json":   "not predictions",
	}
	files, err := filepath.Glob("testdata/broken/*-*.*")
	if err != nil || len(files) != len(says) {
		t.Fatalf("%d files, %d expectations, %v", len(files), len(says), err)
	}
	for _, path := range files {
		name := filepath.Base(path)
		switch kind, _, _ := strings.Cut(name, "-"); kind {
		case "labels":
			_, err = ReadLabels(path)
		case "templates":
			_, err = ReadTemplates(path, "", "food-101")
			if strings.HasSuffix(name, ".py") {
				_, err = ReadTemplates(path, "openai_templates", "")
			}
		default:
			_, err = ReadPredictions(path)
		}
		if !errors.Is(err, ErrInput) || !strings.Contains(err.Error(), says[name]) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v; want %q", name, err, says[name])
		}
	}
}

func TestLabelsAreTrimmed(t *testing.T) {
	got, err := parseLabels("l.txt", []byte("\ufeff猫\r\n  小狗\t\r\n飞机 “客机”\n\n"))
	if err != nil || !slices.Equal(got, []string{"猫", "小狗", "飞机 “客机”"}) {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := parseLabels("l.txt", []byte(strings.Repeat("猫", 400))); !errors.Is(err, ErrInput) {
		t.Error(err)
	}
}

func FuzzLabels(f *testing.F) {
	f.Add([]byte("猫\n狗\n"))
	f.Add([]byte("\ufeff\r\n\xff"))
	f.Add([]byte("\ufeff\ufeff"))
	f.Add([]byte(" \ufeff猫\u00a0\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		labels, err := parseLabels("l.txt", data)
		if err != nil {
			return
		}
		again, err := parseLabels("l.txt", []byte(strings.Join(labels, "\n")))
		if err != nil || !slices.Equal(again, labels) {
			t.Errorf("%q came back as %q (%v)", labels, again, err)
		}
	})
}

func FuzzTemplates(f *testing.F) {
	f.Add([]byte(`["{}的照片"]`))
	f.Add([]byte(`{"a": ["{}", "一张{}"]}`))
	f.Add([]byte("a = [\n    lambda c: f\"{c}的照片\",\n]\nb = [lambda d: f\"{d}\"]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		sets, err := parseTemplates(data)
		if err != nil {
			return
		}
		for name, set := range sets {
			if set.Check() != nil {
				continue
			}
			for i := range set {
				if got := set.fill(i, "甲{}乙"); !strings.Contains(got, "甲{}乙") {
					t.Errorf("%s %d: %q", name, i, got)
				}
			}
		}
	})
}

func FuzzPredictions(f *testing.F) {
	f.Add([]byte(`{"model_name": "CN-CLIP-x", "dataset_name": "y", "num_params": 1, "num_visual_params": 1, "predictions": [[[0.5, 0.5], [1.0, 0.0]]]}`))
	f.Add([]byte(`{"predictions": [[]]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := parsePredictions(bytes.NewReader(data))
		if err != nil {
			return
		}
		path := filepath.Join(t.TempDir(), "p.json")
		if err := p.Save(path, nil); err != nil {
			t.Fatal(err)
		}
		again, err := ReadPredictions(path)
		if err != nil || len(again.Probabilities) != len(p.Probabilities) || again.Dataset != strings.ToValidUTF8(p.Dataset, "\ufffd") {
			t.Errorf("%+v came back as %+v (%v)", p, again, err)
		}
	})
}
