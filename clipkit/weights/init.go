package weights

import (
	"fmt"
	"slices"
	"strings"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/weights/tensor"
)

// Report says what LoadInit did, by the model's names.
type Report struct {
	Taken   []string // set from a file
	Left    []string // "file: name": in a file, but no part of the model
	Missing []string // tensors of the model that are in neither file: they keep their values
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

// LoadInit gives m the weights from which training from scratch begins: the vision tower and logit_scale of an OpenAI CLIP and the text tower
// of a BERT (restore_model, cn_clip/clip/model.py:468-490). Either file may be nil. m keeps what is in neither, so it should be freshly
// initialised.
//
//	report, err := weights.LoadInit(m, cfg, openai, bert)
//	fmt.Println(report)
//
// The CLIP may have OpenAI's names or transformers'; those of the BERT may begin with "bert." or not, and its norms may be called gamma and
// beta, as in old files. The positions of a vision tower of another resolution are resized. The reference passes over whatever does not fit
// (strict=False, line 489); here a tensor of another shape and a file with nothing to take are errors (ErrMismatch) that leave m as it is, and
// the report names all that was left or is missing.
func LoadInit(m Target, cfg arch.Config, openai, bert *File) (Report, error) {
	var report Report
	initial := map[string]tensor.Tensor{}
	if openai != nil {
		if err := report.collect(initial, cfg, openai, "vision tower", func(name string) string {
			if strings.HasPrefix(name, "visual.") || name == "logit_scale" {
				return name
			}
			return ""
		}); err != nil {
			return Report{}, err
		}
	}
	if bert != nil {
		if err := report.collect(initial, cfg, bert, "BERT", bertName); err != nil {
			return Report{}, err
		}
	}
	for _, t := range cfg.Tensors() {
		x, ok := initial[t.Name]
		if !ok {
			report.Missing = append(report.Missing, t.Name)
			continue
		}
		from := bert
		if openai != nil && !strings.HasPrefix(t.Name, "bert.") {
			from = openai
		}
		if err := from.set(m, x); err != nil {
			return Report{}, fmt.Errorf("%s: %w", from.name, err)
		}
		report.Taken = append(report.Taken, t.Name)
	}
	for _, f := range []*File{openai, bert} {
		if f != nil {
			report.Notes = append(report.Notes, f.Remarks...)
		}
	}
	return report, nil
}

// bertName translates the name of a BERT's tensor to the model's, "" for a tensor that is no part of the encoder.
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

// collect adds to initial those tensors of one file that are part of the model.
func (r *Report) collect(initial map[string]tensor.Tensor, cfg arch.Config, f *File, what string, rename func(string) string) error {
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
		switch _, twice := initial[name]; {
		case twice:
			wrong = append(wrong, name+" occurs twice")
		case !slices.Equal(x.Shape, t.Shape):
			wrong = append(wrong, fmt.Sprintf("%s has shape %v, want %v", name, x.Shape, t.Shape))
		case !slices.Contains(numbers, x.DType):
			wrong = append(wrong, fmt.Sprintf("%s is %s, which holds no weights", name, x.DType))
		}
		initial[name] = x
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
