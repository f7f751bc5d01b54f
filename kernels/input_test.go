package main

import "testing"

// A cell that reads its standard input gets an input box, line by line; where nobody can be asked it gets the end of the input, and does not hang.
func TestCellReadsInput(t *testing.T) {
	out := inJupyter(t, "testdata/input.py")
	const want = `first 猫 <nil>
second dog <nil>
the cell reads its standard input, and nobody can be asked here: its input ends
first  EOF
second  EOF
`
	if out != want {
		t.Errorf("said\n%swant\n%s", out, want)
	}
}
