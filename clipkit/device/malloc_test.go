package device

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A compiler is there, or this package would not be.
func TestBlocks(t *testing.T) {
	cc, err := exec.Command("go", "env", "CC").Output()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "check")
	argv := append(strings.Fields(string(cc)), "-O2", "-fno-builtin", "-Wall", "-pthread", "-o", program, "testdata/blocks_check.c", "-ldl")
	if said, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", argv, err, said)
	}
	for _, env := range []string{"", "CLIPKIT_BLOCKS=off"} {
		c := exec.Command(program)
		c.Env = append(os.Environ(), env)
		if said, err := c.CombinedOutput(); err != nil || string(said) != "ok\n" {
			t.Errorf("%s %v\n%s", env, err, said)
		}
	}
}
