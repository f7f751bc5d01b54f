package download

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"clipnb/clipkit/internal/machine"
)

// finalError is an error that another try at the same address would not mend.
type finalError struct{ error }

func (e *finalError) Unwrap() error { return e.error }

func final(format string, a ...any) error { return &finalError{fmt.Errorf(format, a...)} }

// errUnreachable is wrapped when there was no answer at all.
var errUnreachable = errors.New("no answer")

// busyError is the answer of a server that may succeed later.
type busyError struct {
	status string
	after  time.Duration
}

func (e *busyError) Error() string { return "the server answers " + e.status }

// checkURL lets through https, and http to this machine.
func checkURL(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return final("%w", err)
	}
	ip := net.ParseIP(u.Hostname())
	if u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()) {
		return nil
	}
	return final("%s://%s is refused: only https", u.Scheme, u.Host)
}

var sha256Form = regexp.MustCompile(`^[0-9a-f]{64}$`)

// statedByHub is what HF's hub says of a file, in the answer that redirects to the server with the bytes.
type statedByHub struct {
	sha256 string
	size   int64
}

func (l *statedByHub) read(h http.Header) {
	if s := strings.Trim(h.Get("X-Linked-Etag"), `"`); sha256Form.MatchString(s) {
		l.sha256 = s
	}
	if n, err := strconv.ParseInt(h.Get("X-Linked-Size"), 10, 64); err == nil && n > 0 {
		l.size = n
	}
}

// try asks once for the bytes that are missing and appends what comes.
func (r File) try(ctx context.Context, part *partial) error {
	if part.size > 0 && part.size == part.Total {
		return nil // whole; an earlier process ended before it gave the file its name
	}
	stall := r.Stall
	if stall == 0 {
		stall = time.Minute
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(min(stall, answerWithin), func() { cancel(errors.New("the server falls silent")) })
	defer silence.Stop()

	req, err := http.NewRequestWithContext(ctx, http.MethodGet, part.URL, nil)
	if err != nil {
		return final("%w", err)
	}
	req.Header.Set("Accept-Encoding", "identity")
	if part.size > 0 && part.Validator != "" {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", part.size))
		req.Header.Set("If-Range", part.Validator)
	}
	var stated statedByHub
	client := http.Client{}
	if r.Client != nil {
		client = *r.Client
	}
	client.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		stated.read(req.Response.Header)
		switch {
		case len(via) >= 10:
			return final("more than 10 redirects")
		case via[0].URL.Scheme == "https" && req.URL.Scheme != "https":
			return final("a redirect to %s://%s is refused: only https", req.URL.Scheme, req.URL.Host)
		}
		return checkURL(req.URL.String())
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("%w: %w", errUnreachable, cause(ctx, err))
	}
	defer resp.Body.Close()
	silence.Reset(stall)
	stated.read(resp.Header)
	if err := r.accept(resp, part, stated); err != nil {
		return err
	}
	return cause(ctx, r.receive(resp.Body, part, func() { silence.Reset(stall) }))
}

// cause gives the reason why the context of a try was ended in place of the error "context canceled".
func cause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// accept decides by an answer's header whether its body is to be read, and prepares part for it.
func (r File) accept(resp *http.Response, part *partial, stated statedByHub) error {
	validator := resp.Header.Get("ETag")
	if strings.HasPrefix(validator, "W/") || validator == "" {
		validator = resp.Header.Get("Last-Modified") // a weak ETag does not stand for the same bytes
	}
	switch resp.StatusCode {
	case http.StatusOK: // the whole file: a first try, a server without ranges, or another file than before
		if err := r.acceptable(resp, stated); err != nil {
			return err
		}
		if err := r.fits(resp.ContentLength, part.size); err != nil {
			return err
		}
		return part.restart(validator, stated.sha256, resp.ContentLength)
	case http.StatusPartialContent:
		var from, to, total int64
		answer := resp.Header.Get("Content-Range")
		_, err := fmt.Sscanf(answer, "bytes %d-%d/%d", &from, &to, &total)
		if err == nil && from == part.size && from > 0 && to == total-1 && total == part.Total && validator == part.Validator && stated.sha256 == part.SHA256 {
			return r.fits(total, part.size)
		}
		if err := part.restart("", "", -1); err != nil {
			return err
		}
		return fmt.Errorf("the rest of another file was sent (%q): starting again", answer)
	case http.StatusRequestedRangeNotSatisfiable:
		if err := part.restart("", "", -1); err != nil {
			return err
		}
		return errors.New("the server has less than was received before: starting again")
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		seconds, err := strconv.Atoi(resp.Header.Get("Retry-After"))
		if err != nil {
			seconds = 0 // absent, or a date
		}
		return &busyError{resp.Status, time.Duration(min(max(seconds, 0), 3600)) * time.Second}
	case http.StatusRequestTimeout, http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout:
		return &busyError{status: resp.Status}
	}
	return final("the server answers %s", resp.Status)
}

