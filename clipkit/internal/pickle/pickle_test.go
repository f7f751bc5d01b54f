package pickle

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

// everything is the tuple that testdata/make.py pickles in every protocol.
func everything() Tuple {
	power := func(n uint) *big.Int { return new(big.Int).Lsh(big.NewInt(1), n) }
	d := &Dict{}
	for _, pair := range [][2]any{{"k", int64(1)}, {int64(2), "v"}, {nil, 0.5}} {
		if err := d.Set(pair[0], pair[1]); err != nil {
			panic(err)
		}
	}
	return Tuple{nil, true, false, int64(0), int64(255), int64(256), int64(65536), int64(-1), int64(math.MaxInt32), int64(math.MinInt32),
		int64(1) << 40, int64(math.MinInt64), power(64), new(big.Int).Neg(power(70)), 1.5, math.Inf(-1), "a", "高级感😀", "x\\u\n", strings.Repeat("y", 300),
		Tuple{"t"}, Tuple{}, Tuple{int64(1), int64(2)}, Tuple{int64(1), int64(2), int64(3)}, Tuple{int64(1), int64(2), int64(3), int64(4)},
		&List{[]any{int64(1), &List{[]any{int64(2)}}}}, d}
}

// Protocols 0 to 5 as Python writes them.
func TestProtocols(t *testing.T) {
	for p := range 6 {
		data, err := os.ReadFile(fmt.Sprintf("testdata/protocol%d.pkl", p))
		if err != nil {
			t.Fatal(err)
		}
		got, n, err := Reader{}.Read(append(data, "more"...))
		if err != nil || n != len(data) {
			t.Fatalf("protocol %d: %d of %d bytes, %v", p, n, len(data), err)
		}
		want := everything()
		for i := range want {
			if !same(got.(Tuple)[i], want[i]) {
				t.Errorf("protocol %d: value %d is %#v, want %#v", p, i, got.(Tuple)[i], want[i])
			}
		}
	}
}

// same compares values that do not contain themselves; an empty list is nil or not.
func same(a, b any) bool {
	switch a := a.(type) {
	case Tuple:
		b, ok := b.(Tuple)
		return ok && sameItems(a, b)
	case *List:
		b, ok := b.(*List)
		return ok && sameItems(a.Items, b.Items)
	case *Dict:
		b, ok := b.(*Dict)
		return ok && sameItems(a.pairs(), b.pairs())
	}
	return reflect.DeepEqual(a, b)
}

func sameItems(a, b []any) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !same(a[i], b[i]) {
			return false
		}
	}
	return true
}

// A pair of the reference's LMDB (cn_clip/preprocess/build_lmdb_dataset.py:67), in pickle protocols 3 and 4.
func TestPairs(t *testing.T) {
	for _, s := range []string{
		"80034a796c10004dec205818000000e9ab98e7baa7e6849fe68998e789b9e58c85e6969ce68c8e710087" + "71012e",
		"80049526000000000000004a796c10004dec208c18e9ab98e7baa7e6849fe68998e789b9e58c85e6969ce68c8e9487942e",
	} {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		v, _, err := Reader{}.Read(b)
		if err != nil || !same(v, Tuple{int64(1076345), int64(8428), "高级感托特包斜挎"}) {
			t.Errorf("%#v, %v", v, err)
		}
	}
}

// Bytes in all their forms.
func TestBytes(t *testing.T) {
	for _, s := range []string{"\x80\x03C\x02\x00\xff.", "\x80\x03B\x02\x00\x00\x00\x00\xff.", "\x80\x04\x8e\x02\x00\x00\x00\x00\x00\x00\x00\x00\xff.",
		"\x80\x05\x96\x02\x00\x00\x00\x00\x00\x00\x00\x00\xff."} {
		v, _, err := Reader{}.Read([]byte(s))
		if b, ok := v.([]byte); err != nil || !ok || !bytes.Equal(b, []byte{0, 0xff}) {
			t.Errorf("%q: %#v, %v", s, v, err)
		}
	}
}

type built struct{ args, state any }

func (b *built) Build(state any) error { b.state = state; return nil }

