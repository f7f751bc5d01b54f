package zeroshot

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/internal/atomicfile"
	"clipnb/clipkit/internal/pyjson"
	"clipnb/clipkit/internal/regular"
)

// maxPredictionFile bounds a file of predictions; ImageNet's validation pictures take half of it.
const maxPredictionFile = 1 << 30 // bytes

// Predictions are what is handed in to ELEVATER's benchmark: the probabilities of every picture.
//
//	p := NewPredictions("food-101", m.Config)
//	z, err := Classify(ctx, exchange.Alone, m, set, c, nil, p.Record, nil)
//	err = p.Save("food-101.json", nil)
//
// All are kept in memory, 4 bytes for each picture and class.
type Predictions struct {
	Model         string // "CN-CLIP-ViT-B-16"
	Dataset       string // "food-101"
	Params        int    // trained values of the model
	VisualParams  int    // those of its vision tower
	Probabilities [][]float32
}

// NewPredictions are those of a model for a set, without pictures yet.
func NewPredictions(dataset string, cfg arch.Config) *Predictions {
	return &Predictions{Model: "CN-CLIP-" + cfg.Name, Dataset: dataset, Params: cfg.NumParams(), VisualParams: cfg.NumVisualParams()}
}

// Record is for Classify's record.
func (p *Predictions) Record(_ int, probabilities []float32) {
	p.Probabilities = append(p.Probabilities, probabilities)
}

// Save writes the reference's file, byte for byte as Python prints it: probabilities rounded to 6 decimals. order, when not nil, lists the
// positions of the pictures in the order that the benchmark wants them in (the reference's index.json).
func (p *Predictions) Save(path string, order []int) error {
	if order == nil {
		for i := range p.Probabilities {
			order = append(order, i)
		}
	}
	for at, i := range order {
		if i < 0 || i >= len(p.Probabilities) {
			return fmt.Errorf("%w: saving %s: entry %d of the order is picture %d, and there are %d; positions count from 0", ErrInput, path, at, i, len(p.Probabilities))
		}
	}
	return atomicfile.Write(path, func(w io.Writer) error { return p.write(w, order) })
}

func (p *Predictions) write(w io.Writer, order []int) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, `{"model_name": %s, "dataset_name": %s, "num_trainable_params": 0, "num_params": %d, "num_visual_params": %d, "num_backbone_params": %d, "n_shot": 0, "rnd_seeds": [123], "predictions": [[`,
		pyjson.String(p.Model), pyjson.String(p.Dataset), p.Params, p.VisualParams, p.Params)
	for at, i := range order {
		if at > 0 {
			b.WriteString(", ")
		}
		b.WriteByte('[')
		for k, x := range p.Probabilities[i] {
			if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
				return fmt.Errorf("%w: the probability of class %d for picture %d is %g", ErrInput, k, i, x)
			}
			if k > 0 {
				b.WriteString(", ")
			}
			b.WriteString(pyjson.Float(round6(float64(x))))
		}
		b.WriteByte(']')
	}
	b.WriteString("]]}")
	return b.Flush()
}

// round6 is Python's round(x, 6): the decimal nearest to the exact value.
func round6(x float64) float64 {
	y, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'f', 6, 64), 64)
	return y
}

// ReadPredictions reads what Save, or the reference, wrote.
func ReadPredictions(path string) (*Predictions, error) {
	data, err := readLimited(path, maxPredictionFile)
	if err != nil {
		return nil, fmt.Errorf("reading predictions: %w", err)
	}
	p, err := parsePredictions(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrInput, path, err)
	}
	return p, nil
}

func parsePredictions(data []byte) (*Predictions, error) {
	var file struct {
		Model        string        `json:"model_name"`
		Dataset      string        `json:"dataset_name"`
		Params       int           `json:"num_params"`
		VisualParams int           `json:"num_visual_params"`
		Predictions  [][][]float32 `json:"predictions"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("not predictions in ELEVATER's format: %w", err)
	}
	if len(file.Predictions) != 1 {
		return nil, fmt.Errorf("predictions of %d runs; want one, [[[p, …], …]]", len(file.Predictions))
	}
	rows := file.Predictions[0]
	for i, row := range rows {
		if len(row) != len(rows[0]) || len(row) == 0 {
			return nil, fmt.Errorf("picture %d has %d probabilities, picture 0 has %d", i, len(row), len(rows[0]))
		}
	}
	return &Predictions{Model: file.Model, Dataset: file.Dataset, Params: file.Params, VisualParams: file.VisualParams, Probabilities: rows}, nil
}

// Score compares predictions with a set's classes; order is the one that they were saved in.
func (p *Predictions) Score(set Set, order []int) (*Result, error) {
	if order == nil && len(p.Probabilities) != set.Len() || order != nil && len(p.Probabilities) != len(order) {
		return nil, fmt.Errorf("%w: %d predictions, %d pictures in %s, %d positions in the order", ErrInput, len(p.Probabilities), set.Len(), set.Name(), len(order))
	}
	z := newResult(set.Labels())
	z.Model, z.Set = p.Model, set.Name()
	for at, row := range p.Probabilities {
		i := at
		if order != nil {
			i = order[at]
		}
		if i < 0 || i >= set.Len() {
			return nil, fmt.Errorf("%w: entry %d of the order is picture %d, and %s has %d", ErrInput, at, i, set.Name(), set.Len())
		}
		if err := z.Add(set.Class(i), row); err != nil {
			return nil, fmt.Errorf("prediction %d: %w", at, err)
		}
	}
	return z, nil
}

// ReadOrder reads the reference's index.json: a list of positions, such as [0, 4, 8, 1].
func ReadOrder(path string) ([]int, error) {
	f, err := regular.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the order of predictions: %w", err)
	}
	defer f.Close()
	order := []int{}
	if err := json.NewDecoder(io.LimitReader(f, maxLabelFile)).Decode(&order); err != nil {
		return nil, fmt.Errorf("%w: %s: want a JSON list of positions from 0: %w", ErrInput, path, err)
	}
	return order, nil
}
