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

// fault 19.12: 140 clients at one byte a second, and 140 that stop within a large body, hold nobody up: bodies are read before a slot is taken
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

// fault 19.12: a limit of connections: two thousand that send nothing, or never a whole request, are closed for those that ask
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

// fault 19.12: a framing page must be of the same origin, not any port of this machine
func TestFramingPageIsOfTheSameOrigin(t *testing.T) {
	for _, token := range []string{"", "0123456789abcdefXYZ_-"} {
		s := serve(t, 1, token)
		for _, path := range []string{"/", "/api/info", "/thumb/x/192/1", "/open/x", "/nothing"} {
			_, head := plain(t, s.URL, "GET "+path+" HTTP/1.1\nHost: 127.0.0.1")
			csp := head.Get("Content-Security-Policy")
			if _, ancestors, _ := strings.Cut(csp, "frame-ancestors "); ancestors != "'self'" || head.Get("X-Frame-Options") != "SAMEORIGIN" {
				t.Errorf("%s: frame-ancestors %s, X-Frame-Options %s", path, ancestors, head.Get("X-Frame-Options"))
			}
		}
	}
}

// fault 19.12: what a notebook's output keeps is a ticket, which opens the page once; the session that one gets for it is known to nobody else
func TestTicketOpensOnce(t *testing.T) {
	const token = "0123456789abcdefXYZ_-"
	s := serve(t, 1, token)
	type tickets struct{ Ticket, Session string }
	issue := func() string {
		t.Helper()
		r, _ := http.NewRequest("POST", s.URL+"/api/ticket", strings.NewReader("{}"))
		r.Header.Set("Authorization", "Bearer "+token)
		reply, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer reply.Body.Close()
		b, _ := io.ReadAll(reply.Body)
		_, rest, _ := strings.Cut(string(b), `"ticket":"`)
		ticket, _, _ := strings.Cut(rest, `"`)
		if reply.StatusCode != http.StatusOK || len(ticket) < 26 || strings.Contains(string(b), token) {
			t.Fatalf("%s %s", reply.Status, b)
		}
		return ticket
	}
	var got tickets
	first := issue()
	if status := call(t, "POST", s.URL+"/ticket", q{"ticket": first}, &got); status != 200 || got.Session == "" || got.Session == first {
		t.Fatalf("a ticket: status %d, %+v", status, got)
	}
	if status := call(t, "GET", s.URL+"/"+got.Session+"/api/info", nil, nil); status != 200 {
		t.Errorf("the session: status %d", status)
	}
	// A page that takes this one's place has its token and goes on with its sessions; one with another token does not.
	for other, want := range map[string]int{token: 200, token + "x": 401} {
		e := small()
		page := start(t, explore.Config{Source: e.split, Sides: e.sides[:1], Token: other})
		if status := call(t, "GET", page.URL+"/"+got.Session+"/api/info", nil, nil); status != want {
			t.Errorf("the session at the page with the token %s: status %d, want %d", other, status, want)
		}
	}
	second := issue()
	var again tickets // a browser that has a session gives the ticket away all the same
	if status := call(t, "POST", s.URL+"/ticket", q{"ticket": second, "session": got.Session}, &again); status != 200 || again != got {
		t.Errorf("with a session: status %d, %+v", status, again)
	}
	for name, question := range map[string]q{"used": {"ticket": first}, "used beside a session": {"ticket": second}, "the token": {"ticket": token}, "a session": {"ticket": got.Session}, "nothing": {}, "another's": {"ticket": second, "session": "x"}} {
		if status := call(t, "POST", s.URL+"/ticket", question, nil); status != 401 {
			t.Errorf("%s: status %d", name, status)
		}
	}
	if status := call(t, "POST", s.URL+"/"+got.Session+"/api/ticket", q{}, nil); status != 401 {
		t.Errorf("a session asks for tickets: status %d", status)
	}
	link := s.URL + "/open/" + issue()
	if reply, err := http.Head(link); err != nil || reply.StatusCode != http.StatusNoContent {
		t.Errorf("a look ahead: %v %v", reply, err)
	}
	reply, err := http.Get(link)
	if err != nil || reply.StatusCode != 200 || strings.Contains(reply.Request.URL.Path, "open") || len(reply.Request.URL.Path) < 26 {
		t.Fatalf("following the link: %v %v", reply, err)
	}
	if status := call(t, "GET", link, nil, nil); status != 401 {
		t.Errorf("following it again: status %d", status)
	}
}
