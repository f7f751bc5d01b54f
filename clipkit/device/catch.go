package device

import (
	"fmt"
	"runtime"
	"strings"
)

// Catch runs fn and returns its error, or the panic of a GoMLX graph as one. It is the one place where such panics are caught:
// graph building code panics by GoMLX's convention, and nothing above this package should have to know.
// Programming errors of the Go runtime (nil pointers, bad indexes) are not hidden.
func Catch(fn func() error) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case runtime.Error:
			panic(p)
		case error:
			err = p
		default:
			err = fmt.Errorf("%v", p)
		}
	}()
	return fn()
}

// firstLine drops the stack trace that GoMLX's errors carry.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
