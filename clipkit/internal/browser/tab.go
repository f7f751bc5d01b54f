package browser

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Tab is a page that a test works in, through Chromium's devtools protocol.
//
//	tab := browser.Drive(t, "http://127.0.0.1:8350/", browser.Look{Width: 1000, Height: 700})
//	tab.Type("猫")                                        // into what has the focus
//	tab.Wait(`document.querySelectorAll(".cell").length > 5`)
//	tab.Requests()                                       // every address that was asked for
//
// Hosts other than this machine cannot be reached, but asking for one is seen.
type Tab struct {
	t        testing.TB
	ctx      context.Context
	mu       sync.Mutex
	requests []string
	troubles []string
}

// patience bounds each step where go test has no limit.
const patience = 4 * time.Minute

// limit is when a step gives up. A machine that also runs other tests is slow, so that is shortly before go test's own limit, with time to say what is not
// there and to end what the test has started.
func (b *Tab) limit() time.Time {
	if t, ok := b.t.(interface{ Deadline() (time.Time, bool) }); ok {
		if end, limited := t.Deadline(); limited {
			return end.Add(-75 * time.Second)
		}
	}
	return time.Now().Add(patience)
}

// Drive opens an address. The test is skipped, saying why, where there is no Chromium.
func Drive(t testing.TB, url string, look Look) *Tab {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(find(t)), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.WindowSize(look.Width, look.Height), chromedp.WSURLReadTimeout(patience),
		chromedp.Flag("ignore-certificate-errors", true), // tests sign their own
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE 127.0.0.1"))
	allocator, endAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, end := chromedp.NewContext(allocator)
	t.Cleanup(func() { chromedp.Cancel(ctx); end(); endAllocator() })
	b := &Tab{t: t, ctx: ctx}
	chromedp.ListenTarget(ctx, b.note)
	scheme := "light"
	if look.Dark {
		scheme = "dark"
	}
	b.do(chromedp.ActionFunc(func(ctx context.Context) error { return log.Enable().Do(ctx) }), network.Enable(),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
		chromedp.Navigate(url))
	return b
}

// note keeps what the page asks for and what goes wrong in it.
func (b *Tab) note(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	case *runtime.EventExceptionThrown:
		b.troubles = append(b.troubles, e.ExceptionDetails.Error())
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError {
			b.troubles = append(b.troubles, e.Entry.Text+" "+e.Entry.URL)
		}
	}
}

func (b *Tab) do(actions ...chromedp.Action) {
	b.t.Helper()
	// The first run starts the browser, which must outlive its deadline.
	if err := chromedp.Run(b.ctx); err != nil {
		b.t.Fatalf("browser: starting Chromium: %v", err)
	}
	ctx, cancel := context.WithDeadline(b.ctx, b.limit().Add(15*time.Second)) // Wait says more than this does
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		b.t.Fatalf("browser: %v; troubles in the page: %q", err, b.Troubles())
	}
}

// Go opens another address, Reload the same one again.
func (b *Tab) Go(url string) { b.t.Helper(); b.do(chromedp.Navigate(url)) }
func (b *Tab) Reload()       { b.t.Helper(); b.do(chromedp.Reload()) }

// Eval runs a script, waits for it if it is a promise, and puts its value into to, which may be nil.
func (b *Tab) Eval(script string, to any) {
	b.t.Helper()
	b.do(chromedp.Evaluate(script, to, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
}

// Text is the value of a script as a string.
func (b *Tab) Text(script string) (s string) {
	b.t.Helper()
	b.Eval("String("+script+")", &s)
	return s
}

// Wait waits until a script's value is true.
func (b *Tab) Wait(script string) {
	b.t.Helper()
	for end := b.limit(); ; time.Sleep(50 * time.Millisecond) {
		var is bool
		b.Eval("(() => { try { return !!("+script+") } catch { return false } })()", &is)
		if is {
			return
		}
		if time.Now().After(end) {
			b.t.Fatalf("browser: after all the time that there was still not: %s; troubles in the page: %q; it shows: %.2000s", script, b.Troubles(), b.Text("document.body.innerText"))
		}
	}
}

// Type sends keys to what has the focus: text, or a key of package kb such as kb.Enter, while others are held down.
func (b *Tab) Type(keys string, held ...input.Modifier) {
	b.t.Helper()
	b.do(chromedp.KeyEvent(keys, chromedp.KeyModifiers(held...)))
}

// Size makes the view as large as a phone's, which no window of the browser's can be.
func (b *Tab) Size(width, height int64) {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(width, height))
}

// Click clicks on the first element that matches.
func (b *Tab) Click(selector string) { b.t.Helper(); b.do(chromedp.Click(selector, chromedp.ByQuery)) }

// Hover moves the mouse to the middle of the first element that matches, which must be in view.
func (b *Tab) Hover(selector string) {
	b.t.Helper()
	var at [2]float64
	b.Eval(fmt.Sprintf(`(() => { const r = document.querySelector(%q).getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2] })()`, selector), &at)
	b.do(chromedp.MouseEvent(input.MouseMoved, at[0]-20, at[1]), chromedp.MouseEvent(input.MouseMoved, at[0], at[1]))
}

// Zoom makes everything larger, as a reader does with Ctrl and +.
func (b *Tab) Zoom(look Look, factor float64) {
	b.t.Helper()
	b.do(emulation.SetDeviceMetricsOverride(int64(float64(look.Width)/factor), int64(float64(look.Height)/factor), factor, false))
}

// Paper shows the page as it is printed, or again as a screen does.
func (b *Tab) Paper(on bool) {
	b.t.Helper()
	media := "screen"
	if on {
		media = "print"
	}
	b.do(emulation.SetEmulatedMedia().WithMedia(media))
}

// Shot writes a PNG of what is in view.
func (b *Tab) Shot(file string) {
	b.t.Helper()
	var png []byte
	b.do(chromedp.CaptureScreenshot(&png))
	if err := os.WriteFile(file, png, 0o644); err != nil {
		b.t.Fatal(fmt.Errorf("browser: %w", err))
	}
}

// Requests are the addresses that were asked for, Troubles the page's errors: exceptions, failed loads, what its policy has blocked.
func (b *Tab) Requests() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string{}, b.requests...)
}
func (b *Tab) Troubles() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string{}, b.troubles...)
}

// Need skips the test, saying why, where there is no Chromium: for tests that prepare much before they open a page.
func Need(t testing.TB) { t.Helper(); find(t) }
