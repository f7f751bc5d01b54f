package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/dataset/captions"
	"clipnb/clipkit/dataset/coco"
	"clipnb/clipkit/dataset/parquet"
	"clipnb/clipkit/dataset/webdataset"
	"clipnb/clipkit/deploy"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/imaging"
	"clipnb/clipkit/index"
	"clipnb/clipkit/model"
	"clipnb/clipkit/onnx"
	"clipnb/clipkit/weights"
	"clipnb/clipkit/weights/tensor"
	"clipnb/clipkit/zeroshot"
)

const mb = 1 << 20

// worst is the worst file known for a reader.
type worst struct {
	name string
	file func() []byte
	read func([]byte) error
	want error // nil: it is read
	peak int   // what the reader's package promises: bytes of memory beside the file itself
}

var worsts = []worst{
	{"pt/nested dictionaries", func() []byte { return nestedDicts(5 << 19) }, readWeights, tensor.ErrFormat, 300 * mb},
	{"pt/zip entries", func() []byte { return ptFile([]byte("}."), 300_000) }, readWeights, tensor.ErrFormat, 300 * mb},
	{"safetensors/empty tensors", func() []byte {
		return safetensors("{" + entries(360_000, `"%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}`) + "}")
	}, readWeights, tensor.ErrFormat, 64 * mb},
	{"safetensors/duplicate names", func() []byte {
		return safetensors("{" + entries(360_000, `"a":{"dtype":"F32","shape":[0],"data_offsets":[0,%d]}`) + "}")
	}, readWeights, tensor.ErrFormat, 64 * mb},
	{"safetensors/metadata", func() []byte {
		return safetensors(`{"__metadata__":{` + entries(2_000_000, `"%d":""`) + "}}")
	}, readWeights, tensor.ErrFormat, 64 * mb},
	{"jpeg/199 scans", func() []byte { return manyScans(198) }, readPicture, imaging.ErrCorrupt, 192 * mb},
	{"jpeg/64 megapixels CMYK", cmykJPEG, readPicture, nil, 1088 * mb},
	{"png/64 megapixels 16-bit RGBA", png16, readPicture, nil, 320 * mb},
	{"jpeg/64 megapixels CMYK to a tensor", cmykJPEG, readTensor, nil, 1088 * mb},
	{"png/64 megapixels 16-bit RGBA to a tensor", png16, readTensor, nil, 576 * mb},
	{"png/64 megapixels 16-bit grey to a tensor", greyPNG, readTensor, nil, 576 * mb},
	{"png/chunks before the pixels", func() []byte {
		return pngOf(1, 8, 6, nil, bytes.Repeat(pngChunk("tEXt", nil), 32*mb/12))
	}, readPicture, imaging.ErrCorrupt, 64 * mb},
	{"png/empty chunks of pixels", func() []byte {
		return pngOf(1, 8, 6, nil, bytes.Repeat(pngChunk("IDAT", nil), 32*mb/12))
	}, readPicture, imaging.ErrCorrupt, 64 * mb},
	{"gif/extension blocks", func() []byte { return gifExtension(16 * mb) }, readPicture, imaging.ErrCorrupt, 64 * mb},
	{"webp/chunks", func() []byte { return webpOf(bytes.Repeat([]byte("EXIF\x00\x00\x00\x00"), 4*mb)) }, readPicture, imaging.ErrCorrupt, 64 * mb},
	{"webp/65536 groups", webpGroups, readPicture, imaging.ErrCorrupt, 64 * mb},
	{"bmp/64 megapixels of moves", func() []byte { return bmpRuns(8192, bytes.Repeat([]byte{0, 2, 255, 255}, 33)) }, readPicture, nil, 256 * mb},
	{"bmp/32 MB of empty moves", func() []byte { return bmpRuns(1, bytes.Repeat([]byte{0, 2, 0, 0}, 8*mb)) }, readPicture, imaging.ErrCorrupt, 32 * mb},
	{"pnm/64 MB of plain levels of 16 bits", func() []byte { return plainPNM(5600) }, readPicture, nil, 256 * mb},
	{"pnm/64 megapixels of 16 bits to a tensor", func() []byte {
		return append([]byte("P5 8192 8192 65535\n"), make([]byte, 128*mb)...)
	}, readTensor, nil, 320 * mb},
	{"pnm/32 MB of comments", func() []byte { return append([]byte("P2 1 1 255\n"), bytes.Repeat([]byte("#\n"), 16*mb)...) }, readPicture, imaging.ErrCorrupt, 64 * mb},
	{"pnm/one comment", func() []byte { return append([]byte("P6 #"), bytes.Repeat([]byte("x"), 64*mb)...) }, readPicture, imaging.ErrCorrupt, 64 * mb},
	{"tsv/one line", func() []byte { return append([]byte("1\t"), bytes.Repeat([]byte("A"), 65*mb)...) }, readTSV, dataset.ErrFormat, 16 * mb},
	{"tsv/two million lines", tsvLines, readTSV, errAny, 512 * mb},
	{"parquet/a caption of 128 MB in a page", func() []byte { return parquetOf(1, 128*mb, 0) }, readParquet, errAny, 64 * mb},
	{"parquet/two million rows in no bytes", func() []byte { return parquetOf(2_000_000, 1, 0) }, readParquet, errAny, 64 * mb},
	{"parquet/two million rows of one caption", func() []byte { return parquetOf(2_000_000, 1000, 32*mb) }, readParquet, nil, 768 * mb},
	{"tar/100,000 members without twins", func() []byte { return tarOf(100_000) }, readTar, errAny, 128 * mb},
	{"lmdb/2,500 pairs of one place", func() []byte { return sharedLMDB(2500, mb-64) }, readLMDB, dataset.ErrFormat, 16 * mb},
	{"lmdb/a million pairs", millionPairs, readLMDB, dataset.ErrNotFound, 384 * mb}, // read, and then there are no pictures
	{"lmdb/a pair of a million tuples", func() []byte {
		return lmdbOf(2, func(i int) (string, string) {
			return []string{"0", "num_samples"}[i], []string{"(" + strings.Repeat(")", mb) + "t.", "1"}[i]
		})
	}, readLMDB, dataset.ErrFormat, 192 * mb},
	{"onnx/twenty million fields", func() []byte { return onnxOf(bytes.Repeat([]byte{0x12, 0}, 20_000_000)) }, readONNX, deploy.ErrFolder, 16 * mb},
	{"onnx/a million tensors elsewhere", func() []byte {
		tensor := field(13, append(field(1, []byte("location")), field(2, []byte("a"))...))
		return onnxOf(bytes.Repeat(field(5, tensor), 1_000_000))
	}, readONNX, deploy.ErrFolder, 256 * mb},
	{"onnx/graphs in graphs", func() []byte { return onnxOf(graphsInside(5_000)) }, readONNX, deploy.ErrFolder, 16 * mb},
	{"coco/ten million pictures without a word", func() []byte {
		return []byte(`{"images":[{}` + strings.Repeat(",{}", 10_000_000) + "]}")
	}, readCOCO, errAny, 64 * mb},
	{"coco/a million captions", func() []byte {
		return []byte(`{"images":[{"id":1,"file_name":"a.jpg"}],"annotations":[` + entries(1_000_000, `{"id":%d,"image_id":1,"caption":"a"}`) + "]}")
	}, readCOCO, errAny, 384 * mb},
	{"metrics.jsonl/ten million empty rows", func() []byte { return bytes.Repeat([]byte("{}\n"), 10_000_000) }, readMetrics, errAny, 896 * mb},
	{"index/sets of tags", func() []byte { return indexLog(`{"sets":[{}` + strings.Repeat(",{}", 8_000_000) + "]}") }, readIndex, nil, 30 * 23 * mb},
	{"index/deleted ids", func() []byte { return indexLog(`{"delete":[1` + strings.Repeat(",1", 16_000_000) + "]}") }, readIndex, nil, 30 * 30 * mb},
	{"predictions/empty rows", func() []byte { return []byte(`{"predictions":[[[]` + strings.Repeat(",[]", 10_000_000) + "]]}") }, readPredictions, zeroshot.ErrInput, 16 * mb},
	{"predictions/one row", func() []byte { return []byte(`{"predictions":[[[0` + strings.Repeat(",0", 16_000_000) + "]]]}") }, readPredictions, zeroshot.ErrInput, 64 * mb},
	{"templates/depth", func() []byte { return bytes.Repeat([]byte("["), 16*mb) }, readTemplates, zeroshot.ErrInput, 128 * mb},
	{"templates/five million empty ones", func() []byte { return []byte(`[""` + strings.Repeat(`,""`, 5_000_000) + "]") }, readTemplates, zeroshot.ErrInput, 384 * mb},
	{"csv/one line", func() []byte { return append([]byte("image,caption\n"), bytes.Repeat([]byte("a,"), 32*mb)...) }, readCaptions("a.csv"), errAny, 16 * mb},
	{"jsonl/one line", func() []byte { return append([]byte(`{"image":"`), bytes.Repeat([]byte("a"), 64*mb)...) }, readCaptions("a.jsonl"), errAny, 16 * mb},
	{"jsonl/depth", func() []byte { return append([]byte(`{"image":`), bytes.Repeat([]byte("["), mb-64)...) }, readCaptions("a.jsonl"), errAny, 16 * mb},
	{"json/depth", func() []byte { return bytes.Repeat([]byte("["), 64*mb) }, readCaptions("a.json"), errAny, 16 * mb},
}

