package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestBrokenNotebooks(t *testing.T) {
	t.Parallel()
	for name, says := range map[string]string{
		"broken-json.ipynb": "broken JSON",
		"bad-source.ipynb":  "broken JSON",
		"old-format.ipynb":  "nbformat is 3, expected 4",
		"no-code.ipynb":     "it has no code",
	} {
		_, err := openNotebook(t.TempDir(), filepath.Join("testdata", name))
		if !errors.Is(err, errNotebook) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want one line of errNotebook with %q", name, err, says)
		}
	}
	if _, err := openNotebook(t.TempDir(), t.TempDir()); !errors.Is(err, errNotebook) {
		t.Errorf("a folder: got %v", err)
	}
}

func TestNotebookTooLarge(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "large.ipynb")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, maxNotebook+1); err != nil {
		t.Fatal(err)
	}
	if _, err := openNotebook(t.TempDir(), path); !errors.Is(err, errNotebook) || !strings.Contains(err.Error(), "the limit is 64") {
		t.Errorf("got %v", err)
	}
}

func TestHelloNotebook(t *testing.T) {
	t.Parallel()
	nb, err := openNotebook(t.TempDir(), "testdata/hello.ipynb")
	if err != nil {
		t.Fatal(err)
	}
	if nb.kernel != "cpu" || nb.usesClipkit() || !slices.Equal(nb.params(), []string{"who"}) {
		t.Errorf("kernel %q, uses clipkit %v, params %q", nb.kernel, nb.usesClipkit(), nb.params())
	}
}

func TestParams(t *testing.T) {
	t.Parallel()
	nb := notebook{code: `n := clipkit.Param("epochs", 3); f := ParamFloat( "rate", .1); g := Param[int]("epochs", 1); x := Parameters("no"); Param(name, "no")`}
	if got := nb.params(); !slices.Equal(got, []string{"epochs", "no", "rate"}) {
		t.Errorf("params: %q", got)
	}
	if err := nb.checkParams([]param{{"rate", "1"}, {"epochs", "2"}}); err != nil {
		t.Error(err)
	}
	err := nb.checkParams([]param{{"epoch", "2"}})
	if !errors.Is(err, errParam) || !strings.Contains(err.Error(), `"epoch": this notebook has epochs, no, rate`) {
		t.Errorf("got %v", err)
	}
	if err := (notebook{}).checkParams([]param{{"epoch", "2"}}); !errors.Is(err, errParam) || !strings.Contains(err.Error(), "has none") {
		t.Errorf("got %v", err)
	}
}

func TestParamTypes(t *testing.T) {
	t.Parallel()
	nb := notebook{code: `a := clipkit.Param("steps", 100); b := Param("rate", 1e-4) // Param("x", 1)
var c, d = Param("turns", false), Param("name", "quick\"start"); e := Param[float64]("hours", 8); f := Param("other", fallback()); g := Param("part", .5)`}
	var all []string
	for _, a := range nb.asks() {
		all = append(all, a.name+" "+a.kind+" "+a.fallback)
	}
	want := []string{"hours float64 8", `name string "quick\"start"`, "other  ", "part float64 .5", "rate float64 1e-4", "steps int 100", "turns bool false", "x int 1"}
	if !slices.Equal(all, want) {
		t.Errorf("asks for %q, want %q", all, want)
	}
	for _, c := range []struct{ name, value, says string }{
		{"steps", "3", ""}, {"steps", "-3", ""}, {"steps", "3.5", "steps is a whole number, such as the notebook's own 100"}, {"steps", "", "whole number"}, {"rate", "2e-5", ""},
		{"rate", "fast", "rate is a number, such as the notebook's own 1e-4"}, {"turns", "true", ""}, {"turns", "ja", "turns is true or false"}, {"name", "", ""},
		{"hours", "0.5", ""}, {"hours", "x", "hours is a number"}, {"other", "anything", ""},
	} {
		err := nb.checkParams([]param{{c.name, c.value}})
		if c.says == "" && err != nil || c.says != "" && (!errors.Is(err, errValue) || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s=%s: got %v, want %q", c.name, c.value, err, c.says)
		}
	}
	if err := nb.checkParams([]param{{"stpes", "3"}}); !errors.Is(err, errParam) || !strings.HasSuffix(err.Error(), "did you mean steps?") {
		t.Errorf("got %v", err)
	}
}

func TestFolder(t *testing.T) {
	t.Parallel()
	nb := notebook{code: `Param("name", "run")`}
	for _, c := range []struct {
		nb    notebook
		given []param
		want  string
	}{
		{notebook{code: `Param("query", "cat")`}, nil, "base"}, {nb, nil, "run"}, {nb, []param{{"name", "second"}}, "second"}, {nb, []param{{"name", "a/b"}}, "a/b"},
		{nb, []param{{"name", "../out"}}, "base"}, {nb, []param{{"name", "/tmp"}}, "base"}, {nb, []param{{"name", ""}}, "base"},
		{notebook{code: `Param("name", "")`}, nil, "base"},
	} {
		if got := c.nb.folder("base", c.given); got != c.want {
			t.Errorf("%s with %v: %q, want %q", c.nb.code, c.given, got, c.want)
		}
	}
}

func TestDidYouMean(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if got := didYouMean(root, "x.ipynb"); got != "" {
		t.Errorf("without notebooks: %q", got)
	}
	if err := os.Mkdir(filepath.Join(root, "notebooks"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"deploy", "finetune", "quickstart", "results", "zeroshot"} {
		if err := os.WriteFile(filepath.Join(root, "notebooks", name+".ipynb"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := didYouMean(root, "finetun.ipynb"); !strings.HasPrefix(got, "; the nearest are notebooks/finetune.ipynb, ") || strings.Count(got, ".ipynb") != 3 {
		t.Errorf("got %q", got)
	}
}

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"kitten", "sitting", 3}, {"finetune", "finetune", 0}, {"abc", "", 3}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func FuzzParseNotebook(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.ipynb")
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		nb, err := parseNotebook(data)
		if err != nil {
			if !errors.Is(err, errNotebook) {
				t.Fatalf("an error that is not errNotebook: %v", err)
			}
			return
		}
		for _, name := range nb.params() {
			if err := nb.checkParams([]param{{name: name}}); err != nil && !errors.Is(err, errValue) {
				t.Fatal(err)
			}
		}
	})
}
