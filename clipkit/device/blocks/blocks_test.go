package blocks

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
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
	argv := append(strings.Fields(string(cc)), "-O2", "-fno-builtin", "-Wall", "-pthread", "-o", program, "testdata/check.c", "-ldl")
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

// This test's program imports the package, so shared libraries find its free before libc's.
func TestImportingReplacesFree(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("blocks are for Linux")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.Open(exe)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols, err := f.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range symbols {
		if s.Name == "free" && s.Section != elf.SHN_UNDEF {
			return
		}
	}
	t.Errorf("%d dynamic symbols, and free is none that is defined here", len(symbols))
}
