package weights

import (
	"fmt"
	"slices"
	"strings"

	"clipnb/clipkit/arch"
)

// Target is what weights are loaded into; *model.Model is one.
type Target interface {
	Set(name string, shape []int, values []float32) error
}

// Load copies every tensor of cfg's state dict from s to m. It is strict: missing, unexpected and mis-shaped names are listed and nothing is copied.
// A "module." before every name is accepted, as the reference's training writes it.
func Load(m Target, cfg arch.Config, s *Safetensors) error {
	prefix := ""
	if len(s.order) > 0 && strings.HasPrefix(s.order[0], "module.") {
		prefix = "module."
	}
	want := map[string]bool{}
	var wrong []string
	for _, t := range cfg.Tensors() {
		want[prefix+t.Name] = true
		e, ok := s.entries[prefix+t.Name]
		switch {
		case !ok:
			wrong = append(wrong, "missing "+t.Name)
		case !slices.Equal(e.Shape, t.Shape):
			wrong = append(wrong, fmt.Sprintf("%s has shape %v, want %v", t.Name, e.Shape, t.Shape))
		}
	}
	for _, name := range s.order {
		if !want[name] {
			wrong = append(wrong, "unexpected "+name)
		}
	}
	if len(wrong) > 0 {
		more := ""
		if len(wrong) > 10 {
			more = fmt.Sprintf(" and %d more", len(wrong)-10)
			wrong = wrong[:10]
		}
		return fmt.Errorf("%s does not hold model %q: %s%s", s.name, cfg.Name, strings.Join(wrong, "; "), more)
	}
	for _, t := range cfg.Tensors() {
		x, err := s.Tensor(prefix + t.Name)
		if err != nil {
			return err
		}
		values, err := x.Float32()
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if err := m.Set(t.Name, t.Shape, values); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}
