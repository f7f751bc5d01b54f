package pytorch

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"clipnb/clipkit/internal/pickle"
	"clipnb/clipkit/weights/tensor"
)

// fixture finds a file of testdata/pt, or one of the reference's that other packages test with too.
func fixture(name string) string {
	if name == "published_style.pt" || name == "init_fp16.pt" {
		return "../../internal/golden/testdata/rn/" + name
	}
	return "testdata/pt/" + name
}

// parseFile reads a file, with every tensor's bytes made.
func parseFile(t *testing.T, path string) ([]tensor.Tensor, *Checkpoint) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !LooksLike(data) {
		t.Errorf("%s does not look like PyTorch's", path)
	}
	tensors, ck, err := Parse(path, data)
	if err != nil {
		t.Fatal(err)
	}
	for i, x := range tensors {
		if tensors[i], err = x.Materialized(); err != nil {
			t.Fatal(err)
		}
	}
	return tensors, ck
}

// described is what PyTorch says of a file (testdata/pt/make.py).
type described struct {
	Checkpoint *struct {
		Epoch, Step int
		Name        string
	}
	Groups  [][]float64                   // lr, weight decay, betas, epsilon, number of parameters
	State   map[string][3]json.RawMessage // step and the moments' [type, shape, hash]
	Tensors [][4]any                      // name, type, shape, hash
}

var torchName = map[string]string{"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
	"I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool"}

// row describes a tensor as make.py does.
func row(t tensor.Tensor) string {
	hash := sha256.Sum256(t.Data)
	shape := slices.Clone(t.Shape)
	if shape == nil {
		shape = []int{}
	}
	b, _ := json.Marshal([]any{torchName[t.DType], shape, hex.EncodeToString(hash[:])})
	return string(b)
}

// Every .pt of testdata is what PyTorch reads: names in order, types, shapes, bytes, optimizer state.
func TestPyTorchFiles(t *testing.T) {
	b, err := os.ReadFile("testdata/pt/expected.json")
	if err != nil {
		t.Fatal(err)
	}
	var files map[string]described
	if err := json.Unmarshal(b, &files); err != nil {
		t.Fatal(err)
	}
	if len(files) < 10 {
		t.Fatalf("%d files", len(files))
	}
	for name, want := range files {
		t.Run(name, func(t *testing.T) {
			tensors, ck := parseFile(t, fixture(name))
			compare(t, tensors, ck, want)
		})
	}
}

func compare(t *testing.T, tensors []tensor.Tensor, ck *Checkpoint, want described) {
	t.Helper()
	if len(tensors) != len(want.Tensors) {
		t.Fatalf("%d tensors, want %d", len(tensors), len(want.Tensors))
	}
	for i, x := range tensors {
		w, _ := json.Marshal(want.Tensors[i][1:])
		if x.Name != want.Tensors[i][0] || row(x) != string(w) {
			t.Errorf("tensor %d is %s %s, want %v", i, x.Name, row(x), want.Tensors[i])
		}
	}
	if want.Checkpoint == nil {
		if ck != nil {
			t.Errorf("a checkpoint: %+v", ck)
		}
		return
	}
	if ck.Epoch != want.Checkpoint.Epoch || ck.Step != want.Checkpoint.Step || ck.Name != want.Checkpoint.Name || ck.OptimizerError != nil {
		t.Errorf("%+v, want %+v", ck, want.Checkpoint)
	}
	if (ck.Optimizer == nil) != (want.Groups == nil) {
		t.Fatalf("optimizer: %v", ck.Optimizer)
	}
	if ck.Optimizer == nil {
		return
	}
	var groups [][]float64
	for _, g := range ck.Optimizer.Groups {
		groups = append(groups, []float64{g.LR, g.WeightDecay, g.Beta1, g.Beta2, g.Epsilon, float64(g.Params)})
	}
	if fmt.Sprint(groups) != fmt.Sprint(want.Groups) {
		t.Errorf("groups %v, want %v", groups, want.Groups)
	}
	for i, s := range ck.Optimizer.State {
		w, ok := want.State[strconv.Itoa(i)]
		if !ok {
			if s.Step != 0 || s.ExpAvg.Data != nil {
				t.Errorf("parameter %d has a state", i)
			}
			continue
		}
		got := [3]string{strconv.Itoa(s.Step), row(s.ExpAvg), row(s.ExpAvgSq)}
		if got != [3]string{string(w[0]), string(w[1]), string(w[2])} {
			t.Errorf("state of parameter %d is %v, want %s", i, got, w)
		}
	}
}

