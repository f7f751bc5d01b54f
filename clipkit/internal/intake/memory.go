package intake

import (
	"io"
	"net/http"
	"slices"
	"sync"
)

// Memory is how many bytes of bodies are held at once. The zero value holds none.
type Memory struct {
	Most int64

	mu     sync.Mutex
	held   int64
	coming []*arrival // the one that began first is first
}

// arrival is what there is of one body.
type arrival struct {
	bytes int64
	body  *body // nil: Watch was not called, and it is not given up for others
}

// Read reads a body of at most limit bytes (more is a *http.MaxBytesError). Its bytes count until done is called.
func (m *Memory) Read(r *http.Request, limit int64) (all []byte, done func(), err error) {
	a := &arrival{}
	a.body, _ = r.Body.(*body)
	m.mu.Lock()
	m.coming = append(m.coming, a)
	m.mu.Unlock()
	done = func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.drop(a)
	}
	from, some := http.MaxBytesReader(nil, r.Body, limit), make([]byte, part)
	for err == nil {
		var n int
		n, err = from.Read(some)
		if n > 0 && !m.hold(a, int64(n)) {
			err = ErrBusy
			break
		}
		all = append(all, some[:n]...)
	}
	if err != io.EOF {
		done()
		return nil, func() {}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.coming = slices.DeleteFunc(m.coming, func(x *arrival) bool { return x == a })
	return all, done, nil
}

// hold counts n more bytes, for which bodies that still come are given up where it must be.
func (m *Memory) hold(a *arrival, n int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a.body != nil && a.body.givenUp.Load() {
		return false
	}
	for m.held+n > m.Most {
		i := slices.IndexFunc(m.coming, func(x *arrival) bool { return x != a && x.bytes > 0 && x.body != nil })
		if i < 0 {
			return false
		}
		other := m.coming[i]
		other.body.giveUp()
		m.drop(other)
	}
	m.held += n
	a.bytes += n
	return true
}

func (m *Memory) drop(a *arrival) {
	m.held -= a.bytes
	a.bytes = 0
	m.coming = slices.DeleteFunc(m.coming, func(x *arrival) bool { return x == a })
}
