package intake

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// connections are those of a server.
type connections struct {
	most int
	mu   sync.Mutex
	all  map[net.Conn]state
}

// state is whether the server waits for the client, and since when.
type state struct {
	waits bool
	since time.Time
}

// Limit keeps a server, which must not run yet, from having more than most connections at once.
func Limit(s *http.Server, most int) {
	c := &connections{most: most, all: map[net.Conn]state{}}
	s.ConnState = c.changed
	s.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		return context.WithValue(ctx, visitKey{}, visit{c, conn})
	}
}

func (c *connections) changed(conn net.Conn, to http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch to {
	case http.StateClosed, http.StateHijacked:
		delete(c.all, conn)
		return
	case http.StateNew:
		if len(c.all) >= c.most && !c.closeOne() {
			_ = conn.Close() // all others are being worked for
			return
		}
	}
	if _, ok := c.all[conn]; ok || to == http.StateNew {
		c.all[conn] = state{waits: true, since: time.Now()}
	}
}

// closeOne closes the connection that the server has been waiting for the longest.
func (c *connections) closeOne() bool {
	var longest net.Conn
	var since time.Time
	for conn, s := range c.all {
		if s.waits && (longest == nil || s.since.Before(since)) {
			longest, since = conn, s.since
		}
	}
	if longest == nil {
		return false
	}
	delete(c.all, longest)
	_ = longest.Close()
	return true
}

// visitKey is the context's key of a visit.
type visitKey struct{}

// visit is a request's connection; the zero one, of a server without a limit, is not counted.
type visit struct {
	of   *connections
	conn net.Conn
}

func (v visit) set(waits bool) {
	if v.of == nil {
		return
	}
	v.of.mu.Lock()
	defer v.of.mu.Unlock()
	if s, ok := v.of.all[v.conn]; ok && s.waits != waits {
		v.of.all[v.conn] = state{waits, time.Now()}
	}
}

// whole says that the request is there, and it is the server's turn; waits says that it is the client's.
func (v visit) whole() { v.set(false) }
func (v visit) waits() { v.set(true) }
