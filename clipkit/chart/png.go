package chart

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// ErrNoBrowser says that a PNG cannot be made here; [Chart.SVG] and [Page] need no browser.
var ErrNoBrowser = errors.New("no Chromium found")

// The tallest page that becomes a PNG, and how many of its pixels one CSS pixel has.
const (
	maxHeight = 6000
	density   = 2
)

// PNG is a page of the parts as a picture, width CSS pixels wide (at most 2000) and twice as many of its own, as headless Chromium shows
// it: with Chinese text, and live charts as a reader sees them. Chromium is $CLIPKIT_CHROMIUM, or what is found under its usual names;
// without one the error is [ErrNoBrowser]. What is lower than 6000 CSS pixels is cut off.
func PNG(ctx context.Context, title string, width int, dark bool, parts ...Figure) ([]byte, error) {
	if width < 200 || width > 2000 {
		return nil, fmt.Errorf("chart: a PNG of %d pixels' width; expected 200 to 2000", width)
	}
	page, err := Page(title, parts...)
	if err != nil {
		return nil, err
	}
	program, err := chromium()
	if err != nil {
		return nil, fmt.Errorf("chart: making a PNG of %q: %w", title, err)
	}
	dir, err := os.MkdirTemp("", "clipkit-png-")
	if err != nil {
		return nil, fmt.Errorf("chart: making a PNG of %q: %w", title, err)
	}
	defer os.RemoveAll(dir)
	html, shot := filepath.Join(dir, "page.html"), filepath.Join(dir, "page.png")
	if err := os.WriteFile(html, []byte(page), 0o600); err != nil {
		return nil, fmt.Errorf("chart: making a PNG of %q: %w", title, err)
	}
	scheme := 1 // Blink's numbers: 0 dark, 1 light
	if dark {
		scheme = 0
	}
	flags := []string{
		"--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
		"--disable-sync", "--disable-extensions", "--host-resolver-rules=MAP * ~NOTFOUND", "--user-data-dir=" + filepath.Join(dir, "profile"),
		"--virtual-time-budget=5000", "--hide-scrollbars", "--screenshot=" + shot, fmt.Sprintf("--window-size=%d,%d", width, maxHeight),
		fmt.Sprintf("--force-device-scale-factor=%d", density), fmt.Sprintf("--blink-settings=preferredColorScheme=%d", scheme),
	}
	if os.Geteuid() == 0 { // Chromium's sandbox refuses to run as root
		flags = append(flags, "--no-sandbox")
	}
	cmd := exec.CommandContext(ctx, program, append(flags, (&url.URL{Scheme: "file", Path: html}).String())...)
	cmd.WaitDelay = 5 * time.Second // its helper processes may hold the pipe a little longer
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("chart: making a PNG of %q: %s: %w\n%s", title, program, err, said.String())
	}
	whole, err := os.ReadFile(shot)
	if err != nil {
		return nil, fmt.Errorf("chart: making a PNG of %q: %s ended well but left no picture: %w", title, program, err)
	}
	return trim(whole)
}

func chromium() (string, error) {
	names := []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"}
	if name := os.Getenv("CLIPKIT_CHROMIUM"); name != "" {
		names = []string{name}
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w (looked for %s): install chromium, with fonts-noto-cjk for Chinese text, or name one in CLIPKIT_CHROMIUM; SVG and Page work without",
		ErrNoBrowser, strings.Join(names, ", "))
}

// trim cuts the empty end of a page: the rows below the last one that differs from the very last.
func trim(encoded []byte) ([]byte, error) {
	whole, err := png.Decode(bytes.NewReader(encoded))
	if err != nil {
		return nil, fmt.Errorf("chart: reading the browser's picture: %w", err)
	}
	box := whole.Bounds()
	pixels := image.NewRGBA(box)
	draw.Draw(pixels, box, whole, box.Min, draw.Src)
	row := func(y int) []byte { return pixels.Pix[pixels.PixOffset(box.Min.X, y):][:4*box.Dx()] }
	empty := row(box.Max.Y - 1)
	end := box.Max.Y
	for end > box.Min.Y+1 && bytes.Equal(row(end-1), empty) {
		end--
	}
	box.Max.Y = min(box.Max.Y, end+16*density)
	var b bytes.Buffer
	if err := png.Encode(&b, pixels.SubImage(box)); err != nil {
		return nil, fmt.Errorf("chart: writing a PNG: %w", err)
	}
	return b.Bytes(), nil
}
