package weights

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"clipnb/clipkit/weights/tensor"
)

// A large model of transformers lies in several files, model-00001-of-00002.safetensors and so on, and model.safetensors.index.json says which
// tensor is in which.
const (
	indexEnding = ".index.json"
	maxIndex    = 16 << 20 // bytes of one
	maxShards   = 1000
)

// openShards opens the files that an index names as one.
func openShards(index string) (*File, error) {
	data, err := readSmall(index, maxIndex)
	if err != nil {
		return nil, fmt.Errorf("opening a model in several files: %w", err)
	}
	shardOf, err := parseIndex(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w; download it again, or save the model again with save_pretrained(dir, max_shard_size=\"50GB\")", index, tensor.ErrFormat, err)
	}
	all := newFile(index, nil)
	if err := all.addShards(filepath.Dir(index), shardOf); err != nil {
		all.Close()
		return nil, err
	}
	return all, nil
}

// parseIndex gives the shard of each tensor. Shards lie beside the index: a name that leads elsewhere is refused.
func parseIndex(data []byte) (shardOf map[string]string, err error) {
	var index struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(data, &index); err != nil {
		return nil, fmt.Errorf("no index of shards: %w", err)
	}
	shards := map[string]bool{}
	for name, shard := range index.WeightMap {
		if shard == "" || strings.ContainsAny(shard, `/\`) || !filepath.IsLocal(shard) || shard == "." {
			return nil, fmt.Errorf("tensor %.100q lies in %.100q, want a file in the same folder", name, shard)
		}
		shards[shard] = true
	}
	if len(shards) == 0 || len(shards) > maxShards {
		return nil, fmt.Errorf("%d shards in its weight_map, want 1 to %d", len(shards), maxShards)
	}
	return index.WeightMap, nil
}

// addShards opens the shards and takes their tensors over. They must hold what the index says.
func (f *File) addShards(dir string, shardOf map[string]string) error {
	shards := slices.Compact(slices.Sorted(maps.Values(shardOf)))
	for _, shard := range shards {
		path := filepath.Join(dir, shard)
		part, err := Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s: %s is missing, one of %d files of the model; download it too: %w", f.name, path, len(shards), err)
		}
		if err != nil {
			return err
		}
		f.mapped = append(f.mapped, part.mapped...)
		for _, name := range part.order {
			if other, ok := shardOf[name]; ok && other != shard {
				return fmt.Errorf("%s: %w: tensor %.100q is in %s, the index says in %s", f.name, tensor.ErrFormat, name, shard, other)
			}
			if _, twice := f.tensors[name]; twice {
				return fmt.Errorf("%s: %w: tensor %.100q is in %s and in another file", f.name, tensor.ErrFormat, name, shard)
			}
			f.order, f.tensors[name] = append(f.order, name), part.tensors[name]
		}
	}
	for _, name := range slices.Sorted(maps.Keys(shardOf)) {
		if _, ok := f.tensors[name]; !ok {
			return fmt.Errorf("%s: %w: tensor %.100q is not in %s, where the index says it is; the files are of different models or saves", f.name, tensor.ErrFormat, name, shardOf[name])
		}
	}
	return nil
}
