package eval

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"clipnb/clipkit/weights"
	"clipnb/clipkit/weights/tensor"
)

// ErrFeatures is wrapped for a file that should hold features and does not.
var ErrFeatures = errors.New("eval: not a file of features")

// originKey is where a file of features keeps its Origin, as JSON.
const originKey = "clipkit_features"

// Save writes features as safetensors, atomically: image_ids [n], images [n, dim], text_ids [m], texts [m, dim], and the origin as metadata.
// The file can be mapped, and is read by any reader of the format.
func (f *Features) Save(path string, origin Origin) error {
	meta, err := json.Marshal(origin)
	if err != nil {
		return err
	}
	return weights.WriteSafetensors(path, []tensor.Tensor{
		int64s("image_ids", f.ImageIDs), tensor.F32("images", []int{len(f.ImageIDs), f.Dim}, f.Images),
		int64s("text_ids", f.TextIDs), tensor.F32("texts", []int{len(f.TextIDs), f.Dim}, f.Texts),
	}, map[string]string{originKey: string(meta)})
}

func int64s(name string, values []int64) tensor.Tensor {
	var data []byte
	for _, v := range values {
		data = binary.LittleEndian.AppendUint64(data, uint64(v))
	}
	return tensor.Tensor{Name: name, DType: "I64", Shape: []int{len(values)}, Data: data}
}

// LoadFeatures reads what Save wrote. Everything is checked: types, shapes, ids that repeat, values that are no numbers.
func LoadFeatures(path string) (f *Features, origin Origin, err error) {
	if _, err := os.Stat(path); err != nil {
		return nil, origin, fmt.Errorf("reading features: %w", err)
	}
	file, err := weights.Open(path)
	if err != nil {
		return nil, origin, fmt.Errorf("%w: %w", ErrFeatures, err)
	}
	defer file.Close()
	if f, origin, err = parseFeatures(file); err != nil {
		return nil, origin, fmt.Errorf("%w: %s: %w", ErrFeatures, path, err)
	}
	return f, origin, nil
}

func parseFeatures(file *weights.File) (f *Features, origin Origin, err error) {
	if err := json.Unmarshal([]byte(file.Metadata[originKey]), &origin); err != nil {
		return nil, origin, fmt.Errorf("no origin in the metadata (%s): %w", originKey, err)
	}
	if origin.Dim < 1 {
		return nil, origin, fmt.Errorf("the metadata say dimension %d", origin.Dim)
	}
	f = &Features{Dim: origin.Dim}
	if f.ImageIDs, f.Images, err = vectors(file, "image_ids", "images", origin.Dim); err != nil {
		return nil, origin, err
	}
	f.TextIDs, f.Texts, err = vectors(file, "text_ids", "texts", origin.Dim)
	return f, origin, err
}

func vectors(file *weights.File, idsName, name string, dim int) ([]int64, []float32, error) {
	ids, err := file.Tensor(idsName)
	if err != nil {
		return nil, nil, err
	}
	t, err := file.Unread(name)
	if err != nil {
		return nil, nil, err
	}
	if ids.DType != "I64" || len(ids.Shape) != 1 || t.DType != "F32" || !slices.Equal(t.Shape, []int{ids.Shape[0], dim}) {
		return nil, nil, fmt.Errorf("%s is %s %v and %s is %s %v; want I64 [n] and F32 [n, %d]", idsName, ids.DType, ids.Shape, name, t.DType, t.Shape, dim)
	}
	out := make([]int64, ids.Shape[0])
	for i := range out {
		out[i] = int64(binary.LittleEndian.Uint64(ids.Data[8*i:]))
	}
	v, err := t.Float32()
	if err == nil {
		err = checkVectors(name, out, v, dim)
	}
	return out, v, err
}

// checkVectors refuses ids that repeat and values that are not finite.
func checkVectors(name string, ids []int64, v []float32, dim int) error {
	seen := make(map[int64]bool, len(ids))
	for i, id := range ids {
		if seen[id] {
			return fmt.Errorf("%s: id %d occurs twice", name, id)
		}
		seen[id] = true
		if j := slices.IndexFunc(v[i*dim:(i+1)*dim], func(x float32) bool { return x-x != 0 }); j >= 0 {
			return fmt.Errorf("%s: value %d of id %d is %g", name, j, id, v[i*dim+j])
		}
	}
	return nil
}
