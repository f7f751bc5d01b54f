package explore_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"clipnb/clipkit/explore"
)

// listen serves a page on the small set as a program does, and gives its address.
func listen(t *testing.T, token string) (base string) {
	t.Helper()
	e := small()
	if e.err != nil {
		t.Fatal(e.err)
	}
	h, err := explore.New(t.Context(), explore.Config{Title: "slow", Source: e.split, Sides: e.sides[:1], Token: token})
	if err != nil {
		t.Fatal(err)
	}
	l, err := explore.Listen("127.0.0.1:0", token)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- explore.Serve(ctx, l, h) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		h.Close()
	})
	return "http://" + l.Addr().String()
}

// 140 clients at one byte a second, and 140 that stop within a large body, hold nobody up: bodies are read before a slot is taken.
// fault 19.12
func TestSlowClientsHoldNobodyUp(t *testing.T) {
	base := listen(t, "")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	slow := func(path, kind string, first int) {
		c, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", path, kind, 15<<20, strings.Repeat(" ", first))
		go func() {
			defer c.Close()
			for ctx.Err() == nil {
				select {
				case <-ctx.Done():
				case <-time.After(time.Second):
				}
				if _, err := io.WriteString(c, " "); err != nil {
					return // it was given up
				}
			}
		}()
	}
	picture := file(t, "jpeg_420_333x250.jpg")
	for round, first := range []int{0, 300_000} {
		for i := range 140 {
			slow([]string{"/api/picture", "/api/encode", "/api/search", "/api/why"}[i%4], []string{"image/png", "application/json", "application/json", "application/json"}[i%4], first)
		}
		if status, _ := upload(t, base, "image/jpeg", picture); status != http.StatusOK {
			t.Errorf("round %d: an upload: status %d", round, status)
		}
		if a := search(t, base, q{"text": "红心", "k": 3}); len(a.Hits) != 3 {
			t.Errorf("round %d: %v", round, a)
		}
		if status := call(t, "POST", base+"/api/encode", q{"texts": []string{"猫"}}, nil); status != http.StatusOK {
			t.Errorf("round %d: encoding: status %d", round, status)
		}
	}
}

// A limit of connections: two thousand that send nothing, or never a whole request, are closed for those that ask.
// fault 19.12
func TestIdleConnectionsMakeRoom(t *testing.T) {
	base := listen(t, "")
	closed := make(chan struct{}, 2000)
	for i := range 2000 {
		c, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, []string{"", "GET /api/inf"}[i%2])
		go func() {
			io.Copy(io.Discard, c)
			closed <- struct{}{}
		}()
	}
	for range 2000 - 1024 {
		<-closed
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for range 5 {
		reply, err := client.Get(base + "/api/info")
		if err != nil {
			t.Fatal(err)
		}
		reply.Body.Close()
		if reply.StatusCode != http.StatusOK {
			t.Errorf("status %d", reply.StatusCode)
		}
	}
}
