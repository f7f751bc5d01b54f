package main

import (
	"os"
	"os/exec"
	"testing"
)

// A cell that reads its standard input gets an input box, line by line; where nobody can be asked it gets the end of the input, and does not hang.
func TestCellReadsInput(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: this test sets up Jupyter and the kernel")
	}
	root, err := findRoot(mustGetwd(t))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := kernelsCommand(t, "setup").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(python(root), "testdata/input.py")
	cmd.Env = jupyterEnv(root, os.Environ())
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const want = `first 猫 <nil>
second dog <nil>
the cell reads its standard input, and nobody can be asked here: its input ends
first  EOF
second  EOF
`
	if string(out) != want {
		t.Errorf("said\n%swant\n%s", out, want)
	}
}
