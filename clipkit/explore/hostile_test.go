package explore_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"clipnb/clipkit/explore"
)

// Uploads that are no pictures, damaged, or pictures that are too large, get 4xx with a reason.
// fault 41
func TestHostileUploads(t *testing.T) {
	s := serve(t, 1, "")
	broken, err := filepath.Glob("../imaging/testdata/broken/*")
	if err != nil || len(broken) < 20 {
		t.Fatal(broken, err)
	}
	for _, path := range broken {
		if status, _ := upload(t, s.URL, "image/png", file(t, "broken/"+filepath.Base(path))); status != http.StatusUnprocessableEntity && status != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: status %d", path, status)
		}
	}
	for name, c := range map[string]struct {
		kind   string
		body   []byte
		status int
	}{
		"more bytes than allowed": {"image/png", make([]byte, 16<<20+1), http.StatusRequestEntityTooLarge},
		"a giant by its header":   {"image/png", file(t, "broken/giant.png"), http.StatusRequestEntityTooLarge},
		"empty":                   {"image/png", nil, http.StatusUnprocessableEntity},
		"a script":                {"image/svg+xml", []byte(`<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`), http.StatusUnprocessableEntity},
		"an address":              {"image/png", []byte("http://127.0.0.1:1/a.png"), http.StatusUnprocessableEntity},
		"a form":                  {"multipart/form-data; boundary=x", []byte("--x--"), http.StatusUnsupportedMediaType},
		"text":                    {"text/plain", []byte("x"), http.StatusUnsupportedMediaType},
		"no type":                 {"", []byte("x"), http.StatusUnsupportedMediaType},
	} {
		if status, _ := upload(t, s.URL, c.kind, c.body); status != c.status {
			t.Errorf("%s: status %d, want %d", name, status, c.status)
		}
	}
}

// fault 42, 44
func TestHostileQuestions(t *testing.T) {
	s := serve(t, 1, "")
	for name, c := range map[string]struct {
		path, kind, body string
		status           int
	}{
		"no JSON":           {"search", "application/json", "text=猫", 400},
		"cut off":           {"search", "application/json", `{"text": "猫"`, 400},
		"two objects":       {"search", "application/json", `{"text": "猫"}{}`, 400},
		"an unknown field":  {"search", "application/json", `{"text": "猫", "url": "http://example.org/"}`, 400},
		"another type":      {"search", "application/json", `{"text": 1}`, 400},
		"a form":            {"search", "application/x-www-form-urlencoded", `{"text": "猫"}`, 415},
		"nothing":           {"search", "application/json", `{}`, 400},
		"spaces":            {"search", "application/json", `{"text": "  "}`, 400},
		"a long text":       {"search", "application/json", `{"text": "` + strings.Repeat("猫", 2001) + `"}`, 400},
		"a longer text":     {"search", "application/json", `{"text": "` + strings.Repeat("猫", 100_000) + `"}`, 413},
		"k too large":       {"search", "application/json", `{"text": "猫", "k": 1001}`, 400},
		"k below":           {"search", "application/json", `{"text": "猫", "k": -1}`, 400},
		"offset overflow":   {"search", "application/json", `{"text": "猫", "k": 1000, "offset": 9223372036854775807}`, 400},
		"offset below":      {"search", "application/json", `{"text": "猫", "offset": -1}`, 400},
		"no such model":     {"search", "application/json", `{"text": "猫", "model": 1}`, 400},
		"a model below":     {"search", "application/json", `{"text": "猫", "model": -1}`, 400},
		"weight":            {"search", "application/json", `{"text": "猫", "weight": 1e300}`, 400},
		"to":                {"search", "application/json", `{"text": "猫", "to": "files"}`, 400},
		"both pictures":     {"search", "application/json", `{"image": 40003, "picture": "x"}`, 400},
		"no such image":     {"search", "application/json", `{"image": -5}`, 404},
		"no such picture":   {"search", "application/json", `{"picture": "00000000000000000000000000000000"}`, 410},
		"another's key":     {"search", "application/json", `{"picture": "id 40003"}`, 410},
		"deep nesting":      {"search", "application/json", strings.Repeat("[", 60_000), 400},
		"nothing to encode": {"encode", "application/json", `{}`, 400},
		"too many texts":    {"encode", "application/json", `{"texts": [` + strings.Repeat(`"x",`, 256) + `"x"]}`, 400},
		"no base64":         {"encode", "application/json", `{"pictures": ["!"]}`, 400},
		"no picture":        {"encode", "application/json", `{"pictures": ["aGVsbG8="]}`, 422},
	} {
		reply, err := http.Post(s.URL+"/api/"+c.path, c.kind, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(name, err)
		}
		var said struct{ Error string }
		err = json.NewDecoder(reply.Body).Decode(&said)
		reply.Body.Close()
		if reply.StatusCode != c.status || err != nil || len(said.Error) < 5 || len(said.Error) > 500 {
			t.Errorf("%s: status %d, want %d: %q %v", name, reply.StatusCode, c.status, said.Error, err)
		}
	}
	for _, c := range []string{"GET /api/search", "DELETE /api/info", "POST /healthz", "PUT /api/picture", "POST /main.js"} {
		method, path, _ := strings.Cut(c, " ")
		if status := call(t, method, s.URL+path, nil, nil); status != http.StatusMethodNotAllowed {
			t.Errorf("%s: status %d", c, status)
		}
	}
}

