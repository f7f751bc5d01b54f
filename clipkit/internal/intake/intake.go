// Package intake takes requests in from clients that are slow, or pretend to be, so that they hold up nobody else.
//
//	intake.Limit(server, 1024)          // connections at once
//	w, r = intake.Watch(w, r)           // in the handler: the body has to keep coming
//	body, done, err := memory.Read(r, 16<<20)
//	defer done()
//
// Work begins, and takes its slot, when the body is there. Until then a client costs a connection and what it has sent:
//
//   - a body comes in parts of 16 KiB; each has five seconds (a rate of 3 KiB/s), and all together thirty. Then the answer is ErrSlow.
//   - of a server's connections, those that the server waits for (the request comes, the answer is fetched, nothing is asked) can be closed:
//     when there is one too many, the one that has been waited for the longest is. A client that does not keep the server waiting is not among them.
//   - bodies that are held at once have a limit in bytes, counted as they come. Where a byte more does not fit, the body that has been coming for the
//     longest is given up: ErrBusy.
package intake

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

var (
	// ErrSlow says that a body did not keep coming: 408.
	ErrSlow = errors.New("the request's body comes too slowly; want 16 KiB in 5 seconds, and all of it in 30")
	// ErrBusy says that there is no room for a body now: 503.
	ErrBusy = errors.New("too many large requests at once; try again in a second")
)

const (
	part         = 16 << 10
	partPatience = 5 * time.Second
	patience     = 30 * time.Second
)

// body is one that has to keep coming.
type body struct {
	io.ReadCloser
	control *http.ResponseController
	visit   visit
	last    time.Time // when all of it has to be there
	left    int       // of the part that is coming
	givenUp atomic.Bool
}

// Watch gives the request a body that has to keep coming, and a writer with which the answer's beginning is seen. A request without a body is whole.
func Watch(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, *http.Request) {
	v, _ := r.Context().Value(visitKey{}).(visit)
	control := http.NewResponseController(w)
	if r.Body == nil || r.Body == http.NoBody {
		_ = control.SetReadDeadline(time.Time{}) // the server's own would end a long answer; a recorder has none
		v.whole()
	} else {
		watched := *r
		watched.Body = &body{ReadCloser: r.Body, control: control, visit: v, last: time.Now().Add(patience)}
		r = &watched
	}
	return &answer{w, v}, r
}

func (b *body) Read(p []byte) (int, error) {
	if b.left == 0 {
		b.left = part
		_ = b.control.SetReadDeadline(earlier(b.last, time.Now().Add(partPatience)))
	}
	if b.givenUp.Load() {
		return 0, ErrBusy
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	switch {
	case err == io.EOF:
		_ = b.control.SetReadDeadline(time.Time{})
		b.visit.whole()
	case b.givenUp.Load():
		err = ErrBusy
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = ErrSlow
	}
	return n, err
}

// giveUp ends the reading of a body, from another goroutine.
func (b *body) giveUp() {
	b.givenUp.Store(true)
	_ = b.control.SetReadDeadline(time.Unix(1, 0))
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// answer is a ResponseWriter that tells when the answer begins: from then on the server waits for the client again.
type answer struct {
	http.ResponseWriter
	visit visit
}

func (a *answer) WriteHeader(status int) {
	a.visit.waits()
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(p []byte) (int, error) {
	a.visit.waits()
	return a.ResponseWriter.Write(p)
}

func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
