// Package joined makes one split of several, to search in: all pictures of a data set, not those of its test alone.
//
//	all, err := joined.Of("emoji, all pictures", data.Train, data.Valid, data.Test)
//	index, err := clipkit.BuildIndex(ctx, model, all)
//
// Pictures and captions keep their ids and their order, split after split. Closing the result closes none of the splits: they belong to who opened them.
package joined

import (
	"fmt"

	"clipnb/clipkit/dataset"
)

type source struct {
	name  string
	ids   []int64
	texts []dataset.Text
	of    map[int64]dataset.Source
}

// Of joins splits; those that a data set does not have (nil) are passed over. A picture's or caption's id that two of them have is an error that wraps
// dataset.ErrFormat.
func Of(name string, splits ...dataset.Source) (dataset.Source, error) {
	s := &source{name: name, of: map[int64]dataset.Source{}}
	captions := map[int64]string{} // id → split
	for _, split := range splits {
		if split == nil {
			continue
		}
		for _, id := range split.ImageIDs() {
			if other, taken := s.of[id]; taken {
				return nil, fmt.Errorf("joining splits to %q: %w: picture %d is in %s and in %s", name, dataset.ErrFormat, id, other.Name(), split.Name())
			}
			s.of[id] = split
			s.ids = append(s.ids, id)
		}
		for _, t := range split.Texts() {
			if other, taken := captions[t.ID]; taken {
				return nil, fmt.Errorf("joining splits to %q: %w: caption %d is in %s and in %s", name, dataset.ErrFormat, t.ID, other, split.Name())
			}
			captions[t.ID] = split.Name()
			s.texts = append(s.texts, t)
		}
	}
	if len(s.ids) == 0 {
		return nil, fmt.Errorf("joining splits to %q: %w: none of them has a picture", name, dataset.ErrNotFound)
	}
	return s, nil
}

func (s *source) Name() string          { return s.name }
func (s *source) ImageIDs() []int64     { return s.ids }
func (s *source) Texts() []dataset.Text { return s.texts }
func (s *source) Close() error          { return nil }

func (s *source) Image(id int64) ([]byte, error) {
	split, ok := s.of[id]
	if !ok {
		return nil, fmt.Errorf("%w: picture %d in %s", dataset.ErrNotFound, id, s.name)
	}
	return split.Image(id)
}