// Names, calls, states and persistent ids go to the caller; what it does not know is refused by name.
func TestCaller(t *testing.T) {
	r := Reader{
		Find: func(name string) (Call, bool) {
			switch name {
			case "m.C":
				return func(args Tuple) (any, error) { return &built{args: args}, nil }, true
			case "m.fails":
				return func(Tuple) (any, error) { return nil, errors.New("no") }, true
			case "m.sub.noun":
				return nil, true
			}
			return nil, false
		},
		Persistent: func(id any) (any, error) { return fmt.Sprint("storage ", id), nil },
	}
	for _, program := range []string{"\x80\x02cm\nC\nK\x01\x85R}b.", "\x80\x02cm\nC\nK\x01\x85\x81}b.", "\x80\x04\x8c\x01m\x8c\x01C\x93K\x01\x85R}b."} {
		v, _, err := r.Read([]byte(program))
		b, ok := v.(*built)
		if err != nil || !ok || !same(b.args, Tuple{int64(1)}) || !same(b.state, &Dict{}) {
			t.Errorf("%q: %#v, %v", program, v, err)
		}
	}
	v, _, err := r.Read([]byte("K\x07Q."))
	if v != "storage 7" {
		t.Error(v, err)
	}
	for program, want := range map[string]string{
		"cos\nsystem\nX\x02\x00\x00\x00ls\x85R.":    `"os.system"`,
		"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.": `"builtins.eval"`,
		"cm.sub\nother\n.":                          `"m.sub.other"`,
		"cm.sub\nnoun\n)R.":                         "name m.sub.noun is called",
		"K\x01)R.":                                  "int is called",
		"cm\nC\nK\x01R.":                            "with a int",
		"cm\nfails\n)R.":                            "m.fails: no",
	} {
		_, _, err := r.Read([]byte(program))
		if !errors.Is(err, ErrPickle) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", program, err, want)
		}
		if strings.HasPrefix(want, `"`) != errors.Is(err, ErrGlobal) {
			t.Errorf("%q: %v", program, err)
		}
	}
}

// Damaged and hostile programs: each is refused, with its position.
// fault 1, 4
func TestBroken(t *testing.T) {
	for program, want := range map[string]string{
		"":                                       "without STOP (byte 0)",
		"N":                                      "without STOP (byte 1)",
		".":                                      "0 values",
		"NN.":                                    "2 values",
		"(N.":                                    "1 marks",
		"\x80\x06N.":                             "protocol 6",
		"X\xff\xff\xff\x7f":                      "2147483647 bytes are announced, 0 are left",
		"\x8d\xff\xff\xff\xff\xff\xff\xff\xff":   "18446744073709551615 bytes",
		"B\x05\x00\x00\x00abcd":                  "5 bytes are announced, 4",
		"\x95\xff\xff\xff\xff\xff\xff\xff\x7f":   "bytes are announced",
		"\x8b\xff\xff\xff\xff":                   "4294967295 bytes",
		"J\x01":                                  "4 bytes are announced, 1",
		"X\x01\x00\x00\x00\xff.":                 "UTF-8",
		"h\x05.":                                 "memo 5 is empty",
		"p99999999999\n":                         "memo number",
		"0":                                      "stack is empty",
		"(2":                                     "stack is empty",
		"N(a":                                    "stack is empty",
		"t":                                      "no mark",
		"}(Nu":                                   "key without a value",
		"}]Ns":                                   "a list is a key",
		"}G\x7f\xf8\x00\x00\x00\x00\x00\x00Ns":   "NaN",
		"]NNs":                                   "container of another kind",
		"NNa":                                    "container of another kind",
		"Ifoo\n":                                 `"foo" is no integer`,
		"Fx\n":                                   "no float",
		"L1":                                     "line does not end",
		"I" + strings.Repeat("1", 2000) + "\n":   "does not end within",
		"V\\u12\n":                               "inside an escape",
		"V\\U7fffffff\n":                         "holds the escape",
		"S'ls'\n":                                "opcode 0x53",
		"\x82\x01":                               "opcode 0x82",
		"NQ":                                     "persistent id",
		strings.Repeat("(", 2000):                "1000 marks",
		"c" + strings.Repeat("a", 600) + "\nb\n": "does not end within",
	} {
		_, _, err := Reader{}.Read([]byte(program))
		if !errors.Is(err, ErrPickle) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", program, err, want)
		}
	}
}

// A pickle is refused at every length but its own.
func TestTruncated(t *testing.T) {
	for p := range 6 {
		data, err := os.ReadFile(fmt.Sprintf("testdata/protocol%d.pkl", p))
		if err != nil {
			t.Fatal(err)
		}
		for n := range data {
			if _, _, err := (Reader{}).Read(data[:n]); !errors.Is(err, ErrPickle) {
				t.Fatalf("protocol %d: %d of %d bytes: %v", p, n, len(data), err)
			}
		}
	}
}

