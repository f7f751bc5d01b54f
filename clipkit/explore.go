package clipkit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/eval"
	"clipnb/clipkit/explore"
	"clipnb/clipkit/index/kept"
	"clipnb/clipkit/internal/progress"
	"clipnb/clipkit/page"

	"github.com/janpfeifer/gonb/gonbui"
	"github.com/janpfeifer/gonb/gonbui/protocol"
)

func init() { page.Main(openPage) }

// Explore starts the retrieval page (package explore) for an index and its model, and shows it in the notebook: through Jupyter's own address, so
// that a remote Jupyter shows it too. It gives the page's address on this machine.
//
// The page is a process of its own, this program started once more: it outlives the cell, keeps the model loaded, and ends with the kernel (outside
// a notebook with the program). A cell that is run again finds it, and leaves it as it is unless model, data or names are others. page.Attach gives
// it to later cells. Its files are in experiments/.explore.
//
// It loads model and data again by themselves, so it takes the model's memory once more. A model that lies in no file, such as New's, is saved
// first; pictures that neither OpenDataset nor dataset.OpenPictures opened are copied.
func Explore(ctx context.Context, ix *Index, m *Model, opts ...Option) (*page.Page, error) {
	o, err := chosen("Explore", exploring, opts)
	if err != nil {
		return nil, err
	}
	if err := page.CheckName(o.page); err != nil { // before models and pictures are copied for it
		return nil, fmt.Errorf("starting the page: %w", err)
	}
	spec, err := newSpec(ctx, ix, m, o)
	if err != nil {
		return nil, fmt.Errorf("starting the page: %w", err)
	}
	p, err := page.Start(ctx, o.page, spec)
	if err != nil {
		return nil, fmt.Errorf("starting the page: %w", err)
	}
	if gonbui.IsNotebook {
		shown, err := p.Frame(ctx, o.height)
		if err != nil {
			return nil, err
		}
		gonbui.SendData(&protocol.DisplayData{Data: map[protocol.MIMEType]any{protocol.MIMETextHTML: shown,
			protocol.MIMETextPlain: "搜索页，在打开的笔记本里显示 · the retrieval page, shown in the open notebook"}})
		gonbui.Sync()
	} else {
		say("the page is at " + p.URL)
	}
	return p, nil
}

// pageSpec is what the page's process needs to know.
type pageSpec struct {
	Title string
	Data  dataset.Location
	Sides []sideSpec
}

// sideSpec is one checkpoint of a page.
type sideSpec struct {
	Name string // on the page
	reopened
	Index kept.Location
}

func newSpec(ctx context.Context, ix *Index, m *Model, o options) (s pageSpec, err error) {
	s.Title = ix.split.Name()
	if s.Data, err = dataset.Place(ix.split, filepath.Join(page.Dir(), "copy-"+samples(ix)[:12]), say); err != nil {
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
		side.Name = side.Model.Name
		if i < len(o.names) {
			side.Name = o.names[i]
		} else if i == 1 && side.Name == s.Sides[0].Name {
			side.Name += " 2"
		}
		s.Sides = append(s.Sides, side)
	}
	if m != ix.model {
		is, err := m.Identity()
		if err != nil {
			return s, err
		}
		if is.Fingerprint != s.Sides[0].Model.Fingerprint {
			return s, fmt.Errorf("the index is of %s, not of %s; build one with this model", ix.model, m)
		}
	}
	return s, nil
}

// newSide puts index and model where another process can open them.
func newSide(ctx context.Context, ix *Index) (s sideSpec, err error) {
	is, err := ix.model.Identity()
	if err != nil {
		return s, err
	}
	if s.Index, err = ix.inPlace(ctx, is.Fingerprint); err != nil {
		return s, err
	}
	s.reopened, err = reopen(ix.model, page.Dir())
	return s, err
}

// inPlace is where another process finds the index; one in memory is written into a folder first.
func (ix *Index) inPlace(ctx context.Context, sum string) (kept.Location, error) {
	switch {
	case ix.exact != nil:
	case ix.where == kept.Location{}:
		return kept.Location{}, fmt.Errorf("another process cannot open this index's engine by itself; serve it from your own program (explore.New with Index.Side), or build it with clipkit.Keep")
	case ix.kept.Images.Model() != sum:
		return kept.Location{}, fmt.Errorf("the index is of the checkpoint %.12s, and the model has changed to %.12s since; build it again", ix.kept.Images.Model(), sum)
	default:
		return ix.where, nil
	}
	copied := &Index{model: ix.model, split: ix.split, skip: ix.skip, where: kept.Location{Folder: filepath.Join(page.Dir(), "index", ix.name(sum))}}
	var err error
	if copied.kept, err = copied.where.Open(ctx, sum, ix.features.Dim, len(ix.features.TextIDs) > 0); err != nil {
		return kept.Location{}, err
	}
	return copied.where, errors.Join(copied.fill(ctx, func() (*eval.Features, error) { return ix.features, nil }), copied.kept.Close())
}

// Side gives the index and its model to a page that one serves oneself, with explore.New. Closing the index ends it, for one that is kept;
// of one in memory, a copy on the disk is opened.
func (ix *Index) Side(ctx context.Context, name string) (explore.Side, error) {
	if ix.kept.Images == nil {
		sum, err := ix.model.Towers.Fingerprint()
		if err != nil {
			return explore.Side{}, err
		}
		at, err := ix.inPlace(ctx, sum)
		if err != nil {
			return explore.Side{}, err
		}
		if ix.kept, err = at.Open(ctx, sum, ix.features.Dim, len(ix.features.TextIDs) > 0); err != nil {
			return explore.Side{}, err
		}
	}
	return explore.Side{Name: name, Model: ix.model.Towers, Images: ix.kept.Images, Texts: ix.kept.Texts}, nil
}

// openPage opens all that a page shows, in the page's process.
func openPage(ctx context.Context, spec json.RawMessage, token string) (h *explore.Handler, closeAll func(), err error) {
	var s pageSpec
	if err := json.Unmarshal(spec, &s); err != nil {
		return nil, nil, fmt.Errorf("reading what to show: %w", err)
	}
	var closers []func()
	closeOpened := func() {
		for _, f := range closers {
			f()
		}
	}
	defer func() {
		if err != nil {
			closeOpened()
		}
	}()
	source, err := s.Data.Open()
	if err != nil {
		return nil, nil, err
	}
	closers = append(closers, func() { source.Close() })
	bar := progress.New(os.Stderr, "warming up", 0)
	defer bar.Finish()
	c := explore.Config{Title: s.Title, Source: source, Token: token, Progress: bar.Of}
	for _, x := range s.Sides {
		m, err := x.load(ctx, x.Device)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", x.Name, err)
		}
		closers = append(closers, m.Close)
		kept, err := x.Index.Open(ctx, x.Model.Fingerprint, m.Towers.Config.EmbedDim, len(source.Texts()) > 0)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", x.Name, err)
		}
		closers = append(closers, func() { kept.Close() })
		c.Sides = append(c.Sides, explore.Side{Name: x.Name, Model: m.Towers, Images: kept.Images, Texts: kept.Texts})
	}
	h, err = explore.New(ctx, c)
	return h, closeOpened, err
}
