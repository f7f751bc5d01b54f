package zeroshot

import (
	"fmt"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/imaging"
)

// ByCaption makes a labelled set of a split. class gives each picture its class by its captions, which are in file order; "" leaves
// the picture out. nil takes the first caption, so that every picture is asked for its own name among all names. Classes are numbered as
// they appear.
func ByCaption(split dataset.Source, class func(captions []string) string) Set {
	if class == nil {
		class = func(captions []string) string { return captions[0] }
	}
	captions := map[int64][]string{}
	for _, t := range split.Texts() {
		for _, id := range t.ImageIDs {
			captions[id] = append(captions[id], t.Text)
		}
	}
	s := &captioned{split: split}
	numbers := map[string]int{}
	for _, id := range split.ImageIDs() {
		if len(captions[id]) == 0 {
			continue
		}
		label := class(captions[id])
		if label == "" {
			continue
		}
		if _, known := numbers[label]; !known {
			numbers[label] = len(s.labels)
			s.labels = append(s.labels, label)
		}
		s.ids, s.class = append(s.ids, id), append(s.class, numbers[label])
	}
	return s
}

var _ Set = (*captioned)(nil)

type captioned struct {
	split  dataset.Source
	labels []string
	ids    []int64
	class  []int
}

func (s *captioned) Name() string       { return s.split.Name() }
func (s *captioned) Labels() []string   { return s.labels }
func (s *captioned) Len() int           { return len(s.ids) }
func (s *captioned) Class(i int) int    { return s.class[i] }
func (s *captioned) Label(i int) string { return dataset.Label(s.split, s.ids[i]) }
func (s *captioned) Close() error       { return nil } // the split belongs to the caller

func (s *captioned) Picture(i int) (*imaging.Picture, error) {
	encoded, err := s.split.Image(s.ids[i])
	if err != nil {
		return nil, err
	}
	p, err := imaging.Decode(encoded)
	if err != nil {
		return nil, fmt.Errorf("%s of %s: %w", s.Label(i), s.Name(), err)
	}
	return p, nil
}
