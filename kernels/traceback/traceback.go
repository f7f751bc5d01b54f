// Package traceback says what is wrong with a notebook's cell, in the form in which Jupyter shows errors: first what and where, then the lines, then what most
// probably helps.
//
//	undefined: ctx in cell [4], line 2
//	----> 2 fmt.Println(ctx)
//	                    ^
//	  no cell that has run defines ctx: run the one that does (after a restart, the notebook's first cells)
//
// The Go kernel is built with a copy of this package (kernels/gonb.go), which must not import anything but the standard library.
package traceback

import (
	"fmt"
	"go/ast"
	"go/parser"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Line is a line of the program that the kernel made of cells.
type Line struct {
	Text   string
	Cell   int // execution count of the cell that it comes from; under 1: not known
	Number int // its number there, from 1; 0: the kernel's own
}

// Report is an error as Jupyter takes it.
type Report struct {
	Name, Value string
	Traceback   []string
}

const (
	red, green, bold, plain = "\x1b[31m", "\x1b[32m", "\x1b[1m", "\x1b[0m"
	most                    = 5 // mistakes that are shown
)

// mistake is one thing that the compiler finds.
type mistake struct {
	what         string
	line, column int // in the program, from 1; 0: nowhere
}

var (
	compilerLine = regexp.MustCompile(`^(?:\S*/)?main(?:_test)?\.go:(\d+):(\d+): (.*)$`)
	more         = regexp.MustCompile(` \(and \d+ more errors?\)$`)
	exitStatus   = regexp.MustCompile(`^exit status \d+$`)
)

// mistakes are what the Go tools said, those that follow from others last.
func mistakes(said string) (list []mistake) {
	for _, text := range strings.Split(said, "\n") {
		switch m := compilerLine.FindStringSubmatch(text); {
		case m != nil:
			line, _ := strconv.Atoi(m[1]) // digits
			column, _ := strconv.Atoi(m[2])
			list = append(list, mistake{more.ReplaceAllString(m[3], ""), line, column})
		case strings.TrimSpace(text) == "" || strings.HasPrefix(text, "# gonb_") || exitStatus.MatchString(text):
		case strings.HasPrefix(text, "\t") && len(list) > 0: // more of the same: what a function has and wants
			list[len(list)-1].what += "\n  " + strings.TrimSpace(text)
		default:
			list = append(list, mistake{what: text})
		}
	}
	slices.SortStableFunc(list, func(a, b mistake) int { return rank(a) - rank(b) })
	return list
}

func rank(m mistake) int {
	if strings.Contains(m.what, "and not used") {
		return 1
	}
	return 0
}

// Compile reports what the Go tools said of a program.
func Compile(said string, program []Line) Report {
	r := Report{Name: "CompileError"}
	helped := map[string]bool{}
	list := mistakes(said)
	for i, m := range list {
		if i == most {
			r.Traceback = append(r.Traceback, fmt.Sprintf("… and %d more", len(list)-most))
			break
		}
		first, rest, _ := strings.Cut(m.what, "\n")
		at := place(m.line, program)
		if r.Value == "" {
			r.Value = first + at
		}
		r.Traceback = append(r.Traceback, head(first, at))
		if rest != "" {
			r.Traceback = append(r.Traceback, rest)
		}
		r.Traceback = append(r.Traceback, excerpt(m, program)...)
		if help := remedy(m, program); help != "" && !helped[help] {
			helped[help] = true
			r.Traceback = append(r.Traceback, "  "+bold+help+plain)
		}
	}
	if len(list) == 0 {
		r.Value = strings.TrimSpace(said)
		r.Traceback = []string{head(r.Value, "")}
	}
	return r
}

var frame = regexp.MustCompile(`main(?:_test)?\.go:(\d+)`)

// Exit reports that a cell's program ended with an error; wrote is the end of what it wrote to standard error. Of a panic it says where.
func Exit(status, wrote string, program []Line) Report {
	at := -1
	for _, begin := range []string{"panic: ", "fatal error: "} {
		if strings.HasPrefix(wrote, begin) {
			at = max(at, 0)
		}
		if i := strings.LastIndex(wrote, "\n"+begin); i >= 0 {
			at = max(at, i+1)
		}
	}
	if at < 0 {
		return Report{"ExitError", status, []string{red + status + plain}}
	}
	what, stack, _ := strings.Cut(wrote[at:], "\n\n")
	what, _, _ = strings.Cut(what, "\n")
	m := mistake{what: what}
	for _, f := range frame.FindAllStringSubmatch(stack, -1) {
		if n, _ := strconv.Atoi(f[1]); n > 0 && n <= len(program) && program[n-1].Number > 0 {
			m.line = n
			break
		}
	}
	where := place(m.line, program)
	lines := append([]string{head(what, where)}, excerpt(m, program)...)
	return Report{"Panic", what + where, append(lines, status)}
}

// Tail is the end of what was written and what is written now, as much as Exit looks at.
func Tail(before, now []byte) []byte {
	const enough = 64 << 10
	all := append(before, now...)
	return all[max(0, len(all)-enough):]
}

func head(what, where string) string { return red + what + plain + green + where + plain }

// place is " in cell [4], line 2".
func place(line int, program []Line) string {
	if line < 1 || line > len(program) || program[line-1].Number == 0 {
		return ""
	}
	if l := program[line-1]; l.Cell > 0 {
		return fmt.Sprintf(" in cell [%d], line %d", l.Cell, l.Number)
	}
	return fmt.Sprintf(" in the cell's line %d", program[line-1].Number)
}

// excerpt is the line with an arrow, and a mark under the column.
func excerpt(m mistake, program []Line) []string {
	if place(m.line, program) == "" {
		return nil
	}
	l := program[m.line-1]
	lines := []string{fmt.Sprintf("%s----> %d%s %s", green, l.Number, plain, l.Text)}
	if m.column > 0 && m.column <= len(l.Text)+1 {
		blank := strings.Repeat(" ", len(fmt.Sprintf("----> %d ", l.Number)))
		for _, r := range l.Text[:m.column-1] {
			switch {
			case r == '\t':
				blank += "\t"
			case r >= 0x1100: // takes two columns
				blank += "  "
			default:
				blank += " "
			}
		}
		lines = append(lines, blank+red+"^"+plain)
	}
	return lines
}

var (
	undefined = regexp.MustCompile(`^undefined: ([\pL_][\pL\pN_]*)$`)
	unused    = regexp.MustCompile(`^declared and not used: (\S+)$`)
	outside   = regexp.MustCompile(`^(?:expected declaration, found|(?:syntax error: )?non-declaration statement outside function body)`)
	declared  = regexp.MustCompile(`\b(?:var|func|const|type)\s+([\pL_][\pL\pN_]*)|([\pL_][\pL\pN_]*)(?:\s*,\s*[\pL_][\pL\pN_]*)*\s*:=|^\s*([\pL_][\pL\pN_]*)(?:\s+[\w.*\[\]]+)?\s*=[^=]`)
)

// remedy is what most probably helps, or "".
func remedy(m mistake, program []Line) string {
	text := ""
	if m.line > 0 && m.line <= len(program) {
		text = program[m.line-1].Text
	}
	if outside.MatchString(m.what) {
		return statement(strings.TrimSpace(text))
	}
	if u := unused.FindStringSubmatch(m.what); u != nil {
		return fmt.Sprintf("Go wants every variable used: use %s, leave it out, or write _ = %s", u[1], u[1])
	}
	u := undefined.FindStringSubmatch(m.what)
	if u == nil {
		return ""
	}
	name := u[1]
	if near := nearest(name, program); near != "" {
		return "did you mean " + near + "?"
	}
	if m.column > 0 && m.column <= len(text) && strings.HasPrefix(text[m.column-1:], name+".") {
		return fmt.Sprintf("no cell that has run imports a package %s, or it has no such name: run the cell with the imports (after a restart, the notebook's first cells)", name)
	}
	return fmt.Sprintf("no cell that has run defines %s: run the one that does (after a restart, the notebook's first cells)", name)
}

// statement says what a line needs that stands outside functions.
func statement(text string) string {
	const begin = "statements go into main: put a line %% above them"
	e, err := parser.ParseExpr(text)
	if err != nil {
		return begin
	}
	if _, call := e.(*ast.CallExpr); call {
		return begin
	}
	return fmt.Sprintf("%s; to see a value: fmt.Println(%s)", begin, text)
}

// nearest is a name that the program declares and that differs in a letter or two, or "".
func nearest(name string, program []Line) (near string) {
	least := 1 + len(name)/4
	if len(name) < 3 {
		return ""
	}
	for _, l := range program {
		for _, m := range declared.FindAllStringSubmatch(l.Text, -1) {
			other := m[1] + m[2] + m[3] // the third is a line of var ( … )
			if d := distance(name, other); other != name && len(other) > 2 && d <= least {
				near, least = other, d-1
			}
		}
	}
	return near
}

// distance is the number of letters to change, leave out or add.
func distance(a, b string) int {
	from, to := []rune(a), []rune(b)
	row := make([]int, len(to)+1)
	for j := range row {
		row[j] = j
	}
	for i := range from {
		diagonal := row[0]
		row[0] = i + 1
		for j := range to {
			cost := diagonal
			if from[i] != to[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(to)]
}
