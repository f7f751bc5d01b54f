package parquet

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"clipnb/clipkit/dataset/shape"

	"github.com/klauspost/compress/zstd"
	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// TestBrokenFiles must be refused with the file's path and what is wrong, or lose the rows that lack something.
func TestBrokenFiles(t *testing.T) {
	for name, c := range map[string]struct {
		left []string
		err  string
	}{
		"only-paths":              {err: "column image.bytes is null in all rows: only the paths of the pictures are in the file"},
		"no-pictures":             {err: "the columns are url, text; want a binary one of pictures: image, images"},
		"no-captions":             {err: "the columns are image, label; want one of captions, a string or a list of strings: caption"},
		"captions-are-numbers":    {err: "want one of captions"},
		"list-of-pictures":        {err: "is a list; want one picture a row"},
		"brotli":                  {err: "packed as BROTLI; write the file with the compression snappy or zstd"},
		"no-rows":                 {err: "has no sample with a picture and a caption"},
		"cut-off":                 {err: "no PAR1 at its end; it is no parquet file, or cut off"},
		"pointer":                 {err: "is a pointer of Git LFS"},
		"beginning-lost":          {err: "invalid magic header"},
		"damaged-captions":        {err: "row group 0, column text: page at byte"},
		"damaged-pictures":        {err: "row group 0, column image: page at byte"},
		"list-of-billions":        {err: "the metadata is damaged"},
		"nested-deep":             {err: "the metadata is damaged"},
		"footer-of-zeros":         {err: "the metadata is damaged"},
		"footer-longer-than-file": {err: "2147483648 bytes of metadata in a file of 12"},
		"rows-without":            {left: []string{"row 2: no caption", "row 3: no caption", "row 4: no caption"}},
		"split-unknown":           {left: []string{"row 3: its column split names none of", "row 4: its column split"}},
		"not-utf8":                {left: []string{"row 3: the caption is not UTF-8", "row 4: the caption is not UTF-8"}},
	} {
		file := name + ".parquet"
		path := filepath.Join("testdata", "broken", file)
		splits, err := Open("broken", "testdata/broken", []string{file})
		if c.err != "" {
			if !errors.Is(err, shape.ErrFormat) || !strings.Contains(err.Error(), c.err) || name != "no-rows" && !strings.Contains(err.Error(), path) {
				t.Errorf("%s: error %v, want %q", name, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		s := splits[0]
		last := s.Len()
		if s.LeftOut.Count != len(c.left) || s.Texts()[last-1].Text != map[bool]string{true: "狗", false: "一只狗"}[name == "not-utf8"] {
			t.Errorf("%s: %v, %v", name, s.Texts(), &s.LeftOut)
			continue
		}
		for i, want := range c.left {
			if !strings.Contains(s.LeftOut.First[i], path+", "+want) {
				t.Errorf("%s: left out %q, want %q", name, s.LeftOut.First[i], want)
			}
		}
		if data, err := s.Image(int64(last)); err != nil || !bytes.HasPrefix(data, []byte("JPEGJPEG")) {
			t.Errorf("%s: picture %.20q, error %v", name, data, err)
		}
		if name == "rows-without" { // a row without a picture is found when it is asked for
			if _, err := s.Image(2); !errors.Is(err, shape.ErrFormat) || !strings.Contains(err.Error(), path+", row 5 is empty") {
				t.Errorf("a null picture: error %v", err)
			}
		}
	}
}

// write writes rows with the library, of which the first fields may be left out.
func write(t testing.TB, path string, rows []sample, options ...pq.WriterOption) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := pq.NewGenericWriter[sample](f, options...)
	for i, r := range rows {
		if _, err := w.Write([]sample{r}); err != nil {
			t.Fatal(err)
		}
		if i%7 == 6 {
			if err := w.Flush(); err != nil { // ends a row group
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

type sample struct {
	Image []byte   `parquet:"image"`
	Text  []string `parquet:"text,list"`
}

func samples(n int) (rows []sample) {
	for i := range n {
		rows = append(rows, sample{bytes.Repeat([]byte{byte(i), byte(i / 256), 7}, 30+i%50), []string{fmt.Sprint("图", i), fmt.Sprint("张", i)}})
	}
	return rows
}

// TestEveryEncoding that the library writes: codecs, versions of pages, dictionaries, pages of a few values.
func TestEveryEncoding(t *testing.T) {
	rows := samples(40)
	for i := range 5 { // a dictionary is worth it for these
		rows[i*8].Image = rows[0].Image
	}
	for name, options := range map[string][]pq.WriterOption{
		"plain":          nil,
		"snappy, 1":      {pq.Compression(&pq.Snappy), pq.DataPageVersion(1)},
		"zstd, 2":        {pq.Compression(&pq.Zstd), pq.DataPageVersion(2)},
		"gzip, 1, small": {pq.Compression(&pq.Gzip), pq.DataPageVersion(1), pq.PageBufferSize(200)},
		"small":          {pq.PageBufferSize(200)},
		"dictionary":     {pq.DefaultEncodingFor(pq.ByteArray, &pq.RLEDictionary), pq.PageBufferSize(20)},
		"delta length":   {pq.DefaultEncodingFor(pq.ByteArray, &pq.DeltaLengthByteArray)},
		"delta":          {pq.DefaultEncodingFor(pq.ByteArray, &pq.DeltaByteArray), pq.Compression(&pq.Snappy)},
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "a.parquet"), rows[:25], options...)
		write(t, filepath.Join(dir, "b.parquet"), rows[25:], options...)
		splits, err := Open("x", dir, []string{"a.parquet", "b.parquet"})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for i, id := range splits[0].ImageIDs() {
					if got, err := splits[0].Image(id); err != nil || !bytes.Equal(got, rows[i].Image) {
						t.Errorf("%s: row %d is %v, error %v", name, i, got, err)
					}
				}
			})
		}
		wg.Wait()
		var texts []string
		for _, text := range splits[0].Texts() {
			texts = append(texts, text.Text)
		}
		var want []string
		for _, r := range rows {
			want = append(want, r.Text...)
		}
		if !slices.Equal(texts, want) {
			t.Errorf("%s: captions %q", name, texts)
		}
	}
}

// TestBombs unpack to more than they say, in each of the codecs that are read.
func TestBombs(t *testing.T) {
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	bomb := z.EncodeAll(make([]byte, 4<<20), nil)
	for codec, data := range map[format.CompressionCodec][]byte{
		format.Zstd:   slices.Concat(bomb, bomb),
		format.Snappy: {0xff, 0xff, 0xff, 0xff, 0x0f, 0},
		format.Brotli: bomb,
	} {
		if err := (&column{codec: codec}).checkUnpacked(data, 5<<20); err == nil {
			t.Errorf("%s: %d bytes are let through", codec, len(data))
		}
	}
	if err := (&column{codec: format.Zstd}).checkUnpacked(bomb, 4<<20); err != nil {
		t.Error(err)
	}
}

func TestStructEnd(t *testing.T) {
	for name, c := range map[string]struct {
		data string
		end  int // -1: refused
	}{
		"empty struct":             {"\x00rest", 1},
		"an integer and a string":  {"\x15\x02\x18\x03abc\x00rest", 8},
		"a list of three integers": {"\x19\x35\x02\x04\x06\x00", 6},
		"booleans":                 {"\x11\x12\x00", 3},
		"a list of structs":        {"\x19\x2c\x00\x15\x02\x00\x00", 7},
		"a field with its number":  {"\x05\x14\x02\x00", 4},
		"nothing":                  {"", -1},
		"no end":                   {"\x15\x02", -1},
		"a string beyond the end":  {"\x18\x7fabc\x00", -1},
		"a list beyond the end":    {"\x19\xf5\xff\xff\xff\xff\x0f\x00", -1},
		"a map":                    {"\x1b\x00\x00", -1},
		"a varint without an end":  {"\x15\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00", -1},
		"deep":                     {strings.Repeat("\x1c", 40) + strings.Repeat("\x00", 41), -1},
	} {
		n, err := structEnd([]byte(c.data))
		if err == nil && n != c.end || err != nil && c.end >= 0 {
			t.Errorf("%s: ends after %d, error %v, want %d", name, n, err, c.end)
		}
	}
}

// TestPagesThatAreKept are bounded by their bytes, and one that is alone too large is not kept.
func TestPagesThatAreKept(t *testing.T) {
	c := newPageCache()
	reads := 0
	get := func(page int32, size int) {
		t.Helper()
		values, err := c.get(pageKey{page: page}, size, func() ([]pq.Value, error) { reads++; return []pq.Value{pq.Int32Value(page)}, nil })
		if err != nil || values[0].Int32() != page {
			t.Fatal(values, err)
		}
	}
	for page := range int32(6) {
		get(page, cacheBytes/4)
		get(page, cacheBytes/4)
	}
	if reads != 6 || c.bytes != cacheBytes || c.pages.Len() != 4 {
		t.Errorf("%d reads, %d bytes of %d pages", reads, c.bytes, c.pages.Len())
	}
	get(9, cacheBytes+1)
	get(9, cacheBytes+1)
	if reads != 8 || c.pages.Len() != 4 {
		t.Errorf("%d reads, %d pages", reads, c.pages.Len())
	}
	failing := errors.New("input/output error")
	if _, err := c.get(pageKey{page: 10}, 1, func() ([]pq.Value, error) { return nil, failing }); err != failing {
		t.Errorf("error %v", err)
	}
	get(10, 1)
}

// FuzzOpen opens a file and reads its pictures; whatever it is, there is no panic, and errors say that the format is wrong.
func FuzzOpen(f *testing.F) {
	for _, pattern := range []string{"testdata/broken/*.parquet", "../shape/testdata/parquet/data/train-00001*.parquet", "../shape/testdata/parquet-split/*.parquet"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			f.Fatal(pattern, err)
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := os.CreateTemp(dir, "*.parquet")
		if err != nil {
			t.Fatal(err)
		}
		defer os.Remove(file.Name())
		_, errA := file.Write(data)
		if err := errors.Join(errA, file.Close()); err != nil {
			t.Fatal(err)
		}
		splits, err := Open("fuzz", dir, []string{filepath.Base(file.Name())})
		if err != nil {
			if !errors.Is(err, shape.ErrFormat) {
				t.Fatalf("error %v is not ErrFormat", err)
			}
			return
		}
		for _, s := range splits {
			for _, id := range s.ImageIDs()[:min(s.Len(), 50)] {
				if _, err := s.Image(id); err != nil && !errors.Is(err, shape.ErrFormat) {
					t.Fatalf("picture %d: error %v is not ErrFormat", id, err)
				}
			}
		}
	})
}