// plain sends a request as it is and gives the answer's status and headers.
func plain(t *testing.T, base, request string) (int, http.Header) {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, strings.ReplaceAll(request, "\n", "\r\n")+"\r\nConnection: close\r\n\r\n")
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	var status int
	fmt.Sscanf(string(b), "HTTP/1.1 %d", &status)
	head := http.Header{}
	for line := range strings.Lines(string(b)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
			head.Add(name, value)
		}
	}
	return status, head
}

// Without a token only this machine's names are answered, and no other page's requests.
func TestOtherNamesAndOtherPages(t *testing.T) {
	s := serve(t, 1, "")
	port := s.URL[strings.LastIndex(s.URL, ":"):]
	for host, want := range map[string]int{
		"127.0.0.1" + port: 200, "localhost" + port: 200, "[::1]" + port: 200, "127.0.0.1": 200,
		"rebound.example.org" + port: 421, "192.168.1.7" + port: 421, "localhost.example.org": 421, "0x7f.1": 421,
	} {
		status, head := plain(t, s.URL, "GET /api/info HTTP/1.1\nHost: "+host)
		if status != want {
			t.Errorf("as %s: status %d, want %d", host, status, want)
		}
		if csp := head.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'; script-src 'self';") || head.Get("X-Content-Type-Options") != "nosniff" ||
			head.Get("Referrer-Policy") != "no-referrer" || head.Get("Cross-Origin-Resource-Policy") != "same-origin" || head.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("as %s: headers %v", host, head)
		}
	}
	post := "POST /api/search HTTP/1.1\nHost: 127.0.0.1" + port + "\nContent-Type: application/json\nContent-Length: 14\n%s\n\n{\"text\":\"cat\"}"
	for headers, want := range map[string]int{
		"X: y": 200, "Sec-Fetch-Site: same-origin": 200, "Origin: http://127.0.0.1" + port: 200,
		"Sec-Fetch-Site: cross-site": 403, "Sec-Fetch-Site: same-site": 403, "Origin: http://example.org": 403, "Origin: null": 403,
	} {
		if status, _ := plain(t, s.URL, fmt.Sprintf(strings.TrimSuffix(post, "\n\n{\"text\":\"cat\"}"), headers+"\nConnection: close")+"\n\n{\"text\":\"cat\"}"); status != want {
			t.Errorf("%s: status %d, want %d", headers, status, want)
		}
	}
}