// errAny stands for any error.
var errAny = errors.New("any")

func readWeights(b []byte) error { _, err := weights.Parse("worst", b); return err }
func readPicture(b []byte) error { _, err := imaging.Decode(b); return err }
func readTensor(b []byte) error  { _, err := imaging.Transform(b, 224); return err }
func readTSV(b []byte) error {
	return readIn("a_imgs.tsv", b, func(dir string) error {
		texts := filepath.Join(dir, "a_texts.jsonl")
		err := os.WriteFile(texts, []byte(`{"text_id": 1, "text": "a", "image_ids": [-1]}`), 0o644)
		if err == nil {
			_, err = dataset.OpenTSV("a", filepath.Join(dir, "a_imgs.tsv"), texts)
		}
		return err
	})
}
func readCOCO(b []byte) error {
	const name = "captions_train2017.json"
	return readIn(name, b, func(dir string) error { _, err := coco.Open("a", dir, []string{name}); return err })
}
func readMetrics(b []byte) error {
	return readIn("metrics.jsonl", b, func(dir string) error { _, err := experiment.ReadRows(dir); return err })
}
func readIndex(b []byte) error {
	return readIn("index.log", b, func(dir string) error {
		err := os.WriteFile(filepath.Join(dir, "vectors-1.f32"), nil, 0o644)
		if err == nil {
			_, err = index.Open(dir, "worst")
		}
		return err
	})
}
func readPredictions(b []byte) error {
	return readIn("a.json", b, func(dir string) error { _, err := zeroshot.ReadPredictions(filepath.Join(dir, "a.json")); return err })
}
func readTemplates(b []byte) error {
	return readIn("a.json", b, func(dir string) error {
		_, err := zeroshot.ReadTemplates(filepath.Join(dir, "a.json"), "", "food-101")
		return err
	})
}

