// Package check tells before training what will spoil it, or its figures: pictures that are missing, damaged, tiny or huge, captions that say
// nothing, are cut off or repeat, in-batch accuracy that cannot be reached because of repeats, test pictures in train, and a published set that
// is not as it was published.
//
//	report, err := check.Dataset(ctx, data, check.Options{BatchSize: 128})
//	fmt.Print(report)       // in plain language, with advice
//	report.Findings         // the same, one by one; report.Splits has the figures
//
// What is wrong with data is a finding, never an error. Pictures are read one batch at a time, by their headers unless Decode is set, with
// package imaging's limits; some 100 bytes a picture and a caption are kept.
package check

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strings"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/dataset/skipped"
	"clipnb/clipkit/imaging"
	"clipnb/clipkit/internal/transient"
	"clipnb/clipkit/tokenizer"
)

// Bounds on the size of pictures.
const (
	tinySide   = 32       // pixels; a picture with a shorter side is tiny: enlarged to the model's size it shows nothing
	hugePixels = 16 << 20 // a picture of more is huge: decoding it takes longer than a training step should
)

// Options are for [Dataset]; the zero value will do.
type Options struct {
	BatchSize     int                  // pairs in a batch over all processes, for the figures that depend on it; default 128
	ContextLength int                  // default tokenizer.DefaultLength
	Tokenizer     *tokenizer.Tokenizer // default tokenizer.Default()
	// Decode looks at every pixel, which takes some 4 ms a picture and core, and finds files that are damaged in the middle. Without
	// it pictures are read whole, for their bytes, but only their headers are decoded.
	Decode   bool
	Progress func(split string, done, total int) // pictures read so far; may be nil
}

// digest stands for bytes: equal ones are taken for equal. 128 bits of SHA-256 do not meet by chance.
type digest [16]byte

// Dataset reads all splits of d and tells what will spoil training or its figures: see [Report]. The result depends on d and o
// alone. It keeps about 100 bytes a picture and a caption, and no pictures. A fault in the data is a finding, not an error; the error is
// ctx's.
func Dataset(ctx context.Context, d *dataset.Dataset, o Options) (*Report, error) {
	if o.BatchSize <= 0 {
		o.BatchSize = 128
	}
	if o.ContextLength <= 0 {
		o.ContextLength = tokenizer.DefaultLength
	}
	if o.Tokenizer == nil {
		o.Tokenizer = tokenizer.Default()
	}
	r := &Report{Name: d.Name, LeftOut: d.LeftOut, BatchSize: o.BatchSize, ContextLength: o.ContextLength, Decoded: o.Decode}
	var seen []*checked
	for _, split := range splits(d) {
		if split.source == nil {
			continue
		}
		c := &checked{source: split.source, report: SplitReport{Split: split.name}}
		c.captions(o)
		if err := c.pictures(ctx, o); err != nil {
			return nil, fmt.Errorf("checking %s: %w", c.source.Name(), err)
		}
		c.pairs(o)
		for _, earlier := range seen {
			if leak := findLeak(earlier, c); leak.Pictures.Count+leak.Captions.Count > 0 {
				r.Leaks = append(r.Leaks, leak)
			}
		}
		seen = append(seen, c)
		r.Splits = append(r.Splits, c.report)
	}
	r.find()
	if p, ok := dataset.FindPublished(d.Name); ok {
		r.findDifferences(p, d)
	}
	return r, nil
}

type namedSplit struct {
	name   string
	source dataset.Source // nil: d has none
}

func splits(d *dataset.Dataset) []namedSplit {
	return []namedSplit{{"train", d.Train}, {"valid", d.Valid}, {"test", d.Test}}
}

// checked is a split and what is known of it.
type checked struct {
	source    dataset.Source
	report    SplitReport
	captionOf []digest         // by text
	pictureOf map[int64]digest // by image id, of those that can be read
}

// captions looks at the texts as the model sees them: prepared, in pieces, and cut.
func (c *checked) captions(o Options) {
	r := &c.report
	texts := c.source.Texts()
	r.Texts = len(texts)
	c.captionOf = make([]digest, len(texts))
	for i, text := range texts {
		pieces := o.Tokenizer.Pieces(tokenizer.Prepare(text.Text))
		unknown := 0
		for _, piece := range pieces {
			if piece == "[UNK]" {
				unknown++
			}
		}
		r.Pieces += len(pieces)
		r.UnknownPieces += unknown
		name := func() string { return fmt.Sprintf("text %d, %.60q", text.ID, text.Text) }
		switch {
		case len(pieces) == 0:
			r.Empty.add(name)
		case unknown == len(pieces):
			r.Unknown.add(name)
		}
		if room := o.ContextLength - 2; len(pieces) > room {
			r.Truncated.add(name)
			pieces = pieces[:max(room, 0)]
		}
		sum := sha256.Sum256([]byte(strings.Join(pieces, "\x00")))
		c.captionOf[i] = digest(sum[:16])
		if len(text.ImageIDs) == 0 {
			r.HiddenTexts++
		}
	}
}

// look is what one picture is found to be.
type look struct {
	digest        digest
	err           error
	width, height int
}

