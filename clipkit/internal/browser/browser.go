// Package browser lets tests look at an HTML page with a real browser, headless Chromium, that cannot reach any host.
//
//	visit := browser.Open(t, page)                 // skips the test, saying why, where there is no Chromium
//	strings.Contains(visit.DOM, "<svg")            // the document after its scripts have run
//	len(visit.Requests) == 0                       // what it tried to load from a network
//	browser.Screenshot(t, page, "/tmp/page.png", browser.Look{Width: 1000, Height: 800, Dark: true})
//
// A [Tab] is a page that a test types and clicks in.
//
// Chromium is looked for in $CLIPKIT_CHROMIUM, then by its usual names in $PATH. Each call starts a fresh profile and takes one to
// three seconds. Only tests import this package.
package browser

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Visit is what the browser saw.
type Visit struct {
	DOM      string   // serialised document after the page's scripts and five seconds of its timers
	Requests []string // URLs that the page tried to get from a network; a content security policy blocks before that, see Console
	Console  []string // what scripts logged, their uncaught errors, and what a content security policy blocked
}

// Look is how a screenshot is taken, in CSS pixels.
type Look struct {
	Width, Height int
	Dark          bool // prefers-color-scheme: dark
}

// Open loads the page and returns what came of it.
func Open(t testing.TB, page string) Visit {
	t.Helper()
	dir := t.TempDir()
	netlog := filepath.Join(dir, "net.json")
	dom, stderr := run(t, dir, page, "--dump-dom", "--log-net-log="+netlog, "--enable-logging=stderr")
	requests, err := networkRequests(netlog)
	if err != nil {
		t.Fatalf("browser: %v", err)
	}
	return Visit{DOM: dom, Requests: requests, Console: consoleLines(stderr)}
}

// DumpDOM is the document after its scripts have run.
func DumpDOM(t testing.TB, page string) string {
	t.Helper()
	return Open(t, page).DOM
}

// Screenshot writes a PNG to file.
func Screenshot(t testing.TB, page, file string, look Look) {
	t.Helper()
	scheme := 1 // Blink's numbers: 0 dark, 1 light
	if look.Dark {
		scheme = 0
	}
	run(t, t.TempDir(), page, "--screenshot="+file, "--hide-scrollbars",
		fmt.Sprintf("--window-size=%d,%d", look.Width, look.Height), fmt.Sprintf("--blink-settings=preferredColorScheme=%d", scheme))
	if info, err := os.Stat(file); err != nil || info.Size() == 0 {
		t.Fatalf("browser: Chromium ended well but wrote no screenshot to %s (%v)", file, err)
	}
}

// run starts Chromium on the page and returns its standard output and error.
func run(t testing.TB, dir, page string, flags ...string) (stdout, stderr string) {
	t.Helper()
	program := find(t)
	file := filepath.Join(dir, "page.html")
	if err := os.WriteFile(file, []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	args := append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--no-default-browser-check",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
		"--host-resolver-rules=MAP * ~NOTFOUND", "--user-data-dir=" + filepath.Join(dir, "profile"), "--virtual-time-budget=5000",
	}, flags...)
	cmd := exec.CommandContext(ctx, program, append(args, (&url.URL{Scheme: "file", Path: file}).String())...)
	cmd.WaitDelay = 5 * time.Second // helper processes may hold the pipes a little longer
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("browser: %s on a page of %d bytes: %v\n%s", program, len(page), err, errs.String())
	}
	return out.String(), errs.String()
}

func find(t testing.TB) string {
	t.Helper()
	names := []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"}
	if name := os.Getenv("CLIPKIT_CHROMIUM"); name != "" {
		names = []string{name}
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skipf("no browser: none of %s found; install chromium (and fonts-noto-cjk for Chinese text), or name one in CLIPKIT_CHROMIUM",
		strings.Join(names, ", "))
	return ""
}

// networkRequests reads from a net log the URLs that the page asked for and that are not local. Chromium's own requests (its clock and
// update checks, which go on despite all switches and fail like any other) have no page's origin as their initiator.
func networkRequests(netlog string) ([]string, error) {
	b, err := os.ReadFile(netlog)
	if err != nil {
		return nil, fmt.Errorf("reading Chromium's net log: %w", err)
	}
	var log struct {
		Constants struct {
			LogEventTypes map[string]int `json:"logEventTypes"`
		} `json:"constants"`
		Events []struct {
			Type   int `json:"type"`
			Params struct {
				URL       string `json:"url"`
				Initiator string `json:"initiator"`
			} `json:"params"`
		} `json:"events"`
	}
	if err := json.Unmarshal(b, &log); err != nil {
		return nil, fmt.Errorf("reading Chromium's net log %s: %w", netlog, err)
	}
	start, ok := log.Constants.LogEventTypes["URL_REQUEST_START_JOB"]
	if !ok {
		return nil, fmt.Errorf("Chromium's net log has no event type URL_REQUEST_START_JOB: this version writes another format")
	}
	var requests []string
	for _, e := range log.Events {
		if e.Type != start || e.Params.URL == "" || e.Params.Initiator == "not an origin" {
			continue
		}
		switch scheme, _, _ := strings.Cut(e.Params.URL, ":"); scheme {
		case "file", "data", "about", "blob":
		default:
			requests = append(requests, e.Params.URL)
		}
	}
	return requests, nil
}

// consoleLines picks the page's messages out of Chromium's own log.
func consoleLines(stderr string) []string {
	var lines []string
	for line := range strings.Lines(stderr) {
		if _, message, ok := strings.Cut(line, "CONSOLE"); ok {
			lines = append(lines, strings.TrimSpace(message))
		}
	}
	return lines
}