func readParquet(b []byte) error {
	return readIn("train.parquet", b, func(dir string) error { _, err := parquet.Open("a", dir, []string{"train.parquet"}); return err })
}
func readTar(b []byte) error {
	return readIn("train.tar", b, func(dir string) error { _, err := webdataset.Open("a", dir, []string{"train.tar"}); return err })
}
func readLMDB(b []byte) error {
	return readIn("data.mdb", b, func(dir string) error {
		pairs := filepath.Join(dir, "pairs")
		err := errors.Join(os.Mkdir(pairs, 0o755), os.Rename(filepath.Join(dir, "data.mdb"), filepath.Join(pairs, "data.mdb")))
		if err == nil {
			_, err = dataset.OpenLMDB("a", dir, "")
		}
		return err
	})
}

// readONNX opens a folder whose tower of texts is this file.
func readONNX(b []byte) error {
	return readIn("a.onnx", b, func(dir string) error {
		cfg, _ := arch.Lookup("emoji")
		sum := strings.Repeat("0", 64)
		list, err := json.Marshal(deploy.Manifest{Version: 1, Model: model.Ident{Fingerprint: sum}, Config: cfg, LogitScale: 1, Files: []deploy.File{{
			Side: onnx.Texts, Precision: onnx.F32, Stored: deploy.Stored{Path: "a.onnx", Bytes: int64(len(b)), SHA256: sum}}}})
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, deploy.ManifestName), list, 0o644)
		}
		if err == nil {
			_, err = deploy.Open(dir, "", "")
		}
		return err
	})
}

