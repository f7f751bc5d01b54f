package zeroshot

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/dataset/captions"
	"clipnb/clipkit/internal/atomicfile"
	"clipnb/clipkit/internal/pyjson"
	"clipnb/clipkit/internal/regular"
)

// maxPredictionFile bounds a file of predictions; ImageNet's validation pictures take half of it.
const (
	maxPredictionFile = 1 << 30  // bytes
	maxPredictionRow  = 16 << 20 // bytes of a picture's probabilities, or of another value
)

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

// ReadPredictions reads what Save, or the reference, wrote, a picture at a time.
func ReadPredictions(path string) (*Predictions, error) {
	f, err := regular.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading predictions: %w", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Size() > maxPredictionFile {
		return nil, fmt.Errorf("reading predictions: %s: %w", path, cmp.Or(err, fmt.Errorf("%w: larger than %d MB", ErrInput, maxPredictionFile>>20)))
	}
	p, err := parsePredictions(f)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrInput, path, err)
	}
	return p, nil
}

func parsePredictions(in io.Reader) (*Predictions, error) {
	bad := func(err error) (*Predictions, error) {
		return nil, fmt.Errorf("not predictions in ELEVATER's format: %w", err)
	}
	b := &captions.Budget{R: in, Left: maxPredictionRow, Err: fmt.Errorf("a value longer than %d MB; a bracket or quotation mark is probably not closed", maxPredictionRow>>20)}
	d, p := json.NewDecoder(b), &Predictions{}
	if err := opening(d, '{'); err != nil {
		return bad(err)
	}
	for d.More() {
		b.Left = maxPredictionRow
		name, err := d.Token()
		if err != nil {
			return bad(err)
		}
		switch name {
		case "model_name":
			err = d.Decode(&p.Model)
		case "dataset_name":
			err = d.Decode(&p.Dataset)
		case "num_params":
			err = d.Decode(&p.Params)
		case "num_visual_params":
			err = d.Decode(&p.VisualParams)
		case "predictions":
			p.Probabilities, err = onlyRun(d, b)
		default:
			err = d.Decode(&json.RawMessage{})
		}
		if err != nil {
			return bad(err)
		}
	}
	b.Left = maxPredictionRow
	if _, err := d.Token(); err != nil {
		return bad(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return bad(errors.New("there is more after its end"))
	}
	if p.Probabilities == nil {
		return nil, errors.New("no predictions; want those of one run, [[[p, …], …]]")
	}
	return p, nil
}

// opening reads a bracket.
func opening(d *json.Decoder, want json.Delim) error {
	t, err := d.Token()
	if err == nil && t != want {
		err = fmt.Errorf("%v at byte %d, want %v", t, d.InputOffset(), want)
	}
	return err
}

// onlyRun reads [[[p, …], …]]. Rows are as long as the first, and none is empty, so that a file of brackets ends early.
func onlyRun(d *json.Decoder, b *captions.Budget) (rows [][]float32, err error) {
	if err := errors.Join(opening(d, '['), opening(d, '[')); err != nil {
		return nil, err
	}
	rows = [][]float32{}
	for d.More() {
		b.Left = maxPredictionRow
		var row []float32
		if len(rows) > 0 {
			row = make([]float32, 0, len(rows[0]))
		}
		if err := d.Decode(&row); err != nil {
			return nil, err
		}
		if rows = append(rows, row); len(row) != len(rows[0]) || len(row) == 0 {
			return nil, fmt.Errorf("picture %d has %d probabilities, picture 0 has %d", len(rows)-1, len(row), len(rows[0]))
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, errors.New("predictions of several runs; want one, [[[p, …], …]]")
	}
	_, err = d.Token()
	return rows, err
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
