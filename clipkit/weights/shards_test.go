package weights

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clipnb/clipkit/weights/pytorch"
	"clipnb/clipkit/weights/tensor"
)

// writeSharded saves a model of transformers in three files, as save_pretrained does with a small max_shard_size, and gives its weight_map.
func writeSharded(t *testing.T, dir, name string, tensors []tensor.Tensor, write func(path string, part []tensor.Tensor) error) map[string]string {
	t.Helper()
	shardOf := map[string]string{}
	stem, ending := strings.TrimSuffix(name, filepath.Ext(name)), filepath.Ext(name)
	for i := range 3 {
		shard := fmt.Sprintf("%s-%05d-of-00003%s", stem, i+1, ending)
		part := tensors[i*len(tensors)/3 : (i+1)*len(tensors)/3]
		for _, x := range part {
			shardOf[x.Name] = shard
		}
		if err := write(filepath.Join(dir, shard), part); err != nil {
			t.Fatal(err)
		}
	}
	writeIndex(t, filepath.Join(dir, name+indexEnding), shardOf)
	return shardOf
}

func writeIndex(t *testing.T, path string, shardOf map[string]string) {
	t.Helper()
	data, err := json.Marshal(map[string]any{"metadata": map[string]any{"total_size": 1}, "weight_map": shardOf})
	if err == nil {
		err = os.WriteFile(path, data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestShardedFolders(t *testing.T) {
	cfg := full()
	want := randomState(cfg, 4)
	for name, write := range map[string]func(string, []tensor.Tensor) error{
		"model.safetensors": func(path string, part []tensor.Tensor) error {
			return WriteSafetensors(path, part, map[string]string{"format": "pt"})
		},
		"pytorch_model.bin": func(path string, part []tensor.Tensor) error { return pytorch.Write(path, part, nil) },
	} {
		dir := filepath.Join(t.TempDir(), "hf")
		if err := writeHF(dir, cfg, want); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(dir, "model.safetensors")); err != nil {
			t.Fatal(err)
		}
		hf, err := toHF(want)
		if err != nil {
			t.Fatal(err)
		}
		shardOf := writeSharded(t, dir, name, hf, write)
		f, found, err := OpenModel(dir)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := recorder{}
		if err := Load(got, found, f); err != nil {
			t.Errorf("%s: %v", name, err)
		} else {
			got.mustEqual(t, want)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}

		index := filepath.Join(dir, name+indexEnding)
		fails := func(wants ...string) {
			t.Helper()
			f, _, err := OpenModel(dir)
			if err == nil {
				f.Close()
			}
			for _, want := range wants {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: error %v, want %q", name, err, want)
				}
			}
		}
		first := hf[0].Name
		for _, c := range []struct{ shard, want string }{
			{"../secret.safetensors", "want a file in the same folder"}, {"/etc/passwd", "want a file in the same folder"}, {`..\secret`, "want a file in the same folder"},
			{"..", "want a file in the same folder"}, {"", "want a file in the same folder"}, {shardOf[hf[len(hf)-1].Name], "the index says in"}, {"absent.safetensors", "absent.safetensors is missing, one of 4 files"},
		} {
			shardOf[first], c.shard = c.shard, shardOf[first]
			writeIndex(t, index, shardOf)
			fails(index, c.want)
			shardOf[first] = c.shard
		}
		shardOf["another"] = shardOf[first]
		writeIndex(t, index, shardOf)
		fails(index, `tensor "another" is not in `+shardOf[first])
		delete(shardOf, "another")
		writeIndex(t, index, shardOf)
		path := filepath.Join(dir, shardOf[first])
		data, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(path, data[:len(data)-5], 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		fails(path)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if _, _, err := OpenModel(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: without a shard: %v", name, err)
		}
	}
}

func FuzzIndex(f *testing.F) {
	for _, text := range []string{`{"metadata":{"total_size":8},"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}}`, `{"weight_map":{"a":"../b"}}`, `{"weight_map":{}}`, `[]`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		shardOf, err := parseIndex(data)
		if err != nil {
			return
		}
		for _, shard := range shardOf {
			if filepath.Base(shard) != shard || filepath.Dir(filepath.Join("dir", shard)) != "dir" {
				t.Fatalf("%q is not in the folder", shard)
			}
		}
	})
}
