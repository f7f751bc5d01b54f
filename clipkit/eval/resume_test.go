package eval

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/device"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/model"
	"clipnb/clipkit/weights"
)

// tiny is the vision transformer of the fixtures.
func tiny(t testing.TB) *model.Model {
	t.Helper()
	dev, err := device.Open("cpu:go")
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.New(golden.Config(t, "vit"), dev)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close(); dev.Close() })
	if err := weights.Load(m, m.Config, golden.Open(t, "vit/init.pt")); err != nil {
		t.Fatal(err)
	}
	return m
}

// fixtureSplit is a split as the reference built it.
func fixtureSplit(t testing.TB, name string) dataset.Source {
	t.Helper()
	at := filepath.Join("..", "dataset", "testdata")
	s, err := dataset.OpenLMDB("fixtures/"+name, filepath.Join(at, "lmdb", name), filepath.Join(at, "raw", name+"_texts.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// many repeats the pictures and texts of a split under new ids, so that there are several batches.
type many struct {
	dataset.Source
	ids    []int64
	texts  []dataset.Text
	looked atomic.Int64 // pictures that were asked for
	broken int64
}

func manyOf(s dataset.Source, n int) *many {
	r := &many{Source: s, broken: -1}
	texts := s.Texts()
	for i := range n {
		r.ids = append(r.ids, int64(i))
		t := texts[i%len(texts)]
		r.texts = append(r.texts, dataset.Text{ID: int64(i), Text: t.Text, ImageIDs: []int64{int64(i)}})
	}
	return r
}

func (r *many) ImageIDs() []int64     { return r.ids }
func (r *many) Texts() []dataset.Text { return r.texts }
func (r *many) Image(id int64) ([]byte, error) {
	if r.looked.Add(1); id == r.broken {
		return []byte("no picture"), nil
	}
	of := r.Source.ImageIDs()
	return r.Source.Image(of[int(id)%len(of)])
}

var errKilled = errors.New("killed")

// An extraction that is stopped after any batch continues after it and gives the same bits; what a crash half wrote is done again.
func TestExtractionContinues(t *testing.T) {
	m, s := tiny(t), manyOf(fixtureSplit(t, "train"), 150)
	ctx, dir := context.Background(), t.TempDir()
	want, err := ExtractTo(ctx, exchange.Alone, filepath.Join(dir, "whole"), m, "sum", s, 52, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, stop := range []int{1, 64, 65, 128, 150, 151} { // samples after which it is killed
		path := filepath.Join(dir, "killed")
		killed, cancel := context.WithCancel(ctx)
		_, err := ExtractTo(killed, exchange.Alone, path, m, "sum", s, 52, nil, func(done, total int) {
			if total != 300 {
				t.Errorf("%d in all", total)
			}
			if done >= stop {
				cancel()
			}
		})
		if !errors.Is(err, context.Canceled) && stop < 151 {
			t.Fatal(stop, err)
		}
		cancel()
		if stop <= 150 { // the power fails while the next batch is written
			file, err := os.OpenFile(path+".part", os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = file.Write(append([]byte{64, 0, 0, 0, 1, 2, 3, 4}, make([]byte, 64*4*want.Dim*(stop%2))...))
			file.Close()
		}
		s.looked.Store(0)
		got, err := ExtractTo(ctx, exchange.Alone, path, m, "sum", s, 52, nil, nil)
		if err != nil || !slices.Equal(got.Images, want.Images) || !slices.Equal(got.Texts, want.Texts) {
			t.Fatalf("stopped at %d: %v", stop, err)
		}
		if left := int64(max(0, 150-(stop+63)/64*64)); s.looked.Load() != left {
			t.Errorf("stopped at %d: %d pictures were decoded again, want %d", stop, s.looked.Load(), left)
		}
		if _, err := os.Stat(path + ".part"); !errors.Is(err, os.ErrNotExist) {
			t.Error("the part is still there", err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// fault 37
func TestStoredFeaturesAreOfOneModelAndSplit(t *testing.T) {
	m, s := tiny(t), fixtureSplit(t, "test")
	ctx, path := context.Background(), filepath.Join(t.TempDir(), "f")
	want, err := ExtractTo(ctx, exchange.Alone, path, m, "sum", s, 52, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ExtractTo(ctx, exchange.Alone, path, m, "sum", s, 52, nil, func(int, int) { t.Error("extracted again") })
	if err != nil || !slices.Equal(got.Images, want.Images) || !slices.Equal(got.TextIDs, want.TextIDs) {
		t.Error(err)
	}
	_, err = ExtractTo(ctx, exchange.Alone, path, m, "another", s, 52, nil, nil)
	if !errors.Is(err, ErrOtherModel) || !strings.Contains(err.Error(), "another") {
		t.Error(err)
	}
	if _, err := ExtractTo(ctx, exchange.Alone, path, m, "sum", s, 51, nil, nil); !errors.Is(err, ErrOtherSplit) {
		t.Error(err)
	}
	if _, err := ExtractTo(ctx, exchange.Alone, path, m, "sum", fixtureSplit(t, "train"), 52, nil, nil); !errors.Is(err, ErrOtherSplit) {
		t.Error(err)
	}

	// The same for what is unfinished; and two processes keep out of each other's way.
	path += "2"
	f, err := newFeatures(m.Config.EmbedDim, s)
	if err != nil {
		t.Fatal(err)
	}
	p, err := openPart(path+".part", OriginOf(m, "sum", s, 52), f)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ExtractTo(ctx, exchange.Alone, path, m, "sum", s, 52, nil, nil); !errors.Is(err, ErrBusy) {
		t.Error(err)
	}
	p.Close()
	if _, err := ExtractTo(ctx, exchange.Alone, path, m, "another", s, 52, nil, nil); !errors.Is(err, ErrOtherModel) {
		t.Error(err)
	}
	if _, err := ExtractTo(ctx, exchange.Alone, path, m, "sum", s, 52, nil, nil); err != nil {
		t.Error(err)
	}
}

func TestABadPictureEndsExtraction(t *testing.T) {
	m, s := tiny(t), manyOf(fixtureSplit(t, "train"), 70)
	s.broken = 66
	if _, err := Extract(context.Background(), exchange.Alone, m, s, 52, nil, nil); err == nil || !strings.Contains(err.Error(), "image 66") {
		t.Error(err)
	}
	s.ids = nil
	if _, err := Extract(context.Background(), exchange.Alone, m, s, 52, nil, nil); !errors.Is(err, ErrEmpty) {
		t.Error(err)
	}
}

// Named broken files: each is refused with a reason.
// fault 36, 37
func TestBrokenFeatures(t *testing.T) {
	dir := retrievalFile("broken")
	files, err := filepath.Glob(filepath.Join(dir, "features-*"))
	if err != nil || len(files) < 8 {
		t.Fatal(files, err)
	}
	for _, path := range files {
		if strings.HasSuffix(path, ".safetensors") {
			_, _, err = LoadFeatures(path)
		} else {
			_, _, _, err = ReadVectors(path, TextToImage)
		}
		if !errors.Is(err, ErrFeatures) || !strings.Contains(err.Error(), filepath.Base(path)) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func FuzzStoredFeatures(f *testing.F) {
	path := filepath.Join(f.TempDir(), "f")
	if err := (&Features{Dim: 1, ImageIDs: []int64{7}, Images: []float32{1}, TextIDs: []int64{8}, Texts: []float32{1}}).Save(path, Origin{Dim: 1}); err != nil {
		f.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := weights.Parse("fuzz", data)
		if err != nil {
			return
		}
		if f, _, err := parseFeatures(file); err == nil && (len(f.Images) != f.Dim*len(f.ImageIDs) || len(f.Texts) != f.Dim*len(f.TextIDs)) {
			t.Fatalf("%+v", f)
		}
	})
}

func FuzzPart(f *testing.F) {
	record := binary.LittleEndian.AppendUint32([]byte("{\"dim\": 1}\n\x01\x00\x00\x00"), crc32.Checksum(make([]byte, 4), castagnoli))
	f.Add(append(record, 0, 0, 0, 0))
	f.Fuzz(func(t *testing.T, data []byte) {
		got := &Features{Dim: 1, ImageIDs: []int64{1}, TextIDs: []int64{1, 2}}
		_, end, err := readPart(bufio.NewReader(bytes.NewReader(data)), got)
		if err == nil && (end > int64(len(data)) || len(got.Images) > 1 || len(got.Texts) > 2) {
			t.Fatal(end, got)
		}
	})
}