// fault 43
func TestToken(t *testing.T) {
	const token = "0123456789abcdefXYZ_-"
	s := serve(t, 1, token)
	for path, want := range map[string]int{
		"/": 401, "/api/info": 401, "/main.js": 401, "/healthz": 401, "/metrics": 401, "/wrong/api/info": 401, "/" + token: 401, "/" + token + "x/": 401,
		"/" + token + "/": 200, "/" + token + "/api/info": 200, "/" + token + "/main.js": 200, "/" + token + "/../api/info": 307, // to where 401 is
	} {
		if status, _ := plain(t, s.URL, "GET "+path+" HTTP/1.1\nHost: any.example.org"); status != want {
			t.Errorf("%s: status %d, want %d", path, status, want)
		}
	}
	for value, want := range map[string]int{"Bearer " + token: 200, "Bearer x": 401, token: 401, "Basic " + token: 401} {
		if status, _ := plain(t, s.URL, "GET /api/info HTTP/1.1\nHost: any.example.org\nAuthorization: "+value); status != want {
			t.Errorf("Authorization %s: status %d, want %d", value, status, want)
		}
	}
	e := embedded()
	for _, weak := range []string{"short", strings.Repeat("a", 129), "0123456789abcdef/x"} {
		if h, err := explore.New(t.Context(), explore.Config{Source: e.split, Sides: e.sides[:1], Token: weak}); err == nil {
			h.Close()
			t.Errorf("token %q was taken", weak)
		}
	}
	for address, allowed := range map[string]bool{"127.0.0.1:0": true, "localhost:0": true, "[::1]:0": true, ":0": false, "0.0.0.0:0": false, "[::]:0": false} {
		l, err := explore.Listen(address, "")
		if err == nil {
			l.Close()
		}
		if _, isNet := err.(net.Error); (err == nil) != allowed && !(allowed && isNet) && !strings.Contains(fmt.Sprint(err), "address family") {
			t.Errorf("listening on %s without a token: %v", address, err)
		}
	}
	l, err := explore.Listen(":0", token)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

// A page that goes away ends what was computed for it, and Serve ends with its context.
func TestServeEnds(t *testing.T) {
	e := embedded()
	h, err := explore.New(t.Context(), explore.Config{Source: e.split, Sides: e.sides[:1]})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	l, err := explore.Listen("127.0.0.1:0", "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- explore.Serve(ctx, l, h) }()
	if status := call(t, "GET", "http://"+l.Addr().String()+"/healthz", nil, nil); status != http.StatusOK {
		t.Error(status)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := explore.Listen("127.0.0.1:99999", ""); err == nil {
		t.Error("port 99999")
	}
}

// FuzzQuestions: whatever is asked, the answer is 2xx or 4xx with a reason.
func FuzzQuestions(f *testing.F) {
	for _, seed := range []string{`{"text": "猫"}`, `{"image": 40001, "to": "texts", "k": 3}`, `{"text": "x", "weight": 0.5, "filter": {"a": "b"}}`, `{`, `[]`, `null`, `{"k": 1e999}`} {
		f.Add([]byte(seed), "search")
	}
	f.Add([]byte(`{"text": "红心", "image": 40001, "grid": 2}`), "why")
	f.Add([]byte(`{"texts": ["a"], "pictures": ["R0lGODlh"], "model": 0}`), "encode")
	f.Add([]byte("GIF89a"), "picture")
	e := small()
	if e.err != nil {
		f.Fatal(e.err)
	}
	h, err := explore.New(f.Context(), explore.Config{Source: e.split, Sides: e.sides[:1]})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte, path string) {
		r := httptest.NewRequest("POST", "http://127.0.0.1/api/x", bytes.NewReader(body))
		r.URL.Path = "/api/" + path
		r.Header.Set("Content-Type", "application/json")
		if path == "picture" {
			r.Header.Set("Content-Type", "image/png")
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code >= 500 || w.Code < 200 {
			t.Errorf("status %d: %s", w.Code, w.Body)
		}
	})
}
