package tokenizer

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"clipnb/assets"
	"clipnb/clipkit/internal/golden"
)

// readLines decodes a jsonl file of testdata.
func readLines[T any](t *testing.T, name string) (rows []T) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d := json.NewDecoder(bufio.NewReader(f))
	for d.More() {
		var row T
		if err := d.Decode(&row); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		rows = append(rows, row)
	}
	return rows
}

// fault 17
func TestReferenceCases(t *testing.T) {
	type row struct {
		Text, Prep string
		Pieces     []string
		IDs        []int32
		PrepIDs    []int32 `json:"prep_ids"`
	}
	rows := readLines[row](t, "cases.jsonl")
	if len(rows) != 308 {
		t.Fatalf("%d cases, want 308", len(rows))
	}
	tok := Default()
	ids := make([]int32, DefaultLength)
	exact := equality{}
	for i, r := range rows {
		tok.Encode(ids, r.Text)
		if exact.count(ids, r.IDs); !slices.Equal(ids, r.IDs) {
			t.Errorf("case %d %+q:\n got %v\nwant %v", i, r.Text, ids, r.IDs)
		}
		if got := tok.Pieces(r.Text); !slices.Equal(got, r.Pieces) {
			t.Errorf("case %d %+q: pieces\n got %q\nwant %q", i, r.Text, got, r.Pieces)
		}
		if got := Prepare(r.Text); got != r.Prep {
			t.Errorf("case %d %+q: prepared\n got %+q\nwant %+q", i, r.Text, got, r.Prep)
		}
		tok.Encode(ids, Prepare(r.Text))
		if exact.count(ids, r.PrepIDs); !slices.Equal(ids, r.PrepIDs) {
			t.Errorf("case %d %+q: after Prepare\n got %v\nwant %v", i, r.Text, ids, r.PrepIDs)
		}
	}
	exact.report(t, "ids of 308 texts, as they are and prepared")
}

// equality counts ids that are compared with the reference's, for the parity table.
type equality struct{ compared, differ int }

func (e *equality) count(got, want []int32) {
	e.compared += len(want)
	for i, id := range want {
		if i >= len(got) || got[i] != id {
			e.differ++
		}
	}
}

func (e *equality) report(t *testing.T, what string) {
	t.Helper()
	golden.Parity(t, what, e.compared, float64(e.differ), float64(e.differ)/float64(e.compared), 0)
}

func TestReferenceLengths(t *testing.T) {
	type row struct {
		ContextLength int `json:"context_length"`
		Text          string
		IDs           []int32
	}
	rows := readLines[row](t, "context_lengths.jsonl")
	if len(rows) != 36 {
		t.Fatalf("%d cases, want 36", len(rows))
	}
	exact := equality{}
	for _, r := range rows {
		got, truncated, err := Default().Tokenize([]string{r.Text}, r.ContextLength)
		if err != nil {
			t.Fatal(err)
		}
		exact.count(got, r.IDs)
		if !slices.Equal(got, r.IDs) {
			t.Errorf("%q at %d:\n got %v\nwant %v", r.Text, r.ContextLength, got, r.IDs)
		}
		if cut := len(Default().Pieces(r.Text)) > r.ContextLength-2; cut != (len(truncated) == 1) {
			t.Errorf("%q at %d: truncated = %v", r.Text, r.ContextLength, truncated)
		}
	}
	exact.report(t, "ids at other context lengths")
}

// The reference's ids of texts that show one rule each. Most are not among the cases of TestReferenceCases.
func TestIDsOfSingleRules(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"杰尼龟", "3345 2225 7991"}, {"妙蛙种子", "1975 6032 4905 2094"}, {"小火龙", "2207 4125 7987"}, {"皮卡丘", "4649 1305 687"}, {"", ""},
		{"高级感托特包斜挎", "7770 5277 2697 2805 4294 1259 3162 2903"}, {"32不粘锅", "8211 679 5111 7222"}, {"Hello, World!", "8701 117 8572 106"},
		{"Café déjà vu", "8377 8363 10067 164 8207"}, {"iPhone15 Pro Max", "8210 8493 8376 8621"}, {"“引号”", "100 2471 1384 100"},
		{Prepare("“引号”"), "107 2471 1384 107"}, {"a\u200bb", "9386"}, {"\ufeff你好\u3000世界", "872 1962 686 4518"},
		{"[CLS] [MASK]", "138 12847 8118 140 138 9622 8998 140"}, {strings.Repeat("x", 201), "100"},
		{"한국어 テスト", "303 10928 9877 13454 13479 11953 13463 13472 612 10579"}, {"😂🔥", "8104 21125"}, {"𠀀𪛟", "100 100"}, {"don't", "9524 112 162"},
		{"1,234.56元", "122 117 10129 119 8259 1039"}, {"ＡＢＣ", "8051 12641 10675"}, {"İstanbul", "8310 10105 11381 8178"},
		{"ß STRASSE", "191 8811 8332 12754"}, {"\u2028行", "6121"}, {"ﬁ", "100"}, {"①②", "405 13557"},
		{"100%纯棉T恤", "8135 110 5283 3469 162 2614"}, {"\x00a\u0085b", "9386"}, {"3.5mm", "124 119 9394"}, {"UTF-8", "163 11359 118 129"},
	} {
		want := strings.Fields("101 " + c.want + " 102")
		ids, _, err := Default().Tokenize([]string{c.text}, DefaultLength)
		if err != nil {
			t.Fatal(err)
		}
		for i, id := range ids {
			w := "0"
			if i < len(want) {
				w = want[i]
			}
			if strconv.Itoa(int(id)) != w {
				t.Errorf("%+q: id %d is %d, want %s", c.text, i, id, w)
			}
		}
	}
	ids, _, err := Default().Tokenize([]string{strings.Repeat("x", 200)}, DefaultLength)
	if err != nil || !slices.Equal(ids[:4], []int32{101, 12243, 12812, 12812}) || ids[51] != 102 {
		t.Errorf("200 × x: %v, error %v", ids, err)
	}
}

