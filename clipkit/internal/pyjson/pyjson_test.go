package pyjson

import "testing"

// The right-hand sides are what Python 3.11's json.dumps prints.
func TestAsPythonPrints(t *testing.T) {
	for x, want := range map[float64]string{0: "0.0", 1: "1.0", 100: "100.0", 2e-06: "2e-06", 5e-05: "5e-05", 1e-4: "0.0001", 0.13882: "0.13882", 4. / 15: "0.26666666666666666", -0.5: "-0.5", 999999: "999999.0"} {
		if got := Float(x); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for s, want := range map[string]string{"a\"b\\\n": `"a\"b\\\n"`, "动物<&>😀": `"\u52a8\u7269<&>\ud83d\ude00"`, "": `""`, "\x7f": `"\u007f"`} {
		if got := String(s); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for want, list := range map[string][]int64{"[]": nil, "[7]": {7}, "[1, -2, 3]": {1, -2, 3}} {
		if got := Ints(list); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
