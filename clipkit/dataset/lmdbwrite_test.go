package dataset_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/PowerDNS/lmdb-go/lmdb"

	"clipnb/clipkit/dataset"
)

// TestBuildLMDB compares what the library reads from our files with what it read from the reference's.
func TestBuildLMDB(t *testing.T) {
	out := t.TempDir()
	told := map[string]string{}
	sizes, err := dataset.BuildLMDB(t.Context(), "testdata/raw", []string{"train", "test", "train"}, out, dataset.LMDBOptions{
		Progress: func(split string, done, total int) { told[split] = fmt.Sprintf("%d of %d", done, total) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []dataset.LMDBSize{{Split: "train", Images: 12, Pairs: 15}, {Split: "test", Images: 6, Pairs: 8}}; !slices.Equal(sizes, want) {
		t.Errorf("built %v, want %v", sizes, want)
	}
	if told["train"] != "29 of 29" || told["test"] != "16 of 16" {
		t.Errorf("progress %v", told)
	}
	for _, split := range []string{"train", "test"} {
		want := readContents(t, split)
		keys, values := readAllLMDB(t, filepath.Join(out, split, "pairs"))
		reference, referenceValues := readAllLMDB(t, filepath.Join("testdata/lmdb", split, "pairs"))
		if !slices.Equal(keys, reference) || !slices.Equal(values, referenceValues) {
			t.Errorf("%s: pairs differ from the reference's:\n%q\n%q", split, values, referenceValues)
		}
		if hex.EncodeToString([]byte(values[0])) != want.Hex {
			t.Errorf("%s: pair 0 is %x, want %s", split, values[0], want.Hex)
		}
		keys, values = readAllLMDB(t, filepath.Join(out, split, "imgs"))
		reference, referenceValues = readAllLMDB(t, filepath.Join("testdata/lmdb", split, "imgs"))
		if !slices.Equal(keys, reference) {
			t.Errorf("%s: pictures %v, want %v", split, keys, reference)
		}
		standard := strings.NewReplacer("-", "+", "_", "/")
		for i := range values {
			if sum := sha256.Sum256([]byte(referenceValues[i])); hex.EncodeToString(sum[:]) != want.Imgs[i][1] && keys[i] != "num_images" {
				t.Fatalf("%s: testdata of picture %s is not what the reference wrote", split, keys[i])
			}
			if values[i] != standard.Replace(referenceValues[i]) {
				t.Errorf("%s: value of %s differs", split, keys[i])
			}
		}
	}
	left, err := filepath.Glob(filepath.Join(out, ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left over: %v %v", left, err)
	}
}

// readAllLMDB reads with the C library.
func readAllLMDB(t *testing.T, dir string) (keys, values []string) {
	t.Helper()
	env, err := lmdb.NewEnv()
	if err != nil {
		t.Fatal(err)
	}
	defer env.Close()
	if err := env.Open(dir, lmdb.Readonly|lmdb.NoLock, 0); err != nil {
		t.Fatal(err)
	}
	err = env.View(func(txn *lmdb.Txn) error {
		db, err := txn.OpenRoot(0)
		if err != nil {
			return err
		}
		c, err := txn.OpenCursor(db)
		if err != nil {
			return err
		}
		defer c.Close()
		for {
			k, v, err := c.Get(nil, nil, lmdb.Next)
			if lmdb.IsNotFound(err) {
				return nil
			}
			if err != nil {
				return err
			}
			keys, values = append(keys, string(k)), append(values, string(v))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys, values
}

// TestBuildLMDBGrowsAndReplaces begins with a map far too small, and builds over something else.
func TestBuildLMDBGrowsAndReplaces(t *testing.T) {
	large := numbers{n: 12_000, size: 300}
	dir := filepath.Join(t.TempDir(), "lmdb", "train")
	size, err := dataset.WriteLMDB(t.Context(), large, dir, dataset.LMDBOptions{MapSize: 1})
	if err != nil || size.Images != large.n {
		t.Fatalf("%v, error %v", size, err)
	}
	s, err := dataset.OpenLMDB("x", dir, "")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if !slices.Equal(dataset.Pairs(s), dataset.Pairs(large)) {
		t.Fatal("pairs differ")
	}
	for _, id := range s.ImageIDs() {
		want, _ := large.Image(id)
		if got, err := s.Image(id); err != nil || !slices.Equal(got, want) {
			t.Fatalf("picture %d differs (error %v)", id, err)
		}
	}
	small := numbers{n: 3, size: 300}
	if _, err := dataset.WriteLMDB(t.Context(), small, dir, dataset.LMDBOptions{}); err != nil {
		t.Fatal(err)
	}
	again, err := dataset.OpenLMDB("x", dir, "")
	if err != nil || len(again.ImageIDs()) != 3 || len(dataset.Pairs(again)) != 3 {
		t.Fatalf("after the rebuild: %v, error %v", again, err)
	}
	again.Close()

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := dataset.WriteLMDB(cancelled, large, dir, dataset.LMDBOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	small.broken = true
	if _, err := dataset.WriteLMDB(t.Context(), small, dir, dataset.LMDBOptions{}); !errors.Is(err, dataset.ErrNotFound) {
		t.Errorf("error %v, want ErrNotFound", err)
	}
	if again, err = dataset.OpenLMDB("x", dir, ""); err != nil || len(again.ImageIDs()) != 3 {
		t.Errorf("a failed build changed what was there: %v", err)
	}
	again.Close()
}

// numbers has pictures of size bytes, one caption each; when broken the captions name a picture too many.
type numbers struct {
	n, size int
	broken  bool
}

func (s numbers) Name() string { return "numbers" }
func (s numbers) Close() error { return nil }
func (s numbers) ImageIDs() (ids []int64) {
	for i := range s.n {
		ids = append(ids, int64(i)*37)
	}
	return ids
}
func (s numbers) Image(id int64) ([]byte, error) {
	return slices.Repeat([]byte{byte(id), byte(id >> 8), byte(id >> 16)}, s.size/3), nil
}
func (s numbers) Texts() (texts []dataset.Text) {
	for i := range s.n {
		texts = append(texts, dataset.Text{ID: int64(i), Text: strings.Repeat("数", i%120), ImageIDs: []int64{int64(i) * 37}})
	}
	if s.broken {
		texts[0].ImageIDs = []int64{1}
	}
	return texts
}

func TestBuildLMDBRefuses(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "twice_imgs.tsv", "7\tQUJD\n7\tQUJD\n")
	write(t, dir, "twice_texts.jsonl", `{"text_id": 1, "text": "猫", "image_ids": [7]}`)
	write(t, dir, "gone_imgs.tsv", "7\tQUJD\n")
	write(t, dir, "gone_texts.jsonl", `{"text_id": 1, "text": "猫", "image_ids": [7, 8, 9]}`)
	write(t, dir, "cut_imgs.tsv", "7\tQUJD\n8\tQUJ")
	write(t, dir, "cut_texts.jsonl", `{"text_id": 1, "text": "猫", "image_ids": [7]}`)
	for split, want := range map[string]string{
		"twice":  "twice_imgs.tsv:2: image id 7 is already on line 1",
		"gone":   "image id 8 is not in ",
		"cut":    "image 8, " + filepath.Join(dir, "cut_imgs.tsv:2"),
		"absent": "absent_imgs.tsv",
		"../up":  `"../up" is not the name of a split`,
		"":       `"" is not the name of a split`,
	} {
		if _, err := dataset.BuildLMDB(t.Context(), dir, []string{split}, "", dataset.LMDBOptions{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", split, err, want)
		}
	}
	if _, err := dataset.BuildLMDB(t.Context(), dir, nil, "", dataset.LMDBOptions{}); !errors.Is(err, dataset.ErrNotFound) {
		t.Errorf("no split: error %v", err)
	}
	if found, _ := filepath.Glob(filepath.Join(dir, "lmdb", "*")); len(found) > 0 {
		t.Errorf("refused builds left %v", found)
	}
}

// TestReferenceReadsOurLMDB runs the reference's own dataset class over files of ours.
func TestReferenceReadsOurLMDB(t *testing.T) {
	python := os.Getenv("CLIPKIT_TORCH_PYTHON")
	if python == "" {
		python = "/tmp/torch/bin/python"
	}
	if _, err := exec.LookPath(python); err != nil {
		t.Skipf("no Python with torch, lmdb and cn_clip; CLIPKIT_TORCH_PYTHON names it: %v", err)
	}
	dir := t.TempDir()
	for name, s := range map[string]dataset.Source{"numbers": numbers{n: 40_000, size: 300}, "train": open(t, "testdata/raw").Train} {
		if _, err := dataset.WriteLMDB(t.Context(), s, filepath.Join(dir, name), dataset.LMDBOptions{MapSize: 1}); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command(python, "testdata/read_lmdb.py", dir).Output()
	if err != nil {
		var failed *exec.ExitError
		if !errors.As(err, &failed) {
			t.Fatal(err)
		}
		if strings.Contains(string(failed.Stderr), "cannot import: ") {
			t.Skipf("%s lacks lmdb or cn_clip; CLIPKIT_TORCH_PYTHON names another: %s", python, failed.Stderr)
		}
		t.Fatalf("%v\n%s", err, failed.Stderr)
	}
	var got struct {
		Log   string
		Pairs [][]any
		Shape []int
		Long  []any
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	pairs := dataset.Pairs(open(t, "testdata/raw").Train)
	if got.Log != "train LMDB file contains 12 images and 15 pairs." || len(got.Pairs) != len(pairs) {
		t.Fatalf("the reference says %q and reads %d pairs", got.Log, len(got.Pairs))
	}
	for i, p := range pairs {
		if want := fmt.Sprintf("[%d %d %s]", p.ImageID, p.TextID, p.Text); fmt.Sprintf("[%.0f %.0f %s]", got.Pairs[i]...) != want {
			t.Errorf("pair %d is %v, want %s", i, got.Pairs[i], want)
		}
	}
	if !slices.Equal(got.Shape, []int{3, 224, 224}) {
		t.Errorf("a picture has shape %v", got.Shape)
	}
	if want := fmt.Sprintf("[%d %d %d %d]", 39_999*37, 39_999, 39_999%120, 40_000); fmt.Sprintf("%.0f", got.Long) != want {
		t.Errorf("the last of 40,000: %.0f, want %s", got.Long, want)
	}
}