// TestEveryCodePoint compares all of Unicode, and case beside every code point, with the reference on Unicode 14 tables.
// It is what fails when a newer Go brings newer tables.
// fault 17
func TestEveryCodePoint(t *testing.T) {
	type row struct{ From, IDs, Prepared string }
	rows := readLines[row](t, "every_code_point.jsonl")
	if len(rows) != 0x110 {
		t.Fatalf("%d blocks, want %d", len(rows), 0x110)
	}
	tok := Default()
	ids := make([]int32, 128)
	differ := 0
	for b, r := range rows {
		encoded, prepared := sha256.New(), sha256.New()
		for c := rune(b) << 12; c < rune(b+1)<<12; c++ {
			if !utf8.ValidRune(c) {
				continue
			}
			text := fmt.Sprintf("a%[1]cb %[1]c xΣ%[1]cy Σ%[1]cΣ中%[1]cΣ", c)
			out := joinIDs(tok, ids, text)
			encoded.Write(append(out, '\n'))
			prepared.Write(append([]byte(Prepare(text)), '\n'))
		}
		if got := hex.EncodeToString(encoded.Sum(nil)); got != r.IDs {
			t.Errorf("code points from U+%s: ids differ from the reference's", r.From)
			differ++
		}
		if got := hex.EncodeToString(prepared.Sum(nil)); got != r.Prepared {
			t.Errorf("code points from U+%s: prepared texts differ from the reference's", r.From)
			differ++
		}
	}
	golden.Parity(t, "hashes of the ids and prepared texts of all code points, 4096 each", 2*len(rows), float64(differ), float64(differ)/float64(2*len(rows)), 0)
}

// joinIDs writes the piece ids of text joined by spaces.
func joinIDs(tok *Tokenizer, ids []int32, text string) (out []byte) {
	if tok.Encode(ids, text) > 0 {
		panic("row too short for the sweep")
	}
	for i, id := range ids[1:slices.Index(ids, tok.sep)] {
		if i > 0 {
			out = append(out, ' ')
		}
		out = strconv.AppendInt(out, int64(id), 10)
	}
	return out
}

func TestTokenizeErrorsAndTruncation(t *testing.T) {
	for _, length := range []int{-1, 0, 1, MaxLength + 1} {
		if _, _, err := Default().Tokenize([]string{"a"}, length); !errors.Is(err, ErrLength) {
			t.Errorf("length %d: error %v, want ErrLength", length, err)
		}
	}
	ids, truncated, err := Default().Tokenize([]string{"山水", "山", "山水画"}, 4)
	if err != nil || !slices.Equal(truncated, []int{2}) || !slices.Equal(ids, []int32{101, 2255, 3717, 102, 101, 2255, 102, 0, 101, 2255, 3717, 102}) {
		t.Errorf("ids %v truncated %v error %v", ids, truncated, err)
	}
	if cut := Default().Encode(make([]int32, 3), "山水画册"); cut != 3 {
		t.Errorf("3 tokens for 4 pieces: %d cut, want 3", cut)
	}
	short := []int32{7}
	if cut := Default().Encode(short, "山水"); cut != 2 || short[0] != 0 {
		t.Errorf("one token: %d cut, row %v", cut, short)
	}
	// An unknown word that begins with known pieces leaves nothing of them behind.
	dirty := []int32{9, 9, 9, 9, 9, 9}
	if Default().Encode(dirty, "abcd\u1234"); !slices.Equal(dirty, []int32{101, 100, 102, 0, 0, 0}) {
		t.Errorf("row %v", dirty)
	}
}

// fault 17
func TestInvalidUTF8IsDropped(t *testing.T) {
	if got, want := Default().Pieces("a\xff\xfeb"), []string{"ab"}; !slices.Equal(got, want) {
		t.Errorf("pieces %q, want %q", got, want)
	}
}

