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
	if err := run(strings.NewReader(good), out, false); err != nil {
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
		if err := run(strings.NewReader(c.in), out, false); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// The trajectory has a line for each quantity of a run; a run of one package leaves the rest of the table as it was.
func TestTrajectoryAndMerge(t *testing.T) {
	out := filepath.Join(t.TempDir(), "parity.md")
	train := func(rel float64, names ...string) (events string) {
		for _, name := range names {
			events += event("train", "TestT/vit", "parity", fmt.Sprintf(`{"What":%q,"Values":2,"Abs":1,"Rel":%g,"Limit":1e-4}`, name, rel))
		}
		return events
	}
	names := []string{"loss of step 1", "train loss of step 10", "valid loss of step 4", "logit_scale after step 5", "loss", "gradient of visual.proj",
		"train_grads0 visual.proj", "accum2_after2 visual.proj", "epoch3_params visual.proj", "after 10 steps: visual.proj", "kept patches"}
	other := event("model", "TestA", "engine", "cpu (go)") + event("model", "TestA", "parity", `{"What":"a","Values":3,"Abs":1e-6,"Rel":1e-6,"Limit":1e-4}`)
	lossAlone := event("train", "TestLoss", "parity", `{"What":"loss","Values":1,"Abs":0,"Rel":0,"Limit":1e-4}`)
	if err := run(strings.NewReader(train(5e-5, names...)+lossAlone+other), out, false); err != nil {
		t.Fatal(err)
	}
	check := func(want ...string) {
		t.Helper()
		got, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if strings.Count(string(got), w) != 1 {
				t.Errorf("%q is not there once:\n%s", w, got)
			}
		}
	}
	model := "| model A | 1 | 3 | a | 1e-06 | 1e-06 | 0.0001 | pass |\n"
	check(model, "| train Loss |", "| train T/vit | 11 | 22 |", "## The trajectory\n", "| T/vit | loss of each step | 2 | 4 | 5e-05 | 50 % | pass |\n",
		"| T/vit | validation loss | 1 |", "| T/vit | loss | 1 |", "| T/vit | logit scale after each step | 1 |", "| T/vit | gradients | 2 |", "| T/vit | parameters | 3 |")
	if got, _ := os.ReadFile(out); strings.Contains(string(got), "\n| Loss |") {
		t.Error("a loss alone is no trajectory")
	}

	if err := run(strings.NewReader(event("train", "TestT/vit", "engine", "cpu (xla)")+train(2e-5, names[0])), out, true); err != nil {
		t.Fatal(err)
	}
	check(model, "| train T/vit | 1 | 2 | loss of step 1 |", "| T/vit | loss of each step | 1 | 2 | 2e-05 | 20 % | pass |\n", enginesHere+"cpu (go), cpu (xla).\n")
	if err := run(strings.NewReader(strings.ReplaceAll(other, `1e-6`, `2e-6`)), out, true); err != nil {
		t.Fatal(err)
	}
	check("| model A | 1 | 3 | a | 2e-06 |", "| train T/vit | 1 | 2 | loss of step 1 |", "| T/vit | loss of each step | 1 | 2 |", "## The trajectory\n")
	if err := run(strings.NewReader(other+train(2e-4, names[0])), out, false); err == nil {
		t.Error("a failure passes")
	}
	check("| T/vit | loss of each step | 1 | 2 | 0.0002 | 200 % | **FAIL** |")
	if err := run(strings.NewReader(other), out, true); err == nil || !strings.Contains(err.Error(), "1 of 2 stages") {
		t.Errorf("a failure that is kept: %v", err)
	}
	if err := run(strings.NewReader(other), filepath.Join(t.TempDir(), "none.md"), true); err == nil {
		t.Error("merged with nothing")
	}
}
