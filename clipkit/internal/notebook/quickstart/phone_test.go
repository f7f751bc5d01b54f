package quickstart_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"clipnb/clipkit/internal/browser"
)

// onAPhone looks at an executed notebook's page at 390 px in dark mode: it is dark, no wider than the screen, and what is cut off at its right scrolls and
// fades out there.
func onAPhone(t *testing.T, page string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(page)) }))
	defer s.Close()
	tab := browser.Drive(t, s.URL+"/", browser.Look{Width: 800, Height: 844, Dark: true})
	tab.Size(390, 844)
	tab.Wait(`innerWidth === 390 && document.readyState === "complete" && document.querySelectorAll("table").length > 0`)
	for what, script := range map[string]string{
		"zh":              `document.documentElement.lang`,
		"390":             `document.documentElement.scrollWidth`,
		"rgb(17, 17, 17)": `getComputedStyle(document.body).backgroundColor`,
		"true":            `[...document.querySelectorAll(".jp-OutputArea-output table")].some((e) => e.scrollWidth > 390)`, // a table of recall
		"no table is lost": `[...document.querySelectorAll("table")].map((e) => { while (e && !/auto|scroll|hidden/.test(getComputedStyle(e).overflowX)) e = e.parentElement; return e; })
			.some((e) => e && e.scrollWidth > e.clientWidth + 1 && !((e.scrollLeft = 9) && e.scrollLeft === 9 && /gradient/.test(getComputedStyle(e).maskImage))) ? "a table is cut without a sign" : "no table is lost"`,
	} {
		if got := tab.Text(script); got != what {
			t.Errorf("on a phone: %q, want %q", got, what)
		}
	}
}