// pictures reads all pictures, a few at a time in parallel, and counts them in order.
func (c *checked) pictures(ctx context.Context, o Options) error {
	r := &c.report
	ids := c.source.ImageIDs()
	r.Images = len(ids)
	c.pictureOf = make(map[int64]digest, len(ids))
	looks := make([]look, 16*runtime.GOMAXPROCS(0))
	for start := 0; start < len(ids); start += len(looks) {
		batch := ids[start:min(start+len(looks), len(ids))]
		err := imaging.Each(ctx, len(batch), func(i int) error {
			looks[i] = lookAt(ctx, c.source, batch[i], o.Decode)
			return nil // what is wrong with a picture is a finding
		})
		if err != nil {
			return err
		}
		for i, id := range batch {
			l := looks[i]
			if l.err == nil {
				c.pictureOf[id] = l.digest
			}
			label := func() string { return dataset.Label(c.source, id) }
			name := func() string { return fmt.Sprintf("%s, %d×%d", label(), l.width, l.height) }
			switch {
			case errors.Is(l.err, dataset.ErrNotFound), errors.Is(l.err, fs.ErrNotExist):
				r.Missing.add(label)
			case l.err != nil:
				r.Corrupt.add(func() string { return label() + ": " + skipped.Reason(label(), l.err) })
			case min(l.width, l.height) < tinySide:
				r.Tiny.add(name)
			case l.width*l.height > hugePixels:
				r.Huge.add(name)
			}
		}
		if o.Progress != nil {
			o.Progress(r.Split, start+len(batch), len(ids))
		}
	}
	return nil
}

// lookAt reads one picture. When ctx ends meanwhile, nothing is known of it.
func lookAt(ctx context.Context, s dataset.Source, id int64, decode bool) (l look) {
	data, header, err := readHeader(ctx, s, id)
	if data == nil {
		return look{err: err}
	}
	sum := sha256.Sum256(data)
	if err == nil && decode {
		_, err = imaging.DecodeContext(ctx, data)
	}
	return look{digest(sum[:16]), err, header.Width, header.Height}
}

// readHeader reads a picture and its header. Without the picture there is an error; a picture whose header is wrong comes with one, too.
func readHeader(ctx context.Context, s dataset.Source, id int64) (data []byte, header imaging.Config, err error) {
	data, err = transient.Read(ctx, func() ([]byte, error) { return s.Image(id) })
	if err == nil {
		header, err = imaging.DecodeConfig(data)
	}
	return data, header, err
}

// pairs counts what belongs together. A picture that cannot be read is one of its own.
func (c *checked) pairs(o Options) {
	r := &c.report
	listed := make(map[int64]bool, r.Images) // and whether a caption names it
	for _, id := range c.source.ImageIDs() {
		listed[id] = false
	}
	pictureNumber, captionNumber := make(map[digest]int32), make(map[digest]int32)
	var pictures, captions []int32
	var counts []int // pairs by caption number
	var first []int  // a text of it
	unread := int32(-1)
	for i, text := range c.source.Texts() {
		for _, id := range text.ImageIDs {
			if _, ok := listed[id]; !ok {
				r.Missing.add(func() string { return fmt.Sprintf("image %d of text %d", id, text.ID) })
				continue
			}
			listed[id] = true
			picture, ok := c.pictureOf[id]
			number := unread
			if ok {
				number = numberOf(pictureNumber, picture)
			} else {
				unread--
			}
			pictures = append(pictures, number)
			caption := numberOf(captionNumber, c.captionOf[i])
			captions = append(captions, caption)
			if int(caption) == len(counts) {
				counts, first = append(counts, 0), append(first, i)
			}
			counts[caption]++
		}
	}
	for _, id := range c.source.ImageIDs() {
		if !listed[id] {
			r.Uncaptioned.add(func() string { return dataset.Label(c.source, id) })
		}
	}
	distinct := make(map[digest]bool, len(c.pictureOf))
	for _, p := range c.pictureOf {
		distinct[p] = true
	}
	r.DistinctPictures = len(distinct)
	r.Pairs, r.DistinctCaptions = len(pictures), len(counts)
	r.FalseNegatives, r.Ceiling = inBatch(pictures, captions, o.BatchSize)
	for caption, n := range counts {
		if n > r.CommonestPairs {
			r.CommonestPairs, r.Commonest = n, c.source.Texts()[first[caption]].Text
		}
	}
}

func numberOf(numbers map[digest]int32, d digest) int32 {
	n, ok := numbers[d]
	if !ok {
		n = int32(len(numbers))
		numbers[d] = n
	}
	return n
}

// findLeak counts the pictures and captions of b that a has too.
func findLeak(a, b *checked) Leak {
	leak := Leak{From: a.report.Split, To: b.report.Split}
	pictures := make(map[digest]int64, len(a.pictureOf))
	for _, id := range a.source.ImageIDs() {
		if d, ok := a.pictureOf[id]; ok {
			pictures[d] = id
		}
	}
	for _, id := range b.source.ImageIDs() {
		d, readable := b.pictureOf[id]
		if other, ok := pictures[d]; ok && readable {
			leak.Pictures.add(func() string {
				return fmt.Sprintf("%s is %s of %s", dataset.Label(b.source, id), dataset.Label(a.source, other), a.report.Split)
			})
		}
	}
	captions := make(map[digest]int64, len(a.captionOf))
	for i, d := range a.captionOf {
		captions[d] = a.source.Texts()[i].ID
	}
	for i, d := range b.captionOf {
		if other, ok := captions[d]; ok {
			text := b.source.Texts()[i]
			leak.Captions.add(func() string {
				return fmt.Sprintf("text %d, %.60q, is text %d of %s", text.ID, text.Text, other, a.report.Split)
			})
		}
	}
	return leak
}
