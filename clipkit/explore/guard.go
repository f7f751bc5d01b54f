package explore

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"clipnb/clipkit/internal/intake"
)

var tokenForm = regexp.MustCompile(`^[A-Za-z0-9_-]{16,128}$`)

func checkToken(token string) error {
	if token != "" && !tokenForm.MatchString(token) {
		return fmt.Errorf("%w: a token of %d characters; want 16 to 128 of a–z, A–Z, 0–9, - and _, chosen at random", ErrConfig, len(token))
	}
	return nil
}

// policy lets the page use what comes from where it comes from. JupyterLab shows it in a frame, through its own address (jupyter-server-proxy), which makes the
// two of one origin; any other page of this machine is somebody else's.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; base-uri 'none'; " +
	"form-action 'none'; frame-ancestors 'self'"

// guard decides who is answered, and adds what every answer carries.
func (h *Handler) guard(next http.Handler) http.Handler {
	sameOrigin := http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w, r = intake.Watch(w, r)
		start, out := time.Now(), &counted{ResponseWriter: w, status: http.StatusOK}
		defer func() { h.metrics.answered(r, out.status, time.Since(start)) }()
		head := w.Header()
		head.Set("Content-Security-Policy", policy)
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("X-Frame-Options", "SAMEORIGIN")
		head.Set("Referrer-Policy", "no-referrer")
		head.Set("Cross-Origin-Resource-Policy", "same-origin")
		head.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		r, status := h.admit(r)
		switch status {
		case http.StatusOK:
			sameOrigin.ServeHTTP(out, r)
		case http.StatusUnauthorized:
			fail(out, status, errors.New(`a token is needed: /<token>/ before the path, or "Authorization: Bearer <token>"`))
		default:
			fail(out, status, fmt.Errorf("this page is not known as %.100q; call it 127.0.0.1 or localhost, or start it with a token", r.Host))
		}
	})
}

// admit checks the token and takes it out of the path; without one, it checks the name that the page was called by.
func (h *Handler) admit(r *http.Request) (*http.Request, int) {
	if h.token == "" {
		if !loopback(r.Host) {
			return r, http.StatusMisdirectedRequest
		}
		return r, http.StatusOK
	}
	if h.bearsToken(r) || r.URL.Path == "/ticket" || strings.HasPrefix(r.URL.Path, "/open/") {
		return r, http.StatusOK
	}
	given, rest, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if !ok || !h.isToken(given) && !h.tickets.is(given) {
		return r, http.StatusUnauthorized
	}
	inner := r.Clone(r.Context())
	inner.URL.Path, inner.URL.RawPath = "/"+rest, ""
	return inner, http.StatusOK
}

func (h *Handler) bearsToken(r *http.Request) bool {
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return ok && h.token != "" && h.isToken(given)
}

func (h *Handler) isToken(given string) bool {
	return subtle.ConstantTimeCompare([]byte(given), []byte(h.token)) == 1
}

// loopback tells whether a Host header, or an address to listen on, is this machine alone.
func loopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// counted remembers an answer's status.
type counted struct {
	http.ResponseWriter
	status int
}

func (c *counted) WriteHeader(status int) {
	c.status = status
	c.ResponseWriter.WriteHeader(status)
}

func (c *counted) Unwrap() http.ResponseWriter { return c.ResponseWriter }
