package explore

import "context"

// gate lets a few work at a time and a bounded number wait.
type gate struct{ inside, all chan struct{} }

func newGate(working, waiting int) *gate {
	return &gate{inside: make(chan struct{}, working), all: make(chan struct{}, working+waiting)}
}

// do runs work, or fails with errBusy at once when too many wait, or with ctx's error when it ends while waiting.
func (g *gate) do(ctx context.Context, work func() error) error {
	select {
	case g.all <- struct{}{}:
		defer func() { <-g.all }()
	default:
		return errBusy
	}
	select {
	case g.inside <- struct{}{}:
		defer func() { <-g.inside }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return work()
}
