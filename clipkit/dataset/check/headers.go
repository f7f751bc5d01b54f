package check

import (
	"context"
	"fmt"
	"runtime"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/imaging"
)

// Headers tells skip which pictures of a split cannot be read, by their headers: before a long job, which then goes on without them. Those that are
// damaged further on it does not find. progress, when not nil, receives pictures done and in all.
func Headers(ctx context.Context, s dataset.Source, skip *dataset.Skipped, progress func(done, total int)) error {
	ids := s.ImageIDs()
	errs := make([]error, 16*runtime.GOMAXPROCS(0))
	for start := 0; start < len(ids); start += len(errs) {
		some := ids[start:min(start+len(errs), len(ids))]
		err := imaging.Each(ctx, len(some), func(i int) error {
			_, _, errs[i] = readHeader(ctx, s, some[i])
			return nil
		})
		for i, id := range some {
			if err == nil && errs[i] != nil {
				err = skip.Add(dataset.Label(s, id), errs[i])
			}
		}
		if err != nil {
			return fmt.Errorf("looking at the pictures of %s: %w", s.Name(), err)
		}
		if progress != nil {
			progress(start+len(some), len(ids))
		}
	}
	return nil
}