// acceptable refuses, by its header, an answer that cannot be the whole file.
func (r File) acceptable(resp *http.Response, stated statedByHub) error {
	total, limit := resp.ContentLength, r.limit()
	switch encoding := resp.Header.Get("Content-Encoding"); {
	case encoding != "" && encoding != "identity":
		return final("the server sends it compressed (%s)", encoding)
	case strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html"):
		return errHTML
	case total > limit:
		return final("the server has %d bytes, more than the limit of %d", total, limit)
	case total >= 0 && r.Size > 0 && total != r.Size:
		return final("the server has %d bytes, want %d", total, r.Size)
	case total >= 0 && stated.size > 0 && total != stated.size:
		return final("the server sends %d bytes of a file of %d", total, stated.size)
	}
	return nil
}

// fits tells before hours of downloading that the disk has no room for what is missing of the file. Where the system does not say what is free, it fits.
func (r File) fits(total, have int64) error {
	free := r.Free
	if free == nil {
		free = machine.FreeSpace
	}
	if n, err := free(filepath.Dir(r.Path)); err == nil && total > 0 && n < total-have {
		return fmt.Errorf("%d of %d bytes are still to come and %d are free: %w", total-have, total, n, syscall.ENOSPC)
	}
	return nil
}

var (
	errHTML    = final("a page of HTML instead of the file: does the address ask for a login?")
	errPointer = final("a Git LFS pointer instead of the file: the address must be one that gives the file itself (…/resolve/…)")
)

func (r File) limit() int64 {
	if r.MaxSize > 0 {
		return r.MaxSize
	}
	return defaultMax
}

// receive appends the body to part, and no more than the whole file has.
func (r File) receive(body io.Reader, part *partial, alive func()) error {
	b := bufio.NewReader(body)
	if part.size == 0 {
		start, err := b.Peek(64)
		switch lower := bytes.ToLower(bytes.TrimSpace(start)); {
		case err != nil && err != io.EOF:
			return err
		case bytes.HasPrefix(lower, []byte("<!doctype html")), bytes.HasPrefix(lower, []byte("<html")):
			return errHTML
		case bytes.HasPrefix(start, []byte("version https://git-lfs")):
			return errPointer
		}
	}
	if _, err := part.file.Seek(part.size, io.SeekStart); err != nil {
		return err
	}
	limit := r.limit()
	if part.Total >= 0 {
		limit = part.Total
	}
	buffer := make([]byte, 1<<18)
	for {
		n, readErr := b.Read(buffer)
		if n > 0 {
			alive()
			if part.size+int64(n) > limit {
				return final("more than %d bytes were sent", limit)
			}
			if _, err := part.file.Write(buffer[:n]); err != nil {
				return err
			}
			part.size += int64(n)
			if r.Progress != nil {
				r.Progress(part.size, part.Total)
			}
		}
		switch {
		case readErr == io.EOF && part.size < part.Total:
			return io.ErrUnexpectedEOF
		case readErr == io.EOF && r.Size > 0 && part.size != r.Size:
			return final("%d bytes were sent, want %d", part.size, r.Size)
		case readErr == io.EOF:
			return nil
		case readErr != nil:
			return readErr
		}
	}
}
