package weights

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/weights/tensor"
)

// safetensorsBytes is a file of this header and of body zero bytes of data.
func safetensorsBytes(header string, body int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, body)...)
}

func TestRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.safetensors")
	in := []tensor.Tensor{tensor.F32("b", []int{2, 2}, []float32{1, -2, 3.5, 0}), tensor.F16("a", nil, []float32{0.1})}
	if err := WriteSafetensors(path, in, map[string]string{"k": "v"}); err != nil {
		t.Fatal(err)
	}
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Join(s.Names(), ",") != "b,a" || s.Metadata["k"] != "v" {
		t.Errorf("names %v, metadata %v", s.Names(), s.Metadata)
	}
	for i, want := range [][]float32{{1, -2, 3.5, 0}, {0.099975586}} {
		x, _ := s.Tensor(s.Names()[i])
		got, err := x.Float32()
		if err != nil || len(got) != len(want) {
			t.Fatal(got, err)
		}
		for j := range want {
			if got[j] != want[j] {
				t.Errorf("%s: %v, want %v", x.Name, got, want)
			}
		}
	}
}

// The broken files that a reader must refuse, one idea each; testdata/broken holds the same bytes for other tools.
var broken = map[string][]byte{
	"empty":             {},
	"short":             {1, 2, 3},
	"header-too-long":   binary.LittleEndian.AppendUint64(nil, 1<<40),
	"not-json":          safetensorsBytes("{", 0),
	"cut":               safetensorsBytes(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 4),
	"extra-bytes":       safetensorsBytes(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 8),
	"overlap":           safetensorsBytes(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4),
	"hole":              safetensorsBytes(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8),
	"negative-shape":    safetensorsBytes(`{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}`, 4),
	"overflowing-shape": safetensorsBytes(`{"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,0]}}`, 0),
	"wrong-size":        safetensorsBytes(`{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,4]}}`, 4),
	"unknown-dtype":     safetensorsBytes(`{"a":{"dtype":"Q4","shape":[1],"data_offsets":[0,4]}}`, 4),
	"twice":             safetensorsBytes(`{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}`, 0),
	"twice-escaped":     safetensorsBytes(`{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"\u0061":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}`, 0),
	"key-twice":         safetensorsBytes(`{"a":{"dtype":"F32","shape":[1],"shape":[2],"data_offsets":[0,8]}}`, 8),
	"wrong-case":        safetensorsBytes(`{"a":{"DTYPE":"F32","Shape":[1],"data_offsets":[0,4]}}`, 4),
	"no-shape":          safetensorsBytes(`{"a":{"dtype":"F32","data_offsets":[0,4]}}`, 4),
	"metadata-twice":    safetensorsBytes(`{"__metadata__":{"k":"1","k":"2"}}`, 0),
	"two-metadata":      safetensorsBytes(`{"__metadata__":{},"__metadata__":{}}`, 0),
	"deep":              safetensorsBytes(strings.Repeat(`{"a":`, 40), 0),
	"nine-axes":         safetensorsBytes(`{"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}}`, 4),
	"three-offsets":     safetensorsBytes(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}`, 4),
	"fraction":          safetensorsBytes(`{"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}`, 4),
	"huge-number":       safetensorsBytes(`{"a":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,4]}}`, 4),
	"after-the-end":     safetensorsBytes(`{}{}`, 0),
	"not-utf8":          safetensorsBytes("{\"\xff\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4),
	"unknown-field":     safetensorsBytes(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"code":"os.system"}}`, 4),
}

// fault 5, 19.9
func TestBrokenFiles(t *testing.T) {
	for name, data := range broken {
		kept, err := os.ReadFile(filepath.Join("testdata/broken", name+".safetensors"))
		if err != nil || !bytes.Equal(kept, data) {
			t.Errorf("testdata/broken/%s.safetensors is not the file of this test: %v", name, err)
		}
		if _, err := Parse(name, data); !errors.Is(err, tensor.ErrFormat) {
			t.Errorf("%s: %v", name, err)
		} else if !strings.HasPrefix(err.Error(), name+":") {
			t.Errorf("%s: error does not name the file: %v", name, err)
		}
	}
}

// A file that a download left unfinished is said to be that, with its size and the one that it should have.
// fault 4
func TestTruncatedSaysBothSizes(t *testing.T) {
	const header = `{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[3],"data_offsets":[8,20]}}`
	whole := safetensorsBytes(header, 20)
	for n, want := range map[int]string{
		len(whole) - 1:      fmt.Sprintf("the file is truncated: it has %d bytes and its header describes %d", len(whole)-1, len(whole)),
		8 + len(header):     fmt.Sprintf("the file is truncated: it has %d bytes and its header describes %d", 8+len(header), len(whole)),
		8 + len(header) - 1: fmt.Sprintf("the file is truncated: it has %d bytes and needs more than %d", 8+len(header)-1, 8+len(header)),
		8:                   fmt.Sprintf("the file is truncated: it has 8 bytes and needs more than %d", 8+len(header)),
	} {
		if _, err := Parse("cut", whole[:n]); !errors.Is(err, tensor.ErrFormat) || !strings.Contains(err.Error(), want) {
			t.Errorf("%d of %d bytes: %v, want %q", n, len(whole), err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, data := range broken {
		f.Add(data)
	}
	f.Add(safetensorsBytes(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse("fuzz", data)
		if err != nil {
			return
		}
		var again []tensor.Tensor
		for _, n := range s.Names() {
			x, err := s.Tensor(n)
			if err != nil {
				t.Fatal(err)
			}
			again = append(again, x)
		}
		var out bytes.Buffer
		if err := EncodeSafetensors(&out, again, s.Metadata); err != nil {
			t.Fatal(err)
		}
		if _, err := Parse("again", out.Bytes()); err != nil {
			t.Fatal(err)
		}
	})
}

// fault 6
func TestLoadIsStrict(t *testing.T) {
	cfg, _ := arch.Lookup("ViT-B-16")
	data := safetensorsBytes(`{"logit_scale":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"bert.pooler.x":{"dtype":"F32","shape":[],"data_offsets":[8,12]}}`, 12)
	s, err := Parse("half.safetensors", data)
	if err != nil {
		t.Fatal(err)
	}
	got := recorder{}
	err = Load(got, cfg, s)
	if err == nil || len(got) > 0 {
		t.Fatalf("loaded %v, error %v", got, err)
	}
	for _, want := range []string{"half.safetensors", "missing text_projection", "logit_scale has shape [2], want []", "more"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
}