func TestNew(t *testing.T) {
	tok, err := New(strings.NewReader("[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\na\r\n##b\r\n\u2028\r\nc\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := tok.Pieces("abb c d"); !slices.Equal(got, []string{"a", "##b", "##b", "c", "[UNK]"}) {
		t.Errorf("pieces %q", got)
	}
	for _, c := range []struct{ file, want string }{
		{"empty.txt", "line 1: empty entry"},
		{"missing-cls.txt", "none is [CLS]"},
		{"pad-not-first.txt", `line 1 is "[UNK]", want [PAD]`},
		{"duplicate.txt", `line 6: "a" is already on line 5`},
		{"blank-line.txt", "line 5: empty entry"},
		{"not-utf8.txt", "line 5: not UTF-8"},
		{"long-entry.txt", "line 5: entry longer than 200"},
	} {
		f, err := os.Open(filepath.Join("testdata", "broken", c.file))
		if err != nil {
			t.Fatal(err)
		}
		_, err = New(f)
		f.Close()
		if !errors.Is(err, ErrVocab) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.file, err, c.want)
		}
	}
	if _, err := New(endless{}); !errors.Is(err, ErrVocab) {
		t.Errorf("endless input: error %v", err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestDefault(t *testing.T) {
	tok, err := New(strings.NewReader(string(assets.Vocab)))
	if err != nil {
		t.Fatal(err)
	}
	if len(tok.entries) != 21128 || tok.unk != 100 || tok.cls != 101 || tok.sep != 102 || tok.entries[343] != "\u2028" {
		t.Errorf("%d entries, unk %d cls %d sep %d, id 343 is %q", len(tok.entries), tok.unk, tok.cls, tok.sep, tok.entries[343])
	}
}

func TestConcurrentUse(t *testing.T) {
	want := Default().Pieces("北京的秋天 İstanbul")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if got := Default().Pieces("北京的秋天 İstanbul"); !slices.Equal(got, want) {
				t.Errorf("pieces %q, want %q", got, want)
			}
		})
	}
	wg.Wait()
}

func TestEncodeDoesNotAllocate(t *testing.T) {
	tok, ids := Default(), make([]int32, DefaultLength)
	for _, text := range []string{"高级感托特包斜挎", "iPhone15 Pro Max", "北京的秋天，银杏叶黄了", "Café ΟΔΟΣ 한국어"} {
		if n := testing.AllocsPerRun(100, func() { tok.Encode(ids, text) }); n != 0 {
			t.Errorf("%q: %v allocations", text, n)
		}
	}
}

func FuzzEncode(f *testing.F) {
	for _, s := range []string{"", "皮卡丘", "[CLS]“引号”", "ΟΔΟΣ İ", "한국어", "a\xffb", strings.Repeat("é", 300), "\u0344\u0378\U0002F800"} {
		f.Add(s, uint16(52))
	}
	tok := Default()
	f.Fuzz(func(t *testing.T, text string, length uint16) {
		ids := make([]int32, 2+int(length)%(MaxLength-1))
		cut := tok.Encode(ids, text)
		pieces := tok.Pieces(text)
		kept := min(len(pieces), len(ids)-2)
		if cut != len(pieces)-kept {
			t.Fatalf("%d pieces in a row of %d: %d cut", len(pieces), len(ids), cut)
		}
		if ids[0] != tok.cls || ids[kept+1] != tok.sep || slices.ContainsFunc(ids[kept+2:], func(id int32) bool { return id != 0 }) {
			t.Fatalf("row is not [CLS] pieces [SEP] 0…: %v", ids)
		}
		for i, id := range ids[1 : kept+1] {
			if id < 1 || int(id) >= len(tok.entries) || tok.entries[id] != pieces[i] {
				t.Fatalf("piece %d: id %d, piece %q", i, id, pieces[i])
			}
		}
		if p := Prepare(text); Prepare(p) != p {
			t.Fatalf("Prepare is not stable on %+q", text)
		}
	})
}

func FuzzNew(f *testing.F) {
	names, err := filepath.Glob("testdata/broken/*.txt")
	if err != nil || len(names) == 0 {
		f.Fatal("no broken vocabularies in testdata", err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data), "a b")
	}
	f.Add("[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n##b\n##", "abb ##")
	f.Fuzz(func(t *testing.T, vocab, text string) {
		tok, err := New(strings.NewReader(vocab))
		if err != nil {
			if !errors.Is(err, ErrVocab) {
				t.Fatalf("error %v is not ErrVocab", err)
			}
			return
		}
		for _, piece := range tok.Pieces(text) {
			if !strings.Contains(vocab, piece) {
				t.Fatalf("piece %q is not in the vocabulary", piece)
			}
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	for _, c := range []struct{ name, text string }{{"chinese", "高级感托特包斜挎袋"}, {"punctuated", "北京，银杏叶黄了。"}, {"mixed", "华为 Mate60 手机壳"}} {
		b.Run(c.name, func(b *testing.B) {
			tok, ids := Default(), make([]int32, DefaultLength)
			b.ReportAllocs()
			for b.Loop() {
				tok.Encode(ids, c.text)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "texts/s")
		})
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		if _, err := New(strings.NewReader(string(assets.Vocab))); err != nil {
			b.Fatal(err)
		}
	}
}
