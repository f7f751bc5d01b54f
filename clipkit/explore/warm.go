package explore

import (
	"context"
	"fmt"
	"log"

	"clipnb/clipkit/index"
	"clipnb/clipkit/model"
)

// warm has each model encode a picture and a text of every length that is compiled by itself, and each index search once. It ends only with ctx.
func (h *Handler) warm(ctx context.Context, progress func(done, total int)) error {
	var tasks []func() error
	for _, s := range h.sides {
		tasks = append(tasks, s.warmUps(ctx)...)
	}
	for i, task := range tasks {
		if progress != nil {
			progress(i, len(tasks))
		}
		err := task()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			log.Printf("explore: warming up: %v; the first search that needs it will say so again, or take longer", err)
		}
	}
	if progress != nil {
		progress(len(tasks), len(tasks))
	}
	return nil
}

// warmUps are what a side's first searches would wait for, the likeliest first.
func (s *side) warmUps(ctx context.Context) (tasks []func() error) {
	named := func(what string, f func() error) func() error {
		return func() error {
			if err := f(); err != nil {
				return fmt.Errorf("%s: %s: %w", s.Name, what, err)
			}
			return nil
		}
	}
	seen := map[int]bool{}
	for n := 1; n <= s.Model.Config.ContextLength; n++ {
		row := make([]int32, s.Model.Config.ContextLength)
		for i := range n {
			row[i] = 1
		}
		length := model.TextLength(row)
		if seen[length] {
			continue
		}
		seen[length] = true
		tasks = append(tasks, named(fmt.Sprintf("a text of up to %d tokens", length), func() error {
			_, err := s.encoder.ask(ctx, &job{ids: row})
			return err
		}))
		if len(seen) > 1 {
			continue
		}
		tasks = append(tasks, named("a picture", func() error {
			_, err := s.encoder.pixels(ctx, make([]float32, 3*s.Model.Config.ImageResolution*s.Model.Config.ImageResolution))
			return err
		}))
		for _, ix := range []index.Index{s.Images, s.Texts} {
			if ix == nil {
				continue
			}
			tasks = append(tasks, named("a search", func() error {
				vector := make([]float32, ix.Dim())
				vector[0] = 1
				_, err := ix.Search(ctx, index.Query{Vector: vector, Model: ix.Model(), K: 1})
				return err
			}))
		}
	}
	return tasks
}
