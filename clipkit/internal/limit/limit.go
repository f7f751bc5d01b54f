// Package limit tells a person before go test kills a package that has run out of its time:
//
//	func TestMain(m *testing.M) { limit.Main(m) }
//
// Go's own message is a panic with every goroutine's stack, which names neither the reason nor the remedy. Only tests import this package.
package limit

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"testing"
	"time"
)

// Main runs a package's tests and ends the process. When nine tenths of go test's -timeout are used up, it says so on standard error.
func Main(m *testing.M) { os.Exit(Run(m)) }

// Run is Main for a TestMain that has more to do; it gives the exit status.
func Run(m *testing.M) int {
	flag.Parse()
	if f := flag.Lookup("test.timeout"); f != nil {
		if whole, ok := f.Value.(flag.Getter).Get().(time.Duration); ok && whole > 0 {
			after(whole*9/10, func() { warn(os.Stderr, packageName(), whole) })
		}
	}
	return m.Run()
}

// after is time.AfterFunc; a test puts another clock here.
var after = func(d time.Duration, f func()) { time.AfterFunc(d, f) }

func warn(out io.Writer, name string, whole time.Duration) {
	fmt.Fprintf(out, "\nthe tests of %s have run for %.0f s and go test ends them at %.0f s; on a slow or busy machine: go test -timeout 30m ./...\n",
		name, (whole * 9 / 10).Seconds(), whole.Seconds())
}

func packageName() string {
	if b, ok := debug.ReadBuildInfo(); ok && b.Path != "" {
		return b.Path
	}
	return os.Args[0]
}
