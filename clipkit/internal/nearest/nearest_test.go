package nearest

import (
	"fmt"
	"testing"
)

func TestHint(t *testing.T) {
	runs := []string{"quickstart", "finetune", "二号", "quickstart"}
	for name, want := range map[string]string{
		"quickstrat": `; did you mean "quickstart"? there are finetune, quickstart, 二号`,
		"QuickStart": `; did you mean "quickstart"? there are finetune, quickstart, 二号`,
		"二好":         `; did you mean "二号"? there are finetune, quickstart, 二号`,
		"elsewhere":  `; there are finetune, quickstart, 二号`,
		"":           `; there are finetune, quickstart, 二号`,
	} {
		if got := Hint(name, runs); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
	if got := Hint("x", nil); got != "" {
		t.Errorf("nothing is known: %q", got)
	}
	var many []string
	for i := range 28 {
		many = append(many, fmt.Sprintf("run-of-a-name-%02d", i))
	}
	if got, want := Hint("x", many), "run-of-a-name-19 and 8 more"; got[len(got)-len(want):] != want {
		t.Errorf("of many: %q", got)
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "ab", 2}, {"kitten", "sitting", 3}, {"full", "full-8p", 3}, {"abc", "abc", 0}} {
		if got := Distance(c.a, c.b); got != c.want || Distance(c.b, c.a) != c.want {
			t.Errorf("%q, %q: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
