package bracket

import (
	"slices"
	"strings"
	"testing"
)

func TestClose(t *testing.T) {
	for _, c := range []struct{ cell, want string }{
		{"fmt.Println(", "fmt.Println()"},
		{"x := 1\nfmt.Println(x, ", "x := 1\nfmt.Println(x, )"},
		{"func f() {\n\tfor _, x := range g([]int{1", "func f() {\n\tfor _, x := range g([]int{1})}"},
		{`fmt.Println("(", '{', f(`, `fmt.Println("(", '{', f())`},
		{"fmt.Println(x,\n\n", "fmt.Println(x,)\n\n"},
		{"!echo \"(\"\nfmt.Println(", "!echo \"(\"\nfmt.Println()"},
		{"fmt.Println(\n!echo )", "fmt.Println()\n!echo )"},
		// These stay.
		{"fmt.Println(x)", ""}, {"", ""}, {"f(]", ""}, {"f())", ""}, {"f(x // why", ""}, {"f(x /* why", ""},
	} {
		lines := strings.Split(c.cell, "\n")
		skip := map[int]struct{}{}
		for i, line := range lines {
			if strings.HasPrefix(line, "!") {
				skip[i] = struct{}{}
			}
		}
		want := c.want
		if want == "" {
			want = c.cell
		}
		before := slices.Clone(lines)
		if got := strings.Join(Close(lines, skip), "\n"); got != want || !slices.Equal(lines, before) {
			t.Errorf("%q: %q, want %q", c.cell, got, want)
		}
	}
}
