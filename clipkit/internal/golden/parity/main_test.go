package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func event(pkg, test, key, value string) string {
	return fmt.Sprintf("{\"Action\":\"attr\",\"Package\":%q,\"Test\":%q,\"Key\":%q,\"Value\":%q}\n", "clipnb/clipkit/"+pkg, test, key, value)
}

func TestTable(t *testing.T) {
	out := filepath.Join(t.TempDir(), "parity.md")
	good := event("model", "TestA/vit", "engine", "cpu (xla)") +
		`{"Action":"output","Package":"clipnb/clipkit/model","Output":"ok\n"}` + "\n" +
		event("model", "TestA/vit", "parity", `{"What":"small","Values":3,"Abs":1e-6,"Rel":1e-6,"Limit":1e-4}`) +
		event("model", "TestA/vit", "parity", `{"What":"a|b","Values":4,"Abs":5e-5,"Rel":5e-5,"Limit":1e-4}`)
	if err := run(strings.NewReader(good), out); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| model A/vit | 2 | 7 | a/b | 5e-05 | 5e-05 | 0.0001 | pass |", "engines here: cpu (xla)."} {
		if !strings.Contains(string(got), want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	for what, c := range map[string]struct{ in, want string }{
		"a failure":       {good + event("b", "TestB", "parity", `{"What":"x","Values":1,"Abs":1,"Rel":1,"Limit":0.5}`), "1 of 2 stages"},
		"no comparison":   {"", "no comparison"},
		"not a stream":    {"ok  	clipnb\n", "line 1"},
		"a bad attribute": {event("b", "TestB", "parity", "{"), "line 1"},
	} {
		if err := run(strings.NewReader(c.in), out); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
