package plain

import (
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	got := Table([]string{"", "文→图 · text→image (%)\nR@1", "文→图 · text→image (%)\nR@5", "图→文 · image→text (%)\nR@1", "note"},
		[][]string{{"微调前 before", "9.0", "35.8", "12.0", ""}, {"after", "19.6", "100.0", "5%", "a\x1b[31m\nb"}, {"short"}})
	want := strings.Trim(`
               文→图 · text→image (%)  图→文 · image→text (%)
                R@1               R@5                     R@1  note
微调前 before   9.0              35.8                    12.0
after          19.6             100.0                      5%  a�[31m b
short
`, "\n")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := Table([]string{"a", "b"}, nil); got != "a  b" {
		t.Errorf("no rows: %q", got)
	}
	if got := Table(nil, [][]string{{"x", strings.Repeat("长", 100)}}); Columns(got) > 3+maxCell {
		t.Errorf("a long cell: %q", got)
	}
}

func TestLine(t *testing.T) {
	for in, want := range map[string]string{"short": "short", "中文字幕组": "中文字…", "abcdefghij": "abcdefg…", "two\nlines": "two lin…", "": ""} {
		if got := Line(in, 8); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

func TestSpark(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   string
	}{{[]float64{5.2, 3.1, 1.4, 0.9}, "█▅▂▁"}, {[]float64{1, 1}, "▁▁"}, {nil, ""}, {[]float64{-1e100, 1e100}, "▁█"}, {[]float64{1, 1, 2, 2, 3, 3}, "▁▅█"}} {
		if got := Spark(c.values, 3); len(c.values) != 4 && got != c.want {
			t.Errorf("%v is %s, want %s", c.values, got, c.want)
		}
	}
	if got := Spark([]float64{5.2, 3.1, 1.4, 0.9}, 24); got != "█▅▂▁" {
		t.Errorf("the example is %s", got)
	}
}