// Newer PyTorch writes a storage without a type and the type beside it.
func TestTypedView(t *testing.T) {
	data := []byte{1, 0, 2, 0, 3, 0}
	v, err := makeTypedView(pickle.Tuple{&storage{dtype: "U8", numel: 6, data: data}, int64(1), pickle.Tuple{int64(2)}, pickle.Tuple{int64(1)},
		false, nil, pickle.Name("torch.int16")})
	if err != nil {
		t.Fatal(err)
	}
	x, err := (&unpacker{}).tensor("x", v.(*view))
	if err != nil || x.DType != "I16" || !bytes.Equal(x.Data, data[2:]) {
		t.Error(x, err)
	}
}

// A storage of the legacy container may be a part of another, which it must lie in.
func TestLegacyParts(t *testing.T) {
	id := func(skip, n int64) pickle.Tuple {
		return pickle.Tuple{"storage", pickle.Name("torch.HalfStorage"), "7", "cpu", int64(4), pickle.Tuple{"8", skip, n}}
	}
	l := &legacy{storages: map[string]*storage{}}
	s, err := l.storage(id(1, 2))
	if err != nil {
		t.Fatal(err)
	}
	l.rest = []byte("\x04\x00\x00\x00\x00\x00\x00\x00aabbccdd")
	if err := l.fill([]any{"7"}); err != nil {
		t.Fatal(err)
	}
	if got := s.(*storage).bytes(); string(got) != "bbcc" {
		t.Errorf("%q", got)
	}
	for _, bad := range []pickle.Tuple{id(-1, 2), id(0, 5), id(3, 2), id(5, 0), id(1, math.MaxInt64)} {
		if _, err := l.storage(bad); err == nil {
			t.Errorf("%v lies in 4 elements", bad[5])
		}
	}
}

// brokenPyTorch says what the message of each broken file must hold.
var brokenPyTorch = map[string]string{
	"os_system.pt": `system"`, "os_system_legacy.pt": `system"`, "eval.pt": `eval"`, "fill_global.pt": "is called",
	"whole_module.pt": "model.state_dict()", "whole_module_legacy.pt": "model.state_dict()",
	"negative_offset.pt": "arguments", "negative_shape.pt": "arguments", "negative_stride.pt": "arguments", "many_axes.pt": "arguments",
	"negative_storage.pt": "negative", "huge_storage.pt": "impossible", "overflowing_shape.pt": "overflows", "overflowing_stride.pt": "overflows",
	"beyond_storage.pt": "needs 3 elements", "stride_bomb.pt": "more than the file", "short_storage.pt": "4 bytes, want 2 elements",
	"missing_storage.pt": "not in the archive", "complex.pt": "torch.ComplexFloatStorage", "compressed_storage.pt": "is compressed",
	"big_endian.pt": "byte order", "big_endian_legacy.pt": "big-endian", "twice.pt": "two entries", "zip_bomb.pt": "20-fold",
	"deep.pt": "1000 marks", "nested.pt": "holds a tuple", "billion_laughs.pt": "holds a list", "list_in_itself.pt": "holds a list",
	"trailing.pt": "1 bytes follow", "number.pt": "without tensors", "no_tensors.pt": `"model"`, "single_tensor.pt": "single tensor",
	"other_zip.pt": "word/document.xml", "tar.pt": "tar archive", "page.pt": "HTML", "lfs.pt": "LFS", "plain_pickle.pt": "did not write",
}

