package dataset

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clipnb/clipkit/dataset/lmdb/lmdbtest"
)

// fault 21
func TestBrokenLMDBFiles(t *testing.T) {
	broken := map[string]string{
		"empty":                   "outside the file, which has 0",
		"half":                    "cut off or damaged",
		"html":                    "not an LMDB file",
		"bad-magic":               "no LMDB meta page at byte 0",
		"version-2":               "LMDB format version 2, want 1",
		"page-size-3":             "the page size is 3",
		"page-size-huge":          "the page size is 1073741824",
		"duplicate-keys-database": "the database has flags 0x4",
		"depth-1000":              "the tree is 1000 levels deep",
		"depth-2":                 "page 2 is damaged: its header",
		"entries-8":               "9 entries, but the header claims 8",
		"root-outside":            "page 1099511627776 lies outside the file",
		"root-is-meta":            "page 0 is damaged",
		"page-number-wrong":       "page 2 is damaged: its header",
		"lower-outside":           "page 2 is damaged: its header",
		"node-outside":            "a node at byte 65520",
		"key-outside":             "runs over its end",
		"value-outside":           `the value of key "0"`,
		"sub-database":            `the value of key "0"`,
		"keys-out-of-order":       `key "0" follows "1"`,
		"same-key-twice":          `key "0" follows "0"`,
		"not-a-pickle":            "pair 0: pickle: not a pickle",
		"imgs-overflow-outside":   `the value of key "304" is on page 1125899906842624`,
		"imgs-overflow-is-leaf":   `with the value of key "304", is damaged`,
		"imgs-length-outside":     "outside the file",
		"imgs-length-4-gib":       "outside the file",
	}
	files, err := filepath.Glob("lmdb/testdata/broken/*.mdb")
	if err != nil || len(files) != len(broken) {
		t.Fatalf("%d files, want %d (error %v)", len(files), len(broken), err)
	}
	for name, want := range broken {
		data, err := os.ReadFile("lmdb/testdata/broken/" + name + ".mdb")
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		for _, half := range []string{"pairs", "imgs"} {
			good, err := os.ReadFile("testdata/lmdb/test/" + half + "/data.mdb")
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(name, "imgs-") == (half == "imgs") {
				good = data
			}
			if err := errors.Join(os.MkdirAll(filepath.Join(dir, half), 0o755), os.WriteFile(filepath.Join(dir, half, "data.mdb"), good, 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		_, err = OpenLMDB("broken", dir, "")
		if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "data.mdb") {
			t.Errorf("%s: error %v, want ErrFormat with the path and %q", name, err, want)
		}
	}
}

// TestLMDBWithWrongEntries has files that are sound and hold what they should not, such as the reference leaves them.
func TestLMDBWithWrongEntries(t *testing.T) {
	pair := func(p Pair) string {
		b, err := appendPair(nil, p)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	cat, dog := pair(Pair{7, 1, "猫"}), pair(Pair{8, 2, "狗"})
	pairs := map[string]string{"0": cat, "1": dog, "num_samples": "2"}
	imgs := map[string]string{"7": "QUJD", "8": "QUJE", "num_images": "2"}
	for name, c := range map[string]struct {
		pairs, imgs map[string]string
		want        string // "": opens
	}{
		"good":                    {pairs, imgs, ""},
		"unfinished pairs":        {map[string]string{"0": cat}, imgs, "no key num_samples; the build was not finished"},
		"missing pair":            {map[string]string{"0": cat, "num_samples": "2"}, imgs, "num_samples is 2, but pair 1 is missing"},
		"gap":                     {map[string]string{"0": cat, "2": dog, "num_samples": "2"}, imgs, "but pair 1 is missing"},
		"stale pairs":             {map[string]string{"0": cat, "1": dog, "num_samples": "1"}, imgs, ""},
		"huge count":              {map[string]string{"0": cat, "num_samples": "9223372036854775807"}, imgs, "but pair 1 is missing"},
		"negative count":          {map[string]string{"0": cat, "num_samples": "-1"}, imgs, `num_samples is "-1", want a count`},
		"not a count":             {map[string]string{"0": cat, "num_samples": "many"}, imgs, `num_samples is "many", want a count`},
		"pair key":                {map[string]string{"first": cat, "num_samples": "1"}, imgs, `key "first", want a decimal integer`},
		"code in a pickle":        {map[string]string{"0": "cos\nsystem\n(S'true'\ntR.", "num_samples": "1"}, imgs, "pair 0: pickle"},
		"two-tuple":               {map[string]string{"0": "\x80\x02K\x07K\x01\x86.", "num_samples": "1"}, imgs, "want one tuple (image_id, text_id, text)"},
		"string image id":         {map[string]string{"0": "\x80\x02X\x05\x00\x00\x00a.jpgK\x01X\x01\x00\x00\x00x\x87.", "num_samples": "1"}, imgs, "pair 0: image_id is a str, want an integer"},
		"text is a number":        {map[string]string{"0": "\x80\x02K\x07K\x01K\x02\x87.", "num_samples": "1"}, imgs, "pair 0: text is a int, want a string"},
		"text id twice":           {map[string]string{"0": cat, "1": dog, "2": cat, "num_samples": "3"}, imgs, "text id 1 of pair 2 is already that of pair 0"},
		"two pictures":            {map[string]string{"0": cat, "1": pair(Pair{8, 1, "猫"}), "num_samples": "2"}, imgs, ""},
		"hidden answers":          {map[string]string{"num_samples": "0"}, imgs, ""},
		"absent picture":          {pairs, map[string]string{"7": "QUJD", "num_images": "1"}, "text 2: image id 8 is not in"},
		"unfinished imgs":         {pairs, map[string]string{"7": "QUJD", "8": "QUJE"}, "no key num_images; the build was not finished"},
		"stale pictures":          {pairs, map[string]string{"7": "QUJD", "8": "QUJE", "9": "QUJF", "num_images": "2"}, "left over from an earlier build; delete the folder"},
		"duplicates in the tsv":   {pairs, map[string]string{"7": "QUJD", "8": "QUJE", "num_images": "5"}, ""},
		"file names as image ids": {pairs, map[string]string{"a.jpg": "QUJD", "num_images": "1"}, `key "a.jpg", want a decimal integer`},
		"leading zeros":           {pairs, map[string]string{"007": "QUJD", "num_images": "1"}, `key "007", want a decimal integer without leading zeros: write it as 7`},
		"no pictures":             {map[string]string{"num_samples": "0"}, map[string]string{"num_images": "0"}, "holds no pictures"},
	} {
		dir := t.TempDir()
		lmdbtest.Put(t, filepath.Join(dir, "pairs"), c.pairs)
		lmdbtest.Put(t, filepath.Join(dir, "imgs"), c.imgs)
		s, err := OpenLMDB(name, dir, "")
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: error %v", name, err)
				continue
			}
			s.Close()
		} else if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: error %v, want ErrFormat with the path and %q", name, err, c.want)
		}
	}
	dir := t.TempDir()
	lmdbtest.Put(t, filepath.Join(dir, "pairs"), pairs)
	if _, err := OpenLMDB("x", dir, ""); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), filepath.Join(dir, "imgs")) {
		t.Errorf("no imgs: error %v", err)
	}
	if _, err := OpenLMDB("x", t.TempDir(), ""); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "build it again") {
		t.Errorf("no pairs: error %v", err)
	}
}

