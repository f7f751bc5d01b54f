package limit

import (
	"flag"
	"os"
	"strings"
	"testing"
	"time"
)

var warnings []time.Duration

func TestMain(m *testing.M) {
	after = func(d time.Duration, f func()) { warnings = append(warnings, d) }
	Main(m)
}

// The warning comes before go test's own end, and names the package, the seconds and what to do.
func TestWarnsBeforeTheEnd(t *testing.T) {
	whole, err := time.ParseDuration(flag.Lookup("test.timeout").Value.String())
	if err != nil {
		t.Fatal(err)
	}
	if whole > 0 && (len(warnings) != 1 || warnings[0] >= whole) {
		t.Errorf("warnings at %v of %v", warnings, whole)
	}
	var said strings.Builder
	warn(&said, packageName(), 10*time.Minute)
	for _, part := range []string{"internal/limit", "540 s", "600 s", "go test -timeout 30m ./..."} {
		if !strings.Contains(said.String(), part) {
			t.Errorf("%q is not in %q (%s)", part, said.String(), os.Args[0])
		}
	}
}
