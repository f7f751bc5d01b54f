package progress

import (
	"strings"
	"testing"
)

// Nothing is written before something is done; then the line names the work, the count, and ends.
func TestLine(t *testing.T) {
	var out strings.Builder
	l := New(&out, "encoding", 4)
	l.Finish()
	if out.Len() > 0 {
		t.Errorf("before the first report: %q", out.String())
	}
	l.Of(1, 3) // the parts' own totals do not count
	l.Describe("encoding more")
	l.Of(4, 4)
	l.Finish()
	for _, part := range []string{"encoding", "(4/4", "encoding more"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("%q is not in %q", part, out.String())
		}
	}
	if !strings.HasSuffix(out.String(), "\n") {
		t.Errorf("the line does not end: %q", out.String())
	}
	var none *Line
	none.Of(1, 2)
	none.Finish()
}
