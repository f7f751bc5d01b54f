package weights

import (
	"fmt"
	"slices"
	"strings"

	"clipnb/clipkit/arch"
)

// Report says what LoadInit did, by the model's names.
type Report struct {
	Taken   []string // set from a file
	Left    []string // "file: name": in a file, of no use here
	Missing []string // of the model, in neither file: they keep their values
	Notes   []string // what was done beyond copying
}

// String is the report in a few lines.
func (r Report) String() string {
	s := fmt.Sprintf("%d tensors taken, %d left in the files, %d keep their random values%s", len(r.Taken), len(r.Left), len(r.Missing), few(r.Missing))
	for _, n := range r.Notes {
		s += "\n" + n
	}
	return s
}

// few lists up to five names.
func few(names []string) string {
	switch {
	case len(names) == 0:
		return ""
	case len(names) > 5:
		return fmt.Sprintf(" (%s and %d more)", strings.Join(names[:5], ", "), len(names)-5)
	}
	return " (" + strings.Join(names, ", ") + ")"
}

// LoadInit gives m the initial weights of training from scratch (SPEC §1.9, M37): the vision tower and logit_scale of an OpenAI CLIP, the
// text tower of a BERT; either file may be nil. m keeps what is in neither, so it should be freshly initialised.
//
//	report, err := weights.LoadInit(m, cfg, openai, bert)
//	fmt.Println(report)
//
// OpenAI's own names and transformers' are read, and a BERT's with "bert." or without and with the old gamma and beta. A vision tower of
// another resolution has its positions resized. Unlike the reference, which passes over whatever does not fit, a tensor of another shape
// and a file with nothing to take are errors (ErrMismatch), nothing is changed then, and the report names all that was left or is missing.
func LoadInit(m Target, cfg arch.Config, openai, bert *File) (Report, error) {
	var report Report
	found := map[string]Tensor{}
	if openai != nil {
		if err := report.collect(found, cfg, openai, "vision tower", func(name string) string {
			if strings.HasPrefix(name, "visual.") || name == "logit_scale" {
				return name
			}
			return ""
		}); err != nil {
			return Report{}, err
		}
	}
	if bert != nil {
		if err := report.collect(found, cfg, bert, "BERT", bertName); err != nil {
			return Report{}, err
		}
	}
	for _, t := range cfg.Tensors() {
		x, ok := found[t.Name]
		if !ok {
			report.Missing = append(report.Missing, t.Name)
			continue
		}
		x.Data, x.build = x.bytes(), nil
		if err := m.SetTensor(x); err != nil {
			return Report{}, err
		}
		report.Taken = append(report.Taken, t.Name)
	}
	return report, nil
}

// bertName is the model's name for a BERT's, "" for what is no part of the encoder.
func bertName(name string) string {
	if strings.HasPrefix(name, "embeddings.") || strings.HasPrefix(name, "encoder.") {
		name = "bert." + name
	}
	if !strings.HasPrefix(name, "bert.") {
		return ""
	}
	name = strings.Replace(name, "LayerNorm.gamma", "LayerNorm.weight", 1)
	return strings.Replace(name, "LayerNorm.beta", "LayerNorm.bias", 1)
}

// collect puts the tensors of one file that cfg has into found.
func (r *Report) collect(found map[string]Tensor, cfg arch.Config, f *File, what string, rename func(string) string) error {
	ref, unused, err := f.reference()
	if err != nil {
		return err
	}
	note, err := fitPositions(ref, cfg)
	if err != nil {
		return err
	}
	if note != "" {
		r.Notes = append(r.Notes, note)
	}
	want := map[string]arch.Tensor{}
	for _, t := range cfg.Tensors() {
		want[t.Name] = t
	}
	var wrong []string
	taken := 0
	for _, old := range ref.order {
		name := rename(old)
		t, ok := want[name]
		if !ok {
			r.Left = append(r.Left, f.name+": "+old)
			continue
		}
		x := ref.tensors[old]
		x.Name = name
		switch _, twice := found[name]; {
		case twice:
			wrong = append(wrong, name+" occurs twice")
		case !slices.Equal(x.Shape, t.Shape):
			wrong = append(wrong, fmt.Sprintf("%s has shape %v, want %v", name, x.Shape, t.Shape))
		case !slices.Contains(numbers, x.DType):
			wrong = append(wrong, fmt.Sprintf("%s is %s, which holds no weights", name, x.DType))
		}
		found[name] = x
		taken++
	}
	for _, name := range unused {
		r.Left = append(r.Left, f.name+": "+name)
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%s: %w %q: its %s does not fit%s", f.name, ErrMismatch, cfg.Name, what, few(wrong))
	}
	if taken == 0 {
		return fmt.Errorf("%s: %w %q: there is no %s in it%s", f.name, ErrMismatch, cfg.Name, what, few(ref.order))
	}
	return nil
}