// fault 22
func TestPairBytes(t *testing.T) {
	for _, c := range []struct {
		pair Pair
		hex  string // of pickle.dumps of Python 3.11
	}{
		{Pair{1076345, 8428, "高级感托特包斜挎"}, "\x80\x04\x95\x26\x00\x00\x00\x00\x00\x00\x00\x4a\x79\x6c\x10\x00\x4d\xec\x20\x8c\x18高级感托特包斜挎\x94\x87\x94."},
		{Pair{1 << 31, -1, ""}, "\x80\x04\x95\x12\x00\x00\x00\x00\x00\x00\x00\x8a\x05\x00\x00\x00\x80\x00\x4a\xff\xff\xff\xff\x8c\x00\x94\x87\x94."},
	} {
		if got, err := appendPair(nil, c.pair); err != nil || string(got) != c.hex {
			t.Errorf("%v: %x, want %x, error %v", c.pair, got, c.hex, err)
		}
	}
	old := "\x80\x03\x4a\x79\x6c\x10\x00\x4d\xec\x20\x58\x18\x00\x00\x00高级感托特包斜挎\x71\x00\x87\x71\x01."
	if p, err := parsePair([]byte(old)); err != nil || p != (Pair{1076345, 8428, "高级感托特包斜挎"}) {
		t.Errorf("protocol 3: %v, error %v", p, err)
	}
	for _, text := range []string{"\xff", strings.Repeat("x", maxTextLine+1)} {
		if _, err := appendPair(nil, Pair{1, 1, text}); err == nil {
			t.Errorf("a text of %d bytes was written", len(text))
		}
	}
}

// fault 22
func FuzzPair(f *testing.F) {
	for _, p := range []Pair{{1076345, 8428, "高级感托特包斜挎"}, {0, 255, ""}, {256, 65536, "x"}, {1 << 31, -1 << 31, "y"}, {-1<<31 - 1, 1 << 62, strings.Repeat("长", 100)}} {
		b, err := appendPair(nil, p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("cos\nsystem\n(S'true'\ntR."))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := parsePair(data)
		if err != nil {
			return
		}
		b, err := appendPair(nil, p)
		if err != nil {
			return // a text that is not UTF-8
		}
		if again, err := parsePair(b); err != nil || again != p {
			t.Fatalf("%v became %v, error %v", p, again, err)
		}
	})
}