// readIn reads from a new folder with one file in it.
func readIn(name string, b []byte, read func(dir string) error) error {
	dir, err := os.MkdirTemp("", "worst-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = os.WriteFile(filepath.Join(dir, name), b, 0o644)
	}
	if err == nil {
		err = read(dir)
	}
	return err
}
func readCaptions(name string) func([]byte) error {
	return func(b []byte) error { _, err := captions.Read(name, bytes.NewReader(b)); return err }
}

// report is what a process says that has read one of the files.
type report struct {
	File, Peak int // bytes
	Seconds    float64
	Error      string
	Wanted     bool
}

const ask = "CLIPKIT_WORST_FILE"

// Each reader meets its worst file in a process of its own: it answers as it should, and takes no more memory than its package says. The processor's
// seconds are logged, for the packages' notes; they are another machine's elsewhere.
// fault 19.9
func TestWorstFiles(t *testing.T) {
	if name := os.Getenv(ask); name != "" {
		for _, w := range worsts {
			if w.name == name {
				w.measure()
			}
		}
		return
	}
	if runtime.GOOS != "linux" {
		t.Log("the peak of a process is read on Linux only")
		return
	}
	for _, w := range worsts {
		t.Run(w.name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestWorstFiles$")
			cmd.Env = append(os.Environ(), ask+"="+w.name)
			out, err := cmd.CombinedOutput()
			var r report
			if _, text, ok := strings.Cut(string(out), "REPORT "); err == nil && ok {
				err = json.NewDecoder(strings.NewReader(text)).Decode(&r)
			}
			if err != nil || r.File == 0 {
				t.Fatalf("reading in a process of its own: %v\n%.2000s", err, out)
			}
			t.Logf("%.1f MB: %.2f s, peak %.0f MB of %d MB; %.200s", float64(r.File)/mb, r.Seconds, float64(r.Peak)/mb, w.peak/mb, r.Error)
			if !r.Wanted {
				t.Errorf("error %q, want %v", r.Error, w.want)
			}
			if r.Peak > w.peak && !raceDetector {
				t.Errorf("%d bytes of memory were taken, the package promises at most %d", r.Peak, w.peak)
			}
		})
	}
}

// measure reads the file and prints a report. What making the file took is given back first.
func (w worst) measure() {
	file := w.file()
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil { // the peak begins again
		panic(err)
	}
	before, began := status("VmRSS"), processorTime()
	err := w.read(file)
	r := report{File: len(file), Seconds: (processorTime() - began).Seconds(), Peak: max(0, status("VmHWM")-before)}
	if r.Wanted = errors.Is(err, w.want) || err != nil && w.want == errAny; err != nil {
		r.Error = fmt.Sprintf("%.300s", err)
	}
	text, _ := json.Marshal(r) // plain numbers and text
	fmt.Printf("REPORT %s\n", text)
	runtime.KeepAlive(file)
}

// processorTime is what this process has used; a busy machine does not add to it.
func processorTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// status is a size in this process's /proc/self/status, in bytes.
func status(field string) int {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		panic(err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			n, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			if err != nil {
				panic(err)
			}
			return n << 10
		}
	}
	panic("no " + field)
}

// Decoding ends with its context.
// fault 19.9
func TestDecodingEndsWithItsContext(t *testing.T) {
	ended, end := context.WithCancel(t.Context())
	end()
	row := append([]byte{0}, make([]byte, 4)...)
	for name, file := range map[string][]byte{"JPEG": manyScans(1), "PNG": pngOf(1, 8, 6, deflated(row, 1), nil)} {
		if _, err := imaging.DecodeContext(ended, file); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error %v, want that of the context", name, err)
		}
	}
}