// Whatever is repeated, memory stays in proportion to the input.
// fault 19.9
func TestMemory(t *testing.T) {
	const length = 1 << 18
	for _, unit := range []string{"N", "]", "}", ")", "(1", "}NNs", "]Na", "2", "N\x94", "h\x00", "\x85", "(t", "K\x01", "J\x00\x00\x00\x01", "I1\n", "L1L\n",
		"Va\n", "C\x00", "\x8a\x09123456789", "X\x01\x00\x00\x00a", "r\x00\x00\x00\x01", "cm\nC\n", "h\x01)R", "]h\x00ah\x00a"} {
		program := []byte("N\x94cm\nC\n\x94" + strings.Repeat(unit, length/len(unit)))
		r := Reader{Find: func(string) (Call, bool) { return func(Tuple) (any, error) { return nil, nil }, true }}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _, err := r.Read(program)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, ErrPickle) {
			t.Errorf("%q: %v", unit, err)
		}
		if used := (after.TotalAlloc - before.TotalAlloc) / length; used > 200 {
			t.Errorf("%q repeated: %d bytes were allocated for each byte of the input", unit, used)
		}
	}
}

// A few MB that repeat what takes the most end when the values' memory is used up, not the machine's.
// fault 19.9
func TestBudget(t *testing.T) {
	const n = 2 << 20
	for name, program := range map[string]string{
		"nested dictionaries": strings.Repeat("}N", n) + "N" + strings.Repeat("s", n) + ".",
		"a long dictionary":   "}(" + strings.Repeat("J\x00\x00\x00\x01N", n) + "u.",
		"calls":               "cm\nC\n\x94" + strings.Repeat("h\x00)R0", n) + ".",
		"one text many times": "X\x00\x00\x10\x00" + strings.Repeat("a", 1<<20) + strings.Repeat("2", 8*n) + ".",
	} {
		r := Reader{Find: func(string) (Call, bool) { return func(Tuple) (any, error) { return new([25]int), nil }, true }}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _, err := r.Read([]byte(program))
		runtime.ReadMemStats(&after)
		if !errors.Is(err, errMemory) {
			t.Errorf("%s: %v, want %v", name, err, errMemory)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 8*maxMemory {
			t.Errorf("%s: %d MB were allocated, of which %d MB may be in use", name, used>>20, maxMemory>>20)
		}
	}
}

// Marshal's output is what Read reads.
func TestMarshal(t *testing.T) {
	var plain Tuple
	for _, v := range everything() {
		if _, isBig := v.(*big.Int); !isBig {
			plain = append(plain, v)
		}
	}
	b, err := Marshal(plain)
	if err != nil {
		t.Fatal(err)
	}
	v, n, err := Reader{}.Read(b)
	if err != nil || n != len(b) || !same(v, plain) {
		t.Errorf("%v, %v", v, err)
	}
	items := &Dict{}
	_ = items.Set("k", 1)
	b, err = Marshal(Tuple{Object{Name("collections.OrderedDict"), Tuple{}, items}, Persistent{Tuple{"storage", Name("torch.FloatStorage")}}})
	if want := "\x80\x02(ccollections\nOrderedDict\n(tR(X\x01\x00\x00\x00kK\x01u(X\x07\x00\x00\x00storagectorch\nFloatStorage\ntQt."; err != nil || string(b) != want {
		t.Errorf("%q, want %q (%v)", b, want, err)
	}
	deep := &List{}
	deep.Items = []any{deep}
	for _, v := range []any{deep, struct{}{}, Name("nodot"), big.NewInt(1)} {
		if _, err := Marshal(v); err == nil {
			t.Errorf("%T was written", v)
		}
	}
}

// Whatever the bytes say: no panic, errors of this package, and memory in proportion.
func FuzzPickle(f *testing.F) {
	paths, err := filepath.Glob("testdata/*.pkl")
	if err != nil || len(paths) != 6 {
		f.Fatal(paths, err)
	}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("\x80\x02cm\nC\nK\x01\x85R}b."))
	f.Add([]byte("]q\x00h\x00a."))
	r := Reader{
		Find: func(name string) (Call, bool) {
			return func(args Tuple) (any, error) { return args, nil }, name == "m.C"
		},
		Persistent: func(id any) (any, error) { return id, nil },
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, n, err := r.Read(data)
		runtime.ReadMemStats(&after)
		if n > len(data) || err != nil && !errors.Is(err, ErrPickle) {
			t.Error(n, err)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 500*uint64(len(data))+1<<18 {
			t.Errorf("%d bytes were allocated for %d", used, len(data))
		}
	})
}
