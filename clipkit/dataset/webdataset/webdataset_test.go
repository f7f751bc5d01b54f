package webdataset

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/dataset/shape"
)

// TestBrokenShards has one right sample in each shard; what is wrong beside it is left out, or ends the opening.
// fault 23
func TestBrokenShards(t *testing.T) {
	for name, c := range map[string]struct {
		left []string // samples left out, in order
		err  string
	}{
		"traversal":     {left: []string{"../../outside.txt leads out of the archive", "/absolute.txt leads out of the archive"}},
		"links":         {left: []string{"soft.jpg is a link", "hard.jpg is a link", "fifo.jpg is no regular file"}},
		"missing-twin":  {left: []string{"alone has no caption (alone.txt or .json)", "wordless has no picture", "both has no picture"}},
		"duplicate":     {},
		"other-members": {},
		"captions": {left: []string{"0.txt: the caption is not UTF-8", "1.txt: no caption", "2.json: no JSON object", "3.json: caption must be a string or a list",
			"4.json: no field caption", "5.json: no field caption"}},
		"long-names":          {},
		"empty-picture":       {left: []string{"empty.jpg is empty"}},
		"sparse-gnu":          {left: []string{"holes.jpg is a sparse file"}},
		"sparse-posix":        {left: []string{"holes.jpg is a sparse file"}},
		"nothing":             {err: "has no sample with a picture and a caption"},
		"cut-off":             {err: "after late.jpg: unexpected EOF; the shard is cut off or damaged"},
		"size-of-8-gigabytes": {err: "the shard is cut off or damaged"},
		"damaged":             {err: "after good.jpg: archive/tar: invalid tar header; the shard is cut off or damaged"},
		"compressed":          {err: "compressed with gzip; gunzip it"},
	} {
		splits, err := Open("broken", "testdata/broken", []string{name + ".tar"})
		if c.err != "" {
			if !errors.Is(err, shape.ErrFormat) || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: error %v, want %q", name, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		s := splits[0]
		picture, err := s.Image(1)
		if err != nil || string(picture) != "JPEG" || len(s.ImageIDs()) != 1 || len(s.Texts()) != 1 || s.Texts()[0].Text != "一只猫" {
			t.Errorf("%s: %d pictures, %v, picture %q, error %v", name, len(s.ImageIDs()), s.Texts(), picture, err)
		}
		if want := filepath.Join("testdata", "broken", name+".tar") + ", "; !strings.HasPrefix(s.Label(1), want) {
			t.Errorf("%s: the picture is called %s", name, s.Label(1))
		}
		if s.LeftOut.Count != len(c.left) {
			t.Errorf("%s: %v, want %d left out", name, &s.LeftOut, len(c.left))
			continue
		}
		for i, want := range c.left {
			if !strings.Contains(s.LeftOut.First[i], want) {
				t.Errorf("%s: left out %q, want %q", name, s.LeftOut.First[i], want)
			}
		}
	}
}

// shard writes a tar with the members, name and content in turns.
func shard(t testing.TB, path string, members ...string) {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 0; i < len(members); i += 2 {
		if err := w.WriteHeader(&tar.Header{Name: members[i], Size: int64(len(members[i+1])), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, members[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), os.WriteFile(path, b.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// TestHugeMember is passed over by its header, without reading what follows.
// fault 23
func TestHugeMember(t *testing.T) {
	dir := t.TempDir()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	const size = shape.MaxPicture + 1
	if err := errors.Join(w.WriteHeader(&tar.Header{Name: "huge.jpg", Size: size}), w.Flush()); err == nil {
		t.Fatal("a member without its bytes was written")
	}
	path := filepath.Join(dir, "0.tar")
	shard(t, path, "huge.txt", "x", "good.jpg", "JPEG", "good.txt", "猫")
	rest, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	_, errA := f.Write(b.Bytes()[:512])
	_, errB := f.WriteAt(rest, 512+(size+511)/512*512)
	if err := errors.Join(errA, errB, f.Close()); err != nil {
		t.Fatal(err)
	}
	splits, err := Open("x", dir, []string{"0.tar"})
	if err != nil || splits[0].Len() != 1 || splits[0].LeftOut.Count != 1 || !strings.Contains(splits[0].LeftOut.First[0], "huge.jpg has 67108865 bytes, want at most 67108864") {
		t.Fatalf("%v, error %v", splits, err)
	}
}

func TestLongCaption(t *testing.T) {
	dir := t.TempDir()
	shard(t, filepath.Join(dir, "0.tar"), "long.jpg", "JPEG", "long.txt", strings.Repeat("x", shape.MaxCaption+1), "good.jpg", "JPEG", "good.txt", "猫")
	splits, err := Open("x", dir, []string{"0.tar"})
	if err != nil || splits[0].Len() != 1 || splits[0].LeftOut.Count != 1 || !strings.Contains(splits[0].LeftOut.First[0], "long.txt has 1048577 bytes, want at most 1048576") {
		t.Errorf("%v, error %v", splits, err)
	}
}

func TestCaptionFields(t *testing.T) {
	dir := t.TempDir()
	shard(t, filepath.Join(dir, "val-1.tar"), "a.JPG", "1", "a.json", `{"caption": "from JSON"}`, "a.txt", "from text", "b.webp", "2", "b.txt", "text first", "b.json", `{"caption": "no"}`,
		"c.png", "3", "c.json", `{"text": ["eins", " ", "zwei"]}`)
	splits, err := Open("x", dir, []string{"val-1.tar"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, text := range splits[0].Texts() {
		got = append(got, text.Text)
	}
	if want := []string{"from text", "text first", "eins", "zwei"}; splits[0].Name() != "x/valid" || !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", splits[0].Name(), got, want)
	}
}

// TestShardThatChanges after it was opened is not read at places that are no longer right.
func TestShardThatChanges(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "0.tar")
	shard(t, path, "a.jpg", "JPEG", "a.txt", "x")
	splits, err := Open("x", dir, []string{"0.tar"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 600); err != nil {
		t.Fatal(err)
	}
	if _, err := splits[0].Image(1); !errors.Is(err, shape.ErrFormat) || !strings.Contains(err.Error(), "has changed since it was opened") {
		t.Errorf("error %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := splits[0].Image(1); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v", err)
	}
}

// FuzzIndex compares the places of pictures with what a reader that cannot seek gives.
func FuzzIndex(f *testing.F) {
	names, err := filepath.Glob("testdata/broken/*.tar")
	if err != nil || len(names) == 0 {
		f.Fatal(err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data[:min(len(data), 1<<16)])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := shape.NewSplit("fuzz", "train")
		places, err := index(s, "fuzz.tar", 0, bytes.NewReader(data))
		if err != nil {
			if !errors.Is(err, shape.ErrFormat) {
				t.Fatalf("error %v is not ErrFormat", err)
			}
			return
		}
		var pictures []string
		for r := tar.NewReader(io.MultiReader(bytes.NewReader(data))); ; {
			h, err := r.Next()
			if err != nil {
				break
			}
			content, err := io.ReadAll(io.LimitReader(r, int64(len(data))+1))
			if err == nil && h.Size == int64(len(content)) {
				pictures = append(pictures, string(content))
			}
		}
		for _, p := range places {
			if p.offset < 0 || p.length < 1 || p.offset+int64(p.length) > int64(len(data)) {
				t.Fatalf("place %v in %d bytes", p, len(data))
			}
			if !slices.Contains(pictures, string(data[p.offset:p.offset+int64(p.length)])) {
				t.Fatalf("no member has the bytes at %v", p)
			}
		}
	})
}
