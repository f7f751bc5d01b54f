package blocks

import (
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// build compiles testdata/check.c. A compiler is there, or this package would not be.
func build(name string, flags ...string) (path string, err error) {
	cc, err := exec.Command("go", "env", "CC").Output()
	if err != nil {
		return "", err
	}
	path = filepath.Join(folder, name)
	argv := append(strings.Fields(string(cc)), "-O2", "-fno-builtin", "-Wall", "-pthread", "-o", path, "testdata/check.c", "-ldl")
	argv = append(argv, flags...)
	if said, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("%v: %w\n%s", argv, err, said)
	}
	return path, nil
}

// program is built once.
var program = sync.OnceValues(func() (string, error) { return build("check") })

var folder string

func TestMain(m *testing.M) {
	var err error
	if folder, err = os.MkdirTemp("", "blocks-"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(folder)
	os.Exit(code)
}

// check runs one of the program's checks.
func check(t *testing.T, name string, env ...string) {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(path, name)
	c.Env = append(os.Environ(), env...)
	if said, err := c.CombinedOutput(); err != nil || string(said) != "ok\n" {
		t.Errorf("%s %s %v\n%s", name, env, err, said)
	}
}

// All checks again where undefined behaviour ends the program. (An allocator cannot be looked at by AddressSanitizer, which is one; nor by a sanitizer that
// prints, as that allocates.)
// fault 19.13
func TestNoUndefinedBehaviour(t *testing.T) {
	path, err := build("checked", "-fsanitize=undefined", "-fsanitize-undefined-trap-on-error")
	if err != nil {
		t.Fatal(err)
	}
	if said, err := exec.Command(path).CombinedOutput(); err != nil || string(said) != "ok\n" {
		t.Errorf("%v\n%s", err, said)
	}
}

func TestBlocksAreKept(t *testing.T) {
	check(t, "kept")
	check(t, "kept", "CLIPKIT_BLOCKS=off")
}

// A refused large request does not lift what is kept for ever.
// fault 19.13
func TestRefusedRequestLiftsNothing(t *testing.T) { check(t, "refused") }

// A double free aborts as in glibc, and does not hang, whatever the program does on SIGABRT.
// fault 19.13
func TestDoubleFreeAborts(t *testing.T) { check(t, "twice") }

// Fork while other threads allocate does not hang, in parent or child.
// fault 19.13
func TestForkWhileOthersAllocate(t *testing.T) { check(t, "fork") }

// A foreign pointer beside an unmapped page is not read.
// fault 19.13
func TestForeignPointerIsNotRead(t *testing.T) { check(t, "foreign") }

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
