package clipkit

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/explore"

	"github.com/janpfeifer/gonb/gonbui"
)

// ExploreOption changes the page that Explore starts.
type ExploreOption func(*exploreOptions)

type exploreOptions struct {
	name   string
	height int
	names  []string
	beside *Index
}

// Beside puts another checkpoint's results beside the first's: finetuned beside zero-shot. Both indexes are of the same split.
func Beside(ix *Index) ExploreOption { return func(o *exploreOptions) { o.beside = ix } }

// Called names the checkpoints on the page; unless said, by what they were loaded from.
func Called(names ...string) ExploreOption { return func(o *exploreOptions) { o.names = names } }

// PageName lets a notebook have several pages; "explore" unless said. Explore replaces the page of its name.
func PageName(name string) ExploreOption { return func(o *exploreOptions) { o.name = name } }

// PageHeight is that of the frame in the notebook, in pixels; 720 unless said.
func PageHeight(pixels int) ExploreOption { return func(o *exploreOptions) { o.height = pixels } }

// Explore starts the retrieval page (package explore) for an index and its model, and shows it in the notebook: through Jupyter's own address, so
// that a remote Jupyter shows it too. It gives the page's address on this machine.
//
// The page is a process of its own, this program started once more: it outlives the cell, keeps the model loaded, and ends with the kernel (outside
// a notebook with the program). A cell that is run again finds it, and leaves it as it is unless model, data or names are others. Attach gives it
// to later cells. Its files are in experiments/.explore.
//
// It loads model and data again by themselves, so it takes the model's memory once more. A model that lies in no file, such as New's, is saved
// first; pictures that OpenDataset or OpenPictures did not open are copied.
func Explore(ctx context.Context, ix *Index, m *Model, opts ...ExploreOption) (*Page, error) {
	o := exploreOptions{name: "explore", height: 720}
	for _, f := range opts {
		f(&o)
	}
	spec, err := newSpec(ctx, ix, m, o)
	if err != nil {
		return nil, fmt.Errorf("starting the page: %w", err)
	}
	page, err := openPage(ctx, spec, owner())
	if err != nil {
		return nil, fmt.Errorf("starting the page: %w", err)
	}
	if gonbui.IsNotebook {
		gonbui.DisplayHTML(page.frame(o.height))
		gonbui.Sync()
	} else {
		say("the page is at " + page.URL)
	}
	return page, nil
}

// pageSpec is what the page's process needs to know: JSON on its standard input.
type pageSpec struct {
	Name  string
	Title string
	Data  reference
	Sides []sideSpec
	Token string  // "" until it is started
	Owner process // with which it ends
}

type sideSpec struct {
	Name      string
	Model     string // for Load
	As        []string
	Device    string
	Precision string
	Sum       string // of the parameters
	Index     place
}

// reference is how a split is opened again.
type reference struct {
	Data  string // for OpenDataset, or
	Split string
	Dir   string // for OpenPictures
}

// key tells one page from another: all that is shown.
func (s pageSpec) key() string {
	s.Token, s.Owner = "", process{}
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings only
	}
	return fmt.Sprintf("%x", sha256.Sum256(b))
}

func newSpec(ctx context.Context, ix *Index, m *Model, o exploreOptions) (s pageSpec, err error) {
	if strings.ContainsAny(o.name, "/\\ ") || o.name == "" {
		return s, fmt.Errorf("page name %q: want a name without spaces and slashes", o.name)
	}
	s = pageSpec{Name: o.name, Title: ix.split.Name()}
	if s.Data, err = referTo(ix); err != nil {
		return s, err
	}
	sides := []*Index{ix}
	if o.beside != nil {
		sides = append(sides, o.beside)
		if a, b := samples(ix), samples(o.beside); a != b {
			return s, fmt.Errorf("the two indexes are of other pictures or captions (%s, %s); build both of the same split", ix.split.Name(), o.beside.split.Name())
		}
	}
	for i, x := range sides {
		side, err := newSide(ctx, x)
		if err != nil {
			return s, err
		}
		side.Name = shortName(x.model.Source)
		if i < len(o.names) {
			side.Name = o.names[i]
		} else if i == 1 && side.Name == s.Sides[0].Name {
			side.Name += " 2"
		}
		s.Sides = append(s.Sides, side)
	}
	if m != ix.model {
		sum, err := fingerprint(m)
		if err != nil {
			return s, err
		}
		if sum != s.Sides[0].Sum {
			return s, fmt.Errorf("the index is of %s, not of %s; build one with this model", ix.model.Source, m.Source)
		}
	}
	return s, nil
}

// newSide puts index and model where another process can open them.
func newSide(ctx context.Context, ix *Index) (s sideSpec, err error) {
	m := ix.model
	if s.Sum, err = fingerprint(m); err != nil {
		return s, err
	}
	s.As, s.Device, s.Precision = m.as, m.Device.Name+":"+m.Device.Engine, string(m.Precision())
	if s.Index, err = ix.inPlace(ctx, s.Sum); err != nil {
		return s, err
	}
	if s.Model, err = filepath.Abs(m.Source); err == nil && m.Source != embeddedSource {
		_, err = os.Stat(s.Model)
	}
	if m.Source == embeddedSource {
		s.Model = "emoji"
	} else if err != nil { // a model that lies in no file
		s.Model, s.As, err = filepath.Join(pages(), s.Sum[:12]+".safetensors"), nil, os.MkdirAll(pages(), 0o755)
		if _, missing := os.Stat(s.Model); missing != nil && err == nil {
			err = m.Save(s.Model, false)
		}
	}
	return s, err
}

