package pybase64

import (
	"bufio"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
)

// TestDecode compares with Python on mangled input. Python accepts no data at all as an empty picture, which is an error here.
func TestDecode(t *testing.T) {
	f, err := os.Open("testdata/base64.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cases := 0
	for d := json.NewDecoder(bufio.NewReader(f)); d.More(); cases++ {
		var c struct {
			In  string
			Hex *string
		}
		if err := d.Decode(&c); err != nil {
			t.Fatal(err)
		}
		got, err := Decode([]byte(c.In))
		switch {
		case c.Hex == nil || *c.Hex == "":
			if err == nil {
				t.Errorf("%q: decoded to %x, want an error", c.In, got)
			}
		case err != nil || hex.EncodeToString(got) != *c.Hex:
			t.Errorf("%q: %x, error %v, want %s", c.In, got, err, *c.Hex)
		}
	}
	if cases != 323 {
		t.Errorf("%d cases, want 323", cases)
	}
}

// What is plain comes back as it was, and nothing else is called so.
func plain(t testing.TB, encoded string) {
	data, err := Decode([]byte(encoded))
	if want := err == nil && base64.StdEncoding.EncodeToString(data) == encoded; Plain([]byte(encoded)) != want {
		t.Errorf("%q is plain: %v, want %v", encoded, !want, want)
	}
}

func TestPlain(t *testing.T) {
	for _, encoded := range []string{"", "=", "====", "QQ==", "QR==", "QUI=", "QUJ=", "QUJD", "QUJDRA==", "QUJD\n", "QUJDRA=", "QUJDRA", "Q=JD", "QQ==QQ==", "-_+/", "++//", "QU\x00D", "QUJ\x00", "A===", "\xff\xff\xff\xff"} {
		plain(t, encoded)
	}
	if !Plain([]byte("QUJDRA==")) || Plain([]byte("QUJDRB==")) {
		t.Error("the two that differ in bits behind the last byte")
	}
}

func FuzzPlain(f *testing.F) {
	f.Add("QUJDRA==")
	f.Add("b'QUJD'")
	f.Fuzz(func(t *testing.T, encoded string) { plain(t, encoded) })
}
