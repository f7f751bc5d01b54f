package eval

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"clipnb/clipkit/internal/atomicfile"
	"clipnb/clipkit/internal/pyjson"
	"clipnb/clipkit/internal/regular"
)

// Way is a direction of retrieval.
type Way int

// What is searched with what.
const (
	TextToImage Way = iota
	ImageToText
)

// fields are the names, in the reference's files, of the id of a query and of the ids of its answers.
func (w Way) fields() (query, answers string) {
	if w == ImageToText {
		return "image_id", "text_ids"
	}
	return "text_id", "image_ids"
}

// maxLine bounds a line of the reference's files: a vector of 1,024 numbers takes 24 kB.
const maxLine = 1 << 20

// WriteVectors writes the reference's file of features (cn_clip/eval/extract_features.py:180 and :201), numbers as Python prints them. w says
// whose features they are: the queries', which are texts for TextToImage ({"text_id": 1, "feature": […]}) and pictures for ImageToText.
// ids [n], vectors [n, dim].
func WriteVectors(path string, w Way, ids []int64, vectors []float32) error {
	return atomicfile.Write(path, func(out io.Writer) error { return encodeVectors(out, w, ids, vectors) })
}

func encodeVectors(out io.Writer, w Way, ids []int64, vectors []float32) error {
	name, _ := w.fields()
	if len(ids) == 0 || len(vectors)%len(ids) != 0 {
		return fmt.Errorf("%d values for %d ids", len(vectors), len(ids))
	}
	dim := len(vectors) / len(ids)
	if err := checkVectors(name, ids, vectors, dim); err != nil {
		return err
	}
	b := bufio.NewWriterSize(out, 1<<20)
	for i, id := range ids {
		fmt.Fprintf(b, `{"%s": %d, "feature": [`, name, id)
		for d, x := range vectors[i*dim : (i+1)*dim] {
			if d > 0 {
				b.WriteString(", ")
			}
			b.WriteString(pyjson.Float(float64(x)))
		}
		b.WriteString("]}\n")
	}
	return b.Flush()
}

// ReadVectors reads what WriteVectors or the reference's extract_features.py wrote. Errors wrap ErrFeatures and name the line.
func ReadVectors(path string, w Way) (ids []int64, vectors []float32, dim int, err error) {
	file, err := regular.Open(path)
	if err != nil {
		return nil, nil, 0, fmt.Errorf("reading features: %w", err)
	}
	defer file.Close()
	return decodeVectors(file, path, w)
}

func decodeVectors(in io.Reader, name string, w Way) (ids []int64, vectors []float32, dim int, err error) {
	field, _ := w.fields()
	r := bufio.NewReaderSize(in, maxLine+1)
	for line := 1; ; line++ {
		data, err := r.ReadSlice('\n')
		switch {
		case err == io.EOF && len(data) == 0 && line > 1:
			if err := checkVectors(name, ids, vectors, dim); err != nil {
				return nil, nil, 0, fmt.Errorf("%w: %w", ErrFeatures, err)
			}
			return ids, vectors, dim, nil
		case err == bufio.ErrBufferFull:
			return nil, nil, 0, fmt.Errorf("%w: %s:%d: longer than %d bytes", ErrFeatures, name, line, maxLine)
		case err != nil && err != io.EOF:
			return nil, nil, 0, fmt.Errorf("reading %s: %w", name, err)
		}
		before := len(vectors)
		var id int64
		if id, vectors, err = parseVector(data, field, vectors); err != nil {
			return nil, nil, 0, fmt.Errorf("%w: %s:%d: %w", ErrFeatures, name, line, err)
		}
		if ids = append(ids, id); line == 1 {
			dim = len(vectors)
		}
		if len(vectors)-before != dim {
			return nil, nil, 0, fmt.Errorf("%w: %s:%d: %d values, and %d in the first line", ErrFeatures, name, line, len(vectors)-before, dim)
		}
	}
}

// parseVector appends the values of one line to vectors.
func parseVector(line []byte, field string, vectors []float32) (int64, []float32, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(line, &fields); err != nil {
		return 0, nil, fmt.Errorf("not a JSON object: %w", err)
	}
	raw, feature := fields[field], bytes.TrimSpace(fields["feature"])
	if raw == nil || len(feature) < 3 || feature[0] != '[' {
		return 0, nil, fmt.Errorf(`want {%q: 1, "feature": [0.25, …]}; is this the file of the other side?`, field)
	}
	id, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil {
		return 0, nil, fmt.Errorf("%s is %.40s, want an integer", field, raw)
	}
	for number := range bytes.SplitSeq(feature[1:len(feature)-1], []byte(",")) {
		// Rounded twice, to double and then to single precision, as the reference's readers do.
		x, err := strconv.ParseFloat(string(bytes.TrimSpace(number)), 64)
		if err != nil {
			return 0, nil, fmt.Errorf("feature of %d: %.40q is not a number", id, number)
		}
		vectors = append(vectors, float32(x))
	}
	return id, vectors, nil
}
