package zeroshot

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/imaging"
	"clipnb/clipkit/weights"
)

const fixtures = "testdata/zeroshot"

func fixture(t *testing.T, name string) []float32 {
	t.Helper()
	f, err := weights.Open(fixtures + "/expected.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	x, err := f.Tensor(name)
	if err != nil {
		t.Fatal(err)
	}
	v, err := x.Float32()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func readJSON(t *testing.T, path string, v any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func openFixture(t *testing.T) Set {
	t.Helper()
	set, err := Open(fixtures)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { set.Close() })
	return set
}

func prepared(t *testing.T, set Set, resolution int) (pixels []float32, err error) {
	for b, err := range prepare(t.Context(), set, numbers(set), resolution, nil) {
		if err != nil {
			return nil, err
		}
		pixels = append(pixels, imaging.NormaliseLevels(b.Pixels, b.N)...)
	}
	return pixels, nil
}

// Pictures and classes come in ImageFolder's order, with its pixels to the last bit.
func TestClassFoldersAreImageFolder(t *testing.T) {
	set := openFixture(t).(*classFolders)
	var order []string
	readJSON(t, fixtures+"/image_order.json", &order)
	if !slices.Equal(set.paths, order) {
		t.Errorf("order %v", set.paths)
	}
	for i, class := range fixture(t, "targets") {
		if set.Class(i) != int(class) {
			t.Errorf("picture %d is of class %d, want %g", i, set.Class(i), class)
		}
	}
	if set.Name() != "zeroshot/test" || set.Labels()[3] != "红苹果 Apple" {
		t.Error(set.Name(), set.Labels())
	}
	pixels, err := prepared(t, set, 32)
	if err != nil || !slices.Equal(pixels, fixture(t, "images")) {
		t.Error("the pixels are not the reference's", err)
	}
}

func TestLogitsAreTheReferences(t *testing.T) {
	for _, name := range []string{"openai", "food"} {
		across := fixture(t, name+"/classifier") // [32, 5]
		c := &Classifier{Labels: make([]string, 5), Dim: 32}
		for class := range 5 {
			for k := range 32 {
				c.Vectors = append(c.Vectors, across[k*5+class])
			}
		}
		got, err := c.Logits(fixture(t, "image_features"))
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range fixture(t, name+"/logits") {
			if d := math.Abs(float64(got[i] - want)); !(d <= 2e-5) {
				t.Errorf("%s: logit %d is %g, want %g", name, i, got[i], want)
			}
		}
		if _, err := c.Logits(make([]float32, 33)); !errors.Is(err, ErrInput) {
			t.Error(err)
		}
	}
}

// The reference's files come back byte for byte, and what it printed follows from them.
func TestPredictionsAreELEVATERs(t *testing.T) {
	set := openFixture(t)
	var printed map[string]string
	readJSON(t, fixtures+"/top1.json", &printed)
	for name, line := range printed {
		path := filepath.Join(fixtures, "out", name+".json")
		p, err := ReadPredictions(path)
		if err != nil {
			t.Fatal(err)
		}
		var written bytes.Buffer
		all := make([]int, len(p.Probabilities))
		for i := range all {
			all[i] = i
		}
		if err := p.write(&written, all); err != nil {
			t.Fatal(err)
		}
		if want, _ := os.ReadFile(path); !bytes.Equal(written.Bytes(), want) {
			t.Errorf("%s: wrote\n%s\nwant\n%s", name, written.Bytes(), want)
		}
		var order []int
		if name == "country211" {
			if order, err = ReadOrder(fixtures + "/index.json"); err != nil {
				t.Fatal(err)
			}
		}
		z, err := p.Score(set, order)
		if err != nil {
			t.Fatal(err)
		}
		if got := z.ReferenceLine(); got != line {
			t.Errorf("%s: %q, the reference printed %q", name, got, line)
		}
		if _, err := p.Score(set, []int{1}); !errors.Is(err, ErrInput) {
			t.Error(err)
		}
	}
}

func TestPredictionsAsPythonPrintsThem(t *testing.T) {
	p := &Predictions{Model: `CN-CLIP-"x"`, Dataset: "动物<&>😀", Probabilities: [][]float32{{1, 0, 1e-7, 5e-5}, {0.1234565, 0.5, 0.25, 0.1265435}}}
	path := filepath.Join(t.TempDir(), "p.json")
	if err := p.Save(path, []int{1, 0, 1}); err != nil {
		t.Fatal(err)
	}
	got, _ := os.ReadFile(path)
	for _, want := range []string{`"CN-CLIP-\"x\""`, `"\u52a8\u7269<&>\ud83d\ude00"`, `[[[0.123457, 0.5, 0.25, 0.126544], [1.0, 0.0, 0.0, 5e-05], [0.123457,`} {
		if !strings.Contains(string(got), want) {
			t.Errorf("%s not in %s", want, got)
		}
	}
	if err := p.Save(path, []int{2}); !errors.Is(err, ErrInput) || !strings.Contains(err.Error(), "there are 2") {
		t.Error(err)
	}
	p.Probabilities[1][2] = float32(math.NaN())
	if err := p.Save(path, nil); !errors.Is(err, ErrInput) {
		t.Error(err)
	}
	if again, _ := os.ReadFile(path); !bytes.Equal(again, got) {
		t.Error("a failed save changed the file")
	}
}

func TestZeroShotCounts(t *testing.T) {
	z := newResult([]string{"a", "b", "c", "d", "e", "f", "g"})
	for _, x := range []struct {
		class  int
		scores []float32
	}{
		{0, []float32{9, 1, 2, 3, 4, 5, 6}}, // first
		{1, []float32{9, 1, 2, 3, 4, 5, 6}}, // last
		{2, []float32{9, 1, 3, 2, 8, 5, 6}}, // fifth
		{1, []float32{3, 3, 0, 0, 0, 0, 0}}, // of equal scores the first class wins
		{0, []float32{3, 3, 0, 0, 0, 0, 0}},
	} {
		if err := z.Add(x.class, x.scores); err != nil {
			t.Fatal(err)
		}
	}
	if z.Pictures != 5 || z.First != 2 || z.FirstFive != 4 || z.Top1() != 40 || z.Top5() != 80 {
		t.Errorf("%+v", z)
	}
	per := z.PerClass()
	if per[0].Top1 != 100 || per[1].Top1 != 0 || per[1].Pictures != 2 || !math.IsNaN(per[6].Top1) || z.MeanPerClass() != 100./3 {
		t.Errorf("%+v, mean %g", per, z.MeanPerClass())
	}
	if m := z.Mistakes(9); len(m) != 2 || m[0] != (Mistake{"b", "a", 2, 2}) || m[1] != (Mistake{"c", "a", 1, 1}) {
		t.Errorf("%+v", m)
	}
	nan := float32(math.NaN())
	for _, bad := range [][]float32{{1, 2}, {nan, nan, nan, nan, nan, nan, nan}} {
		if err := z.Add(0, bad); !errors.Is(err, ErrInput) {
			t.Errorf("%v: %v", bad, err)
		}
	}
	if err := z.Add(7, make([]float32, 7)); !errors.Is(err, ErrInput) || z.Pictures != 5 {
		t.Error(err, z.Pictures)
	}
}

func TestReferenceLinePrintsAsPython(t *testing.T) {
	for want, z := range map[string]Result{
		"zeroshot-top1: 0.26666666666666666": {Pictures: 15, First: 4},
		"zeroshot-top1: 1.0":                 {Pictures: 3, First: 3},
		"zeroshot-top1: 0.0":                 {Pictures: 3},
	} {
		if got := z.ReferenceLine(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// put makes small files below dir: a PNG where the name ends so.
func put(t *testing.T, dir string, names ...string) string {
	t.Helper()
	png, err := os.ReadFile(fixtures + "/test/0/img_0.png")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		path := filepath.Join(dir, filepath.FromSlash(n))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, png, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestClassFolders(t *testing.T) {
	// os.walk's order: a folder's own pictures before those below it, folders by their whole path.
	dir := put(t, t.TempDir(), "b/z.png", "b/a/b/1.png", "b/a/1.PNG", "b/a-b/1.png", "a/2.webp", "a/10.jpg", "a/note.txt", "a/x.gif", ".hidden/1.png", "b/.hidden/1.png", "loose.png")
	set, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := set.(*classFolders)
	if want := []string{"a/10.jpg", "a/2.webp", "b/z.png", "b/a/1.PNG", "b/a-b/1.png", "b/a/b/1.png"}; !slices.Equal(s.paths, want) || !slices.Equal(s.class, []int{0, 0, 1, 1, 1, 1}) || !slices.Equal(s.labels, []string{"a", "b"}) {
		t.Error(s.paths, s.class, s.labels)
	}
	set.Close()

	if err := os.WriteFile(filepath.Join(dir, "b", "bad.jpg"), []byte("no picture"), 0o644); err != nil {
		t.Fatal(err)
	}
	bad, err := openClassFolders(dir, []string{"甲", "乙"})
	if err != nil {
		t.Fatal(err)
	}
	defer bad.Close()
	if _, err := prepared(t, bad, 8); !errors.Is(err, imaging.ErrFormat) || !strings.Contains(err.Error(), "b/bad.jpg") {
		t.Error(err)
	}
}

func TestClassFoldersThatWouldMislead(t *testing.T) {
	says := func(want string, dir string, labels ...string) {
		t.Helper()
		_, err := openClassFolders(dir, labels)
		if !errors.Is(err, ErrInput) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
	says("2 class folders (a … b), and there are 3 labels", put(t, t.TempDir(), "a/1.png", "b/1.png"), "一", "二", "三")
	says("pad them with zeros", put(t, t.TempDir(), "1/1.png", "2/1.png", "10/1.png"))
	says("class folder b in", put(t, t.TempDir(), "a/1.png", "b/1.txt"))
	says("no class folders", put(t, t.TempDir(), "1.png"))
	linked := put(t, t.TempDir(), "a/1.png")
	if err := os.Symlink(t.TempDir(), filepath.Join(linked, "b")); err != nil {
		t.Fatal(err)
	}
	says("is a link", linked)
	if _, err := Open(filepath.Join(linked, "absent")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if set, err := openClassFolders(put(t, t.TempDir(), "01/1.png", "02/1.png", "10/1.png"), []string{"一", "二", "十"}); err != nil {
		t.Error(err)
	} else {
		set.Close()
	}
}
