package experiment

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

const withoutLocks = "CLIPKIT_TEST_WITHOUT_LOCKS"

// A file system without locks is named as such, with what to do: it is not said that another process has the run. A process of its own asks, one whose
// kernel answers flock as such a file system does.
// fault 29, 19.8
func TestFileSystemWithoutLocks(t *testing.T) {
	if dir := os.Getenv(withoutLocks); dir != "" {
		answerNoLocks(t)
		_, err := Open(dir, "a", settings{}, clock)
		if !errors.Is(err, ErrNoLocks) || !errors.Is(err, syscall.ENOLCK) || errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), "put it on another disk") {
			t.Errorf("error %v", err)
		}
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestFileSystemWithoutLocks$", "-test.v")
	cmd.Env = append(os.Environ(), withoutLocks+"="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestFileSystemWithoutLocks") {
		t.Errorf("%v\n%s", err, out)
	}
}

// answerNoLocks has flock fail with ENOLCK from now on, in all threads.
func answerNoLocks(t *testing.T) {
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the number of the call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_FLOCK, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOLCK)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	filter := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	if _, _, errno := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0); errno != 0 {
		t.Fatal(errno)
	}
	if _, _, errno := syscall.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&filter))); errno != 0 {
		t.Fatal(errno)
	}
}
