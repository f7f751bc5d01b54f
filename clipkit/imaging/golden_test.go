package imaging

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	parity "clipnb/clipkit/internal/golden"
)

// golden is one tensor of a safetensors file: 8 bytes of header length, a JSON header, the data.
type golden struct {
	DType   string `json:"dtype"`
	Shape   []int  `json:"shape"`
	Offsets [2]int `json:"data_offsets"`
	data    []byte
}

func readGolden(t *testing.T, name string) map[string]golden {
	t.Helper()
	b := readFile(t, name)
	n := binary.LittleEndian.Uint64(b)
	var header map[string]json.RawMessage
	if err := json.Unmarshal(b[8:8+n], &header); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	out := map[string]golden{}
	for key, raw := range header {
		if key == "__metadata__" {
			continue
		}
		var g golden
		if err := json.Unmarshal(raw, &g); err != nil {
			t.Fatalf("%s: %s: %v", name, key, err)
		}
		g.data = b[8+n:][g.Offsets[0]:g.Offsets[1]]
		out[key] = g
	}
	return out
}

func (g golden) floats() []float32 {
	out := make([]float32, len(g.data)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(g.data[4*i:]))
	}
	return out
}

func (g golden) picture(mode Mode) *Picture {
	return &Picture{Mode: mode, Width: g.Shape[1], Height: g.Shape[0], Pix: g.data}
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustDecode(t *testing.T, name string) *Picture {
	t.Helper()
	p, err := Decode(readFile(t, name))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return p
}

// fixtures are the pictures that the reference prepared, with the mode in which Pillow reads them.
func fixtures(t *testing.T) map[string]Mode {
	t.Helper()
	var info map[string]struct{ Mode Mode }
	if err := json.Unmarshal(readFile(t, "info.json"), &info); err != nil {
		t.Fatal(err)
	}
	out := map[string]Mode{}
	for name, i := range info {
		out[name] = i.Mode
	}
	return out
}

// tally counts the values compared and those that differ, for the parity table.
type tally struct{ values, wrong int }

// bytes compares levels, which must be equal.
func (c *tally) bytes(t *testing.T, name string, got, want []byte) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d bytes, want %d", name, len(got), len(want))
	}
	sum, most, wrong := 0, 0, 0
	for i := range got {
		if d := max(int(got[i]), int(want[i])) - min(int(got[i]), int(want[i])); d > 0 {
			sum, most, wrong = sum+d, max(most, d), wrong+1
		}
	}
	if wrong > 0 {
		t.Errorf("%s: differs from Pillow by %.4f levels on average, %d at most", name, float64(sum)/float64(len(got)), most)
	}
	c.add(len(got), wrong)
}

// floats compares normalised values, which must be equal to the last bit.
func (c *tally) floats(t *testing.T, name string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", name, len(got), len(want))
	}
	most, wrong := 0.0, 0
	for i := range got {
		if got[i] != want[i] {
			most, wrong = max(most, math.Abs(float64(got[i])-float64(want[i]))), wrong+1
		}
	}
	if wrong > 0 {
		t.Errorf("%s: differs from the reference by up to %g", name, most)
	}
	c.add(len(got), wrong)
}

// picture compares by the hash of the pixels.
func (c *tally) picture(t *testing.T, name string, got *Picture, want string) {
	t.Helper()
	wrong := 0
	if hash(got) != want {
		t.Errorf("%s: other pixels than the reference's", name)
		wrong = len(got.Pix)
	}
	c.add(len(got.Pix), wrong)
}

func (c *tally) add(values, wrong int) { c.values, c.wrong = c.values+values, c.wrong+wrong }

func (c *tally) report(t *testing.T, what string) {
	t.Helper()
	parity.Parity(t, what, c.values, float64(c.wrong), float64(c.wrong)/float64(max(c.values, 1)), 0)
}

// hash is the SHA-256 of the pixels.
func hash(p *Picture) string {
	sum := sha256.Sum256(p.Pix)
	return hex.EncodeToString(sum[:])
}