// inPlace is where another process finds the index; one in memory is written into a folder first.
func (ix *Index) inPlace(ctx context.Context, sum string) (place, error) {
	switch {
	case ix.exact != nil:
	case ix.place == place{}:
		return place{}, fmt.Errorf("another process cannot open this index's engine by itself; serve it from your own program (explore.New with Index.Side), or build it with KeepIndex")
	case ix.engine.Images.Model() != sum:
		return place{}, fmt.Errorf("the index is of the checkpoint %.12s, and the model has changed to %.12s since; build it again", ix.engine.Images.Model(), sum)
	default:
		return ix.place, nil
	}
	kept := &Index{model: ix.model, split: ix.split, place: place{Folder: filepath.Join(pages(), "index", ix.name(sum))}}
	var err error
	if kept.engine, err = kept.place.open(ctx, sum, ix.features.Dim, len(ix.features.TextIDs) > 0); err != nil {
		return place{}, err
	}
	return kept.place, errors.Join(kept.fill(ctx, ix.features), kept.engine.close())
}

// Side gives the index and its model to a page that one serves oneself, with explore.New. Closing the index ends it, for one that KeepIndex keeps;
// of one in memory, a copy on the disk is opened.
func (ix *Index) Side(ctx context.Context, name string) (explore.Side, error) {
	if ix.engine.Images == nil {
		sum, err := fingerprint(ix.model)
		if err != nil {
			return explore.Side{}, err
		}
		at, err := ix.inPlace(ctx, sum)
		if err != nil {
			return explore.Side{}, err
		}
		if ix.engine, err = at.open(ctx, sum, ix.features.Dim, len(ix.features.TextIDs) > 0); err != nil {
			return explore.Side{}, err
		}
	}
	return explore.Side{Name: name, Model: ix.model.Model, Images: ix.engine.Images, Texts: ix.engine.Texts}, nil
}

// embeddedSource is Model.Source of the model that is compiled in.
const embeddedSource = "emoji (embedded)"

// shortName is the run's name of a checkpoint in a run, else the file's.
func shortName(source string) string {
	if source == embeddedSource {
		return "emoji"
	}
	if run, _, ok := strings.Cut(filepath.ToSlash(source), "/checkpoints/"); ok {
		return filepath.Base(run)
	}
	base := filepath.Base(source)
	return strings.TrimSuffix(base, filepath.Ext(base))
}

// opened remembers by what name a split was opened.
var opened sync.Map // dataset.Source to reference

func remember(path string, d *dataset.Dataset) {
	for split, s := range map[string]dataset.Source{"train": d.Train, "valid": d.Valid, "test": d.Test} {
		if s != nil {
			opened.Store(s, reference{Data: path, Split: split})
		}
	}
}

// referTo says how to open an index's split again. One that has no name is copied.
func referTo(ix *Index) (reference, error) {
	s := ix.split
	if p, ok := s.(*dataset.Pictures); ok {
		return reference{Dir: p.Dir}, nil
	}
	if reflect.TypeOf(s).Comparable() { // a source of somebody else's may be no key
		if r, ok := opened.Load(s); ok {
			return r.(reference), nil
		}
	}
	dir := filepath.Join(pages(), "copy-"+samples(ix)[:12])
	imgs, texts := filepath.Join(dir, "test_imgs.tsv"), filepath.Join(dir, "test_texts.jsonl")
	if isFile(texts) { // it is written last
		return reference{Data: dir, Split: "test"}, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return reference{}, fmt.Errorf("copying %s: %w", s.Name(), err)
	}
	say(fmt.Sprintf("copying %d pictures to %s, because another process cannot open %s", len(s.ImageIDs()), dir, s.Name()))
	return reference{Data: dir, Split: "test"}, dataset.WriteTSV(s, imgs, texts)
}

// open opens it in the page's process.
func (r reference) open(ctx context.Context) (dataset.Source, func() error, error) {
	if r.Dir != "" {
		p, err := OpenPictures(ctx, r.Dir)
		if err != nil {
			return nil, nil, err
		}
		return p, p.Close, nil
	}
	d, err := OpenDataset(ctx, r.Data)
	if err != nil {
		return nil, nil, err
	}
	s, err := Split(d, r.Split)
	return s, d.Close, err
}

// Split gives a data set's split by its name: train, valid or test.
func Split(d *dataset.Dataset, name string) (dataset.Source, error) {
	s, known := map[string]dataset.Source{"train": d.Train, "valid": d.Valid, "test": d.Test}[name]
	if !known {
		return nil, fmt.Errorf("split %q: want train, valid or test", name)
	}
	if s == nil {
		return nil, fmt.Errorf("%s has no %s split", d, name)
	}
	return s, nil
}

// load opens the model of a side and makes sure that it is the one that the index is of.
func (s sideSpec) load(ctx context.Context) (*Model, error) {
	opts := []Option{On(s.Device), In(s.Precision)}
	if len(s.As) > 0 {
		opts = append(opts, As(s.As...))
	}
	m, err := Load(ctx, s.Model, opts...)
	if err != nil {
		return nil, err
	}
	sum, err := fingerprint(m)
	if err == nil && sum != s.Sum {
		err = fmt.Errorf("%s holds other weights (%.12s) than the model in the notebook (%.12s); save that one, Load it and build its index", s.Model, sum, s.Sum)
	}
	if err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}
