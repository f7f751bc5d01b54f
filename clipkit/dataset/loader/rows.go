package loader

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/internal/transient"
	"clipnb/clipkit/tokenizer"
)

func (l *Loader) check() error {
	c := l.cfg
	switch {
	case len(l.pairs) == 0:
		return errors.New("no caption has image_ids, so there are no pairs; a split with hidden answers cannot be trained or validated on")
	case c.Transform == nil && c.Levels == nil:
		return errors.New("Transform is nil, and so is Levels; want a function such as imaging.TransformContext or imaging.TransformLevels")
	case c.BatchSize < 1 || c.Resolution < 1 || c.Workers < 1 || c.Prefetch < 1 || c.SkipBudget < 0 || c.Epoch < 0:
		return fmt.Errorf("BatchSize %d and Resolution %d must be positive, Workers %d, Prefetch %d, SkipBudget %d and Epoch %d not negative",
			c.BatchSize, c.Resolution, c.Workers, c.Prefetch, c.SkipBudget, c.Epoch)
	case c.Filled < c.BatchSize || c.Filled%c.BatchSize != 0:
		return fmt.Errorf("Filled is %d, want a multiple of BatchSize %d", c.Filled, c.BatchSize)
	case c.ContextLength < 2 || c.ContextLength > tokenizer.MaxLength:
		return fmt.Errorf("ContextLength is %d, want 2 to %d", c.ContextLength, tokenizer.MaxLength)
	case c.First < 0 || c.Count < 1 || c.First+c.Count > c.World*c.Accum:
		return fmt.Errorf("%d micro-batches from %d, want 1 or more of the %d of a step (World %d × Accum %d)", c.Count, c.First, c.World*c.Accum, c.World, c.Accum)
	}
	return nil
}

func (l *Loader) load(p *pending, row int, pair dataset.Pair, position int) (err error) {
	defer func() { // decoders meet hostile bytes here; one picture must not end the program
		if r := recover(); r != nil {
			err = fmt.Errorf("transform: panic: %v", r)
		}
	}()
	encoded, err := transient.Read(l.ctx, func() ([]byte, error) { return l.source.Image(pair.ImageID) })
	if err != nil {
		return err
	}
	if l.cfg.Levels != nil {
		err = prepare(l, p.batch.Levels, row, l.cfg.Levels, encoded, position)
	} else {
		err = prepare(l, p.batch.Images, row, l.cfg.Transform, encoded, position)
	}
	if err != nil {
		return err
	}
	tokens := l.cfg.ContextLength
	p.cut[row] = l.cfg.Tokenizer.Encode(p.batch.IDs[row*tokens:(row+1)*tokens], tokenizer.Prepare(pair.Text)) > 0
	return nil
}

// prepare makes one row of a batch's pictures of a file.
func prepare[T any](l *Loader, images []T, row int, transform func(context.Context, []byte, *rand.Rand) ([]T, error), encoded []byte, position int) error {
	picture, err := transform(l.ctx, encoded, l.rng(position))
	if err != nil {
		return err
	}
	if len(picture) != l.values() {
		return fmt.Errorf("transform: %d values, want [3, %d, %d]", len(picture), l.cfg.Resolution, l.cfg.Resolution)
	}
	copy(images[row*l.values():], picture)
	return nil
}

// values of a picture.
func (l *Loader) values() int { return 3 * l.cfg.Resolution * l.cfg.Resolution }
