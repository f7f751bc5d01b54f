package traceback

import (
	"regexp"
	"strings"
	"testing"
)

// cell makes a program as the kernel does: a cell after the lines that are the kernel's own.
func cell(source string) (program []Line, first int) {
	program = []Line{{Text: "package main"}, {}, {Text: "\tsteps int = 3", Cell: 1, Number: 2}, {Text: "func main() {"}, {Text: "\tflag.Parse()"}}
	first = len(program) + 1
	for i, text := range strings.Split(source, "\n") {
		program = append(program, Line{text, 4, i + 2})
	}
	return append(program, Line{Text: "}"}), first
}

var colour = regexp.MustCompile("\x1b\\[[0-9;]*m")

func shown(r Report) string { return colour.ReplaceAllString(strings.Join(r.Traceback, "\n"), "") }

func TestCompile(t *testing.T) {
	for name, c := range map[string]struct{ source, said, value, want string }{
		"three mistakes": {
			"fmt.Println(ctx, y)\nx := 3\nvar z int = \"s\"",
			"# gonb_1\n./main.go:7:1: declared and not used: x\n./main.go:6:13: undefined: ctx\n./main.go:6:18: undefined: y\nexit status 1\n",
			"undefined: ctx in cell [4], line 2",
			`undefined: ctx in cell [4], line 2
----> 2 fmt.Println(ctx, y)
                    ^
  no cell that has run defines ctx: run the one that does (after a restart, the notebook's first cells)
undefined: y in cell [4], line 2
----> 2 fmt.Println(ctx, y)
                         ^
  no cell that has run defines y: run the one that does (after a restart, the notebook's first cells)
declared and not used: x in cell [4], line 3
----> 3 x := 3
        ^
  Go wants every variable used: use x, leave it out, or write _ = x`},
		"a statement": {"x := 3", "/tmp/gonb_1/main.go:6:1: expected declaration, found x (and 2 more errors)", "expected declaration, found x in cell [4], line 2",
			`expected declaration, found x in cell [4], line 2
----> 2 x := 3
        ^
  statements go into main: put a line %% above them`},
		"a value": {"1+1", "/tmp/gonb_1/main.go:6:1: expected declaration, found 1", "expected declaration, found 1 in cell [4], line 2",
			`expected declaration, found 1 in cell [4], line 2
----> 2 1+1
        ^
  statements go into main: put a line %% above them; to see a value: fmt.Println(1+1)`},
		"a call": {"fmt.Println(1)", "main.go:6:1: expected declaration, found fmt", "expected declaration, found fmt in cell [4], line 2",
			`expected declaration, found fmt in cell [4], line 2
----> 2 fmt.Println(1)
        ^
  statements go into main: put a line %% above them`},
		"a misspelt name": {"fmt.Println(stesp)", "./main.go:6:13: undefined: stesp", "undefined: stesp in cell [4], line 2",
			`undefined: stesp in cell [4], line 2
----> 2 fmt.Println(stesp)
                    ^
  did you mean steps?`},
		"a package": {"chart.Page()", "./main.go:6:1: undefined: chart", "undefined: chart in cell [4], line 2",
			`undefined: chart in cell [4], line 2
----> 2 chart.Page()
        ^
  no cell that has run imports a package chart, or it has no such name: run the cell with the imports (after a restart, the notebook's first cells)`},
		"Chinese before it, and more lines": {"\tf(\"中\", 1)", "./main.go:6:11: too many arguments\n\thave (number)\n\twant ()\n", "too many arguments in cell [4], line 2",
			"too many arguments in cell [4], line 2\n  have (number)\n  want ()\n----> 2 \tf(\"中\", 1)\n        \t        ^"},
		"the kernel's own line": {"", "./main.go:5:2: undefined: flag", "undefined: flag", "undefined: flag\n  no cell that has run imports a package flag, or it has no such name: run the cell with the imports (after a restart, the notebook's first cells)"},
		"nowhere":               {"", "go: no such tool\n", "go: no such tool", "go: no such tool"},
		"nothing":               {"", "", "", ""},
		"far off":               {"x", "./main.go:999:999: wrong\n./main.go:6:999: wrong too", "wrong", "wrong\nwrong too in cell [4], line 2\n----> 2 x"},
	} {
		program, _ := cell(c.source)
		r := Compile(c.said, program)
		if got := shown(r); got != c.want || r.Value != c.value || r.Name != "CompileError" {
			t.Errorf("%s: %q\n%s\nwant %q\n%s", name, r.Value, got, c.value, c.want)
		}
		if len(r.Traceback) > 0 && r.Value != "" && !strings.HasPrefix(r.Traceback[0], red) {
			t.Errorf("%s: the first line is not red: %q", name, r.Traceback[0])
		}
	}
}

func TestManyMistakes(t *testing.T) {
	program, _ := cell("x")
	if got := shown(Compile(strings.Repeat("./main.go:6:1: wrong\n", 10), program)); !strings.HasSuffix(got, "… and 5 more") || strings.Count(got, "wrong") != 5 {
		t.Error(got)
	}
}

func TestExit(t *testing.T) {
	program, _ := cell("var l []int\nfmt.Println(l[5])")
	r := Exit("exit status 2", "training\npanic: runtime error: index out of range [5] with length 0\n\ngoroutine 1 [running]:\nmain.steps()\n\t/tmp/gonb_1/main.go:4 +0x1\nmain.main()\n\t/tmp/gonb_1/main.go:7 +0x52\n", program)
	want := "panic: runtime error: index out of range [5] with length 0 in cell [4], line 3\n----> 3 fmt.Println(l[5])\nexit status 2"
	if got := shown(r); got != want || r.Name != "Panic" {
		t.Errorf("%s\n%s\nwant\n%s", r.Name, got, want)
	}
	for _, wrote := range []string{"", "clipkit: no such model\n", "no panic: here\n"} {
		if r := Exit("exit status 1", wrote, program); r.Name != "ExitError" || shown(r) != "exit status 1" {
			t.Errorf("%q: %+v", wrote, r)
		}
	}
	if r := Exit("exit status 2", "panic: x", nil); r.Value != "panic: x" {
		t.Errorf("%+v", r)
	}
	if n := len(Tail(make([]byte, 1<<20), []byte("end"))); n != 64<<10 {
		t.Errorf("%d bytes are kept", n)
	}
}

func FuzzReports(f *testing.F) {
	f.Add("# gonb_1\n./main.go:6:13: undefined: ctx\n\thave", "x := 3")
	f.Add("panic: x\n\nmain.go:6", "1+1")
	f.Add("./main.go:6:2: expected declaration, found", "\t中\xff")
	f.Fuzz(func(t *testing.T, said, source string) {
		program, _ := cell(source)
		Compile(said, program)
		Exit("exit status 1", said, program)
	})
}
