package captions

import (
	"fmt"
	"strings"
)

// Error is what is wrong with the bytes of a file. It names the file and the line.
type Error struct{ text string }

func (e *Error) Error() string { return e.text }

// maxListed is how many bad lines an error names.
const maxListed = 20

// Faults collects what is wrong with the lines of a file.
type Faults struct {
	Name   string // of the file
	Total  int
	listed []string
}

// Add notes that a line is at fault; line 0 is none.
func (f *Faults) Add(line int, problem string) {
	f.Total++
	switch {
	case len(f.listed) == 0:
		f.listed = append(f.listed, f.place(line)+": "+problem)
	case len(f.listed) == maxListed:
	case line > 0:
		f.listed = append(f.listed, fmt.Sprintf("line %d: %s", line, problem))
	default:
		f.listed = append(f.listed, problem)
	}
}

func (f *Faults) place(line int) string {
	if line == 0 {
		return f.Name
	}
	return fmt.Sprintf("%s:%d", f.Name, line)
}

// Err is an [*Error] that lists the first faults, counts all and ends with the advice; nil where there are none.
func (f *Faults) Err(advice string) error {
	if f.Total == 0 {
		return nil
	}
	text := strings.Join(f.listed, "; ")
	if f.Total > len(f.listed) {
		text += "; …"
	}
	if f.Total > 1 {
		text += fmt.Sprintf(" (%d faults in all)", f.Total)
	}
	if advice != "" {
		text += "; " + advice
	}
	return &Error{text}
}

// bad is the error of one line, or of the whole file for line 0.
func (f *Faults) bad(line int, format string, a ...any) error {
	return &Error{f.place(line) + ": " + fmt.Sprintf(format, a...)}
}
