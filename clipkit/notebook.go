package clipkit

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Must unwraps a result in a cell; an error ends the cell with one line.
func Must[T any](value T, err error) T {
	Check(err)
	return value
}

// Check ends the cell with one line when err is not nil.
func Check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "clipkit:", err)
		os.Exit(1)
	}
}

// Param is a notebook's parameter: the value given as name=value to "go run ./kernels exec", else fallback, which also sets the type.
func Param[T int | float64 | string | bool](name string, fallback T) T {
	text, given := os.LookupEnv("CLIPKIT_PARAM_" + strings.ToUpper(name))
	if !given {
		return fallback
	}
	var value any
	var err error
	switch any(fallback).(type) {
	case int:
		value, err = strconv.Atoi(text)
	case float64:
		value, err = strconv.ParseFloat(text, 64)
	case bool:
		value, err = strconv.ParseBool(text)
	default:
		value = text
	}
	if err != nil {
		Check(fmt.Errorf("parameter %s=%q: want a value like %v", name, text, fallback))
	}
	return value.(T)
}
