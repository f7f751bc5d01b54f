// Package exchangetest tests worlds: a world of goroutines for the tests of what uses one, and the suite that every engine passes.
package exchangetest

import (
	"fmt"
	"sync"

	"clipnb/clipkit/exchange"
)

// Threads are n ranks in this process, for n goroutines. A rank that aborts makes the calls of the others fail.
func Threads(n int) []exchange.World {
	m := &meeting{n: n}
	m.all = sync.NewCond(&m.mu)
	ranks := make([]exchange.World, n)
	for i := range ranks {
		ranks[i] = &thread{m, i}
	}
	return ranks
}

// meeting is where all ranks put what they bring, and go on when the last has come.
type meeting struct {
	mu      sync.Mutex
	all     *sync.Cond
	n       int
	brought []any
	round   int
	result  []any // what was brought in the last round
	gone    error
}

// meet gives what every rank brought, in the order of ranks.
func (m *meeting) meet(rank int, mine any) ([]any, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.brought == nil {
		m.brought = make([]any, m.n)
	}
	m.brought[rank] = mine
	for _, x := range m.brought {
		if x == nil { // not the last: wait
			for round := m.round; m.round == round && m.gone == nil; {
				m.all.Wait()
			}
			return m.result, m.gone
		}
	}
	m.result, m.brought = m.brought, nil
	m.round++
	m.all.Broadcast()
	return m.result, m.gone
}

type thread struct {
	*meeting
	rank int
}

func (t *thread) Rank() int  { return t.rank }
func (t *thread) Size() int  { return t.n }
func (t *thread) Local() int { return t.rank }

func (t *thread) Gather(mine, all []byte) error {
	if len(all) != t.n*len(mine) {
		return fmt.Errorf("%w: gathering %d bytes of %d ranks into %d", exchange.ErrWorld, len(mine), t.n, len(all))
	}
	brought, err := t.meet(t.rank, append([]byte{}, mine...))
	if err != nil {
		return err
	}
	for r, x := range brought {
		copy(all[r*len(mine):], x.([]byte))
	}
	return nil
}

func (t *thread) Sum(x []float32) error {
	brought, err := t.meet(t.rank, append([]float32{}, x...))
	if err != nil {
		return err
	}
	clear(x)
	for _, other := range brought {
		for i, v := range other.([]float32) {
			x[i] += v
		}
	}
	return nil
}

func (t *thread) Share(x []byte, root int) error {
	if root < 0 || root >= t.n {
		return fmt.Errorf("%w: rank %d of a world of %d", exchange.ErrWorld, root, t.n)
	}
	brought, err := t.meet(t.rank, append([]byte{}, x...))
	if err == nil {
		copy(x, brought[root].([]byte))
	}
	return err
}

func (t *thread) Abort(reason error) {
	t.leave(fmt.Errorf("%w: rank %d: %w", exchange.ErrWorld, t.rank, reason))
}
func (t *thread) Close() error { return nil }

func (t *thread) leave(why error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gone == nil {
		t.gone = why
	}
	t.all.Broadcast()
}

// Everywhere runs work on the n ranks of Threads at the same time, and gives what each of them returned.
func Everywhere(n int, work func(w exchange.World) error) []error {
	errs := make([]error, n)
	var group sync.WaitGroup
	for rank, w := range Threads(n) {
		group.Go(func() { errs[rank] = work(w) })
	}
	group.Wait()
	return errs
}