// fault 1, 2, 3
func TestBrokenPyTorchFiles(t *testing.T) {
	paths, err := filepath.Glob("testdata/broken/*")
	if err != nil || len(paths) != len(brokenPyTorch) {
		t.Errorf("%d files, want %d (%v)", len(paths), len(brokenPyTorch), err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _, err = Parse(path, data)
		runtime.ReadMemStats(&after)
		want := brokenPyTorch[filepath.Base(path)]
		if !errors.Is(err, tensor.ErrFormat) || want == "" || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 200*uint64(len(data))+1<<20 {
			t.Errorf("%s: %d bytes were allocated for a file of %d", path, used, len(data))
		}
	}
	if _, err := os.Stat("/tmp/clipkit_was_here"); err == nil {
		t.Error("a pickle was executed")
	}
}

// A file that is cut anywhere is refused, in both containers.
// fault 4
func TestPyTorchTruncatedAtEveryLength(t *testing.T) {
	for _, name := range []string{"container_zip.pt", "container_legacy.pt", "checkpoint.pt", "checkpoint_legacy.pt", "script.pt"} {
		data, err := os.ReadFile(fixture(name))
		if err != nil {
			t.Fatal(err)
		}
		for n := range data {
			if _, _, err := Parse(name, data[:n:n]); !errors.Is(err, tensor.ErrFormat) {
				t.Fatalf("%s: %d of %d bytes: %v", name, n, len(data), err)
			}
		}
	}
}

// Storages and tensors that are made of the same few arguments again and again stay in proportion to the file.
// fault 2, 19.9
func TestPyTorchMemory(t *testing.T) {
	const axes = "(K\x01K\x01K\x01K\x01K\x01K\x01K\x01K\x01t"
	start := "\x80\x02ctorch._utils\n_rebuild_tensor_v2\nq\x00(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000NK\x04tq\x01Qq\x02(h\x02K\x00" +
		axes + axes + "tq\x03ccollections\nOrderedDict\nq\x04c_codecs\nencode\nq\x05X\x40\x00\x00\x00" + strings.Repeat("x", 64) + "X\x06\x00\x00\x00latin1\x86q\x06"
	for _, unit := range []string{"h\x01Q", "h\x00h\x03R", "h\x04)R", "h\x05h\x06R"} {
		var b bytes.Buffer
		out := newArchiveWriter(&b)
		out.entry("data.pkl", []byte(start+strings.Repeat(unit, 1<<16)))
		out.entry("data/0", make([]byte, 16))
		if err := out.close(); err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _, err := Parse("repeated", b.Bytes())
		runtime.ReadMemStats(&after)
		if !errors.Is(err, tensor.ErrFormat) || !strings.Contains(err.Error(), "without STOP") {
			t.Errorf("%q: %v", unit, err)
		}
		if used := (after.TotalAlloc - before.TotalAlloc) / uint64(b.Len()); used > 250 {
			t.Errorf("%q repeated: %d bytes were allocated for each byte of the file", unit, used)
		}
	}
}

// consume reads every tensor that a parsed file offers.
func consume(t *testing.T, tensors []tensor.Tensor) {
	for _, x := range tensors {
		if data, err := x.Bytes(); err != nil && !errors.Is(err, tensor.ErrFormat) || err == nil && len(data) != tensor.ElementSize(x.DType)*x.Size() {
			t.Fatalf("%v has %d bytes (%v)", x.Shape, len(data), err)
		}
	}
}

// A bit that flips anywhere in a zip container is found when the file is opened or the tensor used, or it changes nothing that is read.
// fault 19.4
func TestFlippedBits(t *testing.T) {
	data, err := os.ReadFile(fixture("container_zip.pt"))
	if err != nil {
		t.Fatal(err)
	}
	want, _, err := Parse("whole", slices.Clone(data))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for i := range data {
		data[i] ^= 4
		got, _, err := Parse("flipped", data)
		same := err == nil && len(got) == len(want)
		for k := range want {
			if !same {
				break
			}
			a, err := want[k].Materialized()
			b, other := got[k].Materialized()
			if other != nil {
				same = false
				if !errors.Is(other, tensor.ErrFormat) {
					t.Fatalf("byte %d: %v", i, other)
				}
				break
			}
			if err == nil && (a.Name != b.Name || a.DType != b.DType || !slices.Equal(a.Shape, b.Shape) || !bytes.Equal(a.Data, b.Data)) {
				t.Errorf("byte %d: %s is another, and nothing says so", i, b.Name)
			}
		}
		if !same {
			found++
		}
		data[i] ^= 4
	}
	t.Logf("%d of %d flipped bits were found; the others lie between the entries", found, len(data))
}

func fuzzContainer(f *testing.F, pattern string) {
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		f.Fatal(pattern, err)
	}
	for _, p := range paths {
		if b, err := os.ReadFile(p); err == nil && len(b) < 1<<15 {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		tensors, _, err := Parse("fuzz", data)
		if err != nil {
			if !errors.Is(err, tensor.ErrFormat) {
				t.Error(err)
			}
			return
		}
		consume(t, tensors)
	})
}

// fault 1, 2, 3, 4
func FuzzPyTorch(f *testing.F) { fuzzContainer(f, "testdata/*/*.pt") }
func FuzzLegacy(f *testing.F)  { fuzzContainer(f, "testdata/*/*legacy.pt") }

// The pickle itself under the fuzzer's hands: the container around it stays sound.
func FuzzStatePickle(f *testing.F) {
	for _, name := range []string{"container_zip.pt", "checkpoint.pt", "script.pt"} {
		data, err := os.ReadFile(fixture(name))
		if err != nil {
			f.Fatal(err)
		}
		start := bytes.Index(data, []byte("\x80\x02"))
		f.Add(data[start:min(len(data), start+4000)])
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		var b bytes.Buffer
		out := newArchiveWriter(&b)
		out.entry("data.pkl", program)
		out.entry("constants.pkl", nil)
		for i := range 14 {
			out.entry("data/"+strconv.Itoa(i), make([]byte, 16))
		}
		if err := out.close(); err != nil {
			t.Fatal(err)
		}
		tensors, _, err := Parse("fuzz", b.Bytes())
		if err == nil {
			consume(t, tensors)
		} else if !errors.Is(err, tensor.ErrFormat) {
			t.Error(err)
		}
	})
}
