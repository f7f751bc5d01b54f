package intake

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// serve starts a server with a handler behind Watch.
func serve(t *testing.T, most int, h http.HandlerFunc) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h(Watch(w, r)) }), ReadHeaderTimeout: time.Minute}
	Limit(s, most)
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return l.Addr().String()
}

// visitor is a client that sends what it likes.
func visitor(t *testing.T, address, sends string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, sends); err != nil {
		t.Fatal(err)
	}
	return c
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("in five minutes not: " + what)
		}
	}
}

const post = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"

// A body of which a byte comes now and then is given up; one that comes whole is read, however long the answer takes after that.
// fault 41, 19.12
func TestSlowBodyIsGivenUp(t *testing.T) {
	errs := make(chan error, 2)
	address := serve(t, 8, func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		errs <- err
	})
	c := visitor(t, address, fmt.Sprintf(post, 100_000)+"x")
	stop := make(chan struct{})
	go func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(200 * time.Millisecond):
				io.WriteString(c, "x")
			}
		}
	}()
	if err := <-errs; !errors.Is(err, ErrSlow) {
		t.Errorf("a byte now and then: %v", err)
	}
	close(stop)
	whole := bytes.Repeat([]byte("x"), 3*part+7)
	if _, err := http.Post("http://"+address, "text/plain", bytes.NewReader(whole)); err != nil {
		t.Error(err)
	}
	if err := <-errs; err != nil {
		t.Errorf("a whole body: %v", err)
	}
}

// One connection too many closes the one that has kept the server waiting for the longest, and none that is being worked for.
// fault 41, 19.12
func TestOneConnectionTooMany(t *testing.T) {
	release := make(chan struct{})
	var working atomic.Int32
	address := serve(t, 4, func(w http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err != nil || string(body) != "work" {
			return
		}
		working.Add(1)
		<-release
		io.WriteString(w, "done")
	})
	closed := func(c net.Conn) chan error {
		ended := make(chan error, 1)
		go func() {
			_, err := io.Copy(io.Discard, c)
			ended <- err
		}()
		return ended
	}
	worker := visitor(t, address, fmt.Sprintf(post, 4)+"work")
	until(t, "the first works", func() bool { return working.Load() == 1 })
	slow := []chan error{}
	for _, sends := range []string{"", "GET", fmt.Sprintf(post, 10) + "x"} {
		slow = append(slow, closed(visitor(t, address, sends)))
		time.Sleep(50 * time.Millisecond) // so that they come in this order; where they do not, another one of them is closed first
	}
	for i := range 3 { // each new one is answered in the place of a slow one
		visitor(t, address, fmt.Sprintf(post, 4)+"work")
		until(t, "the next works", func() bool { return int(working.Load()) == 2+i })
	}
	for i, ended := range slow {
		select {
		case <-ended:
		case <-time.After(5 * time.Minute):
			t.Errorf("slow client %d is still there", i)
		}
	}
	// All four places are worked for: a fifth is closed, and theirs go on.
	<-closed(visitor(t, address, ""))
	close(release)
	worker.SetReadDeadline(time.Now().Add(5 * time.Minute))
	answer := make([]byte, 512)
	if n, err := worker.Read(answer); err != nil || !bytes.HasPrefix(answer[:n], []byte("HTTP/1.1 200")) {
		t.Errorf("the first: %q, %v", answer[:n], err)
	}
}

// Bodies that are held at once have a limit; for one that is there sooner, one that has been coming for longer is given up. What is done counts no more.
func TestMemory(t *testing.T) {
	m := &Memory{Most: 4 * part}
	type result struct {
		size int
		err  error
	}
	results, hold := make(chan result, 8), make(chan struct{})
	address := serve(t, 64, func(w http.ResponseWriter, r *http.Request) {
		all, done, err := m.Read(r, 8*part)
		defer done()
		results <- result{len(all), err}
		if r.URL.Path == "/hold" {
			<-hold
		}
	})
	held := func() int64 { m.mu.Lock(); defer m.mu.Unlock(); return m.held }
	visitor(t, address, fmt.Sprintf(post, 4*part)+string(make([]byte, 3*part)))
	until(t, "three parts are held", func() bool { return held() == 3*part })
	whole := bytes.NewReader(make([]byte, 2*part))
	go http.Post("http://"+address+"/hold", "text/plain", whole)
	got := map[int]error{}
	for range 2 {
		r := <-results
		got[r.size] = r.err
	}
	if err, ok := got[2*part]; !ok || err != nil || !errors.Is(got[0], ErrBusy) {
		t.Errorf("%v", got)
	}
	if held() != 2*part {
		t.Errorf("%d bytes held", held())
	}
	// What is whole is not given up: the next finds no place.
	if _, err := http.Post("http://"+address, "text/plain", bytes.NewReader(make([]byte, 3*part))); err != nil {
		t.Error(err)
	}
	if r := <-results; !errors.Is(r.err, ErrBusy) {
		t.Errorf("%+v", r)
	}
	close(hold)
	until(t, "nothing is held", func() bool { return held() == 0 })
	http.Post("http://"+address, "text/plain", bytes.NewReader(make([]byte, 8*part+1)))
	if r := <-results; r.err == nil {
		t.Error("a body over the limit")
	}
	until(t, "nothing is held", func() bool { return held() == 0 })
}
