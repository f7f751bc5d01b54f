package shape

import "fmt"

// Text is one caption.
type Text struct {
	ID       int64
	Text     string
	ImageIDs []int64 // the pictures it describes; empty where the answers are hidden
}

// Split is one split of a set, a dataset.Source. A package fills it and calls [Split.Done].
type Split struct {
	Kind string // train, valid or test
	// Read gives the bytes of the picture that was added as number i, and Label says where it lies, for people.
	Read    func(i int) ([]byte, error)
	Label   func(i int) string
	LeftOut LeftOut

	name    string
	ids     []int64
	texts   []Text
	picture []int32         // of each text, until Done
	at      map[int64]int32 // nil where the ids are 1 to n
}

// NewSplit begins an empty split of the set called name; kind is train, valid or test.
func NewSplit(name, kind string) *Split { return &Split{Kind: kind, name: name + "/" + kind} }

// Add adds a picture with its captions; they are numbered as they come.
func (s *Split) Add(captions ...string) {
	i := s.AddPicture(int64(len(s.ids) + 1))
	for _, c := range captions {
		s.AddText(int64(len(s.texts)+1), c, i)
	}
}

// AddPicture adds a picture with an id of its own and returns its number.
func (s *Split) AddPicture(id int64) int {
	s.ids = append(s.ids, id)
	return len(s.ids) - 1
}

// AddText adds a caption of a picture that was added.
func (s *Split) AddText(id int64, text string, picture int) {
	s.texts = append(s.texts, Text{ID: id, Text: text})
	s.picture = append(s.picture, int32(picture))
}

// Len is how many pictures were added.
func (s *Split) Len() int { return len(s.ids) }

// Done ends the filling.
func (s *Split) Done() error {
	switch {
	case len(s.ids) == 0 || len(s.texts) == 0:
		err := fmt.Errorf("%w: %s has no sample with a picture and a caption", ErrFormat, s.name)
		if s.LeftOut.Count > 0 {
			err = fmt.Errorf("%w; %s", err, &s.LeftOut)
		}
		return err
	case len(s.ids) > MaxSamples || len(s.texts) > MaxSamples:
		return fmt.Errorf("%w: %s has more than %d samples", ErrFormat, s.name, MaxSamples)
	}
	sequential := true
	for i, id := range s.ids {
		sequential = sequential && id == int64(i+1)
	}
	if !sequential {
		s.at = make(map[int64]int32, len(s.ids))
		for i, id := range s.ids {
			if first, ok := s.at[id]; ok {
				return fmt.Errorf("%w: %s: picture id %d is that of %s and of %s; give every picture its own", ErrFormat, s.name, id, s.Label(int(first)), s.Label(i))
			}
			s.at[id] = int32(i)
		}
	}
	for i := range s.texts {
		p := s.picture[i]
		s.texts[i].ImageIDs = s.ids[p : p+1 : p+1] // shared, so that a caption needs no list of its own
	}
	s.picture = nil
	return nil
}

func (s *Split) Name() string      { return s.name }
func (s *Split) ImageIDs() []int64 { return s.ids }
func (s *Split) Texts() []Text     { return s.texts }

// Close has nothing to close, since files are opened for each read.
func (s *Split) Close() error { return nil }

// index is where among ids an id is.
func (s *Split) index(id int64) (int, bool) {
	if s.at != nil {
		i, ok := s.at[id]
		return int(i), ok
	}
	return int(id - 1), id >= 1 && id <= int64(len(s.ids))
}

// Image reads a picture where it lies.
func (s *Split) Image(id int64) ([]byte, error) {
	i, ok := s.index(id)
	if !ok {
		return nil, fmt.Errorf("%w: image %d in %s", ErrNotFound, id, s.name)
	}
	data, err := s.Read(i)
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", s.Label(i), err)
	case len(data) == 0:
		return nil, fmt.Errorf("%w: %s is empty", ErrFormat, s.Label(i))
	case len(data) > MaxPicture:
		return nil, fmt.Errorf("%w: %s has more than %d MiB", ErrFormat, s.Label(i), MaxPicture>>20)
	}
	return data, nil
}

// PathOf says where a picture lies, for people; "" for an unknown id.
func (s *Split) PathOf(id int64) string {
	if i, ok := s.index(id); ok {
		return s.Label(i)
	}
	return ""
}

// Finish ends the filling of all splits and leaves out those that the data does not have.
func Finish(splits ...*Split) (kept []*Split, err error) {
	for i, s := range splits {
		if s.Len() == 0 && s.LeftOut.Count == 0 && (len(kept) > 0 || i+1 < len(splits)) {
			continue
		}
		if err := s.Done(); err != nil {
			return nil, err
		}
		kept = append(kept, s)
	}
	return kept, nil
}
