package jupyter_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// family are a process and all that it has started, as far as these have not left it.
func family(pid int) (pids []int) {
	pids = []int{pid}
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // each thread has its own
	for _, file := range threads {
		children, _ := os.ReadFile(file)
		for _, word := range strings.Fields(string(children)) {
			if child, err := strconv.Atoi(word); err == nil {
				pids = append(pids, family(child)...)
			}
		}
	}
	return pids
}

// program is what a process runs; "" when it has ended.
func program(pid int) string {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	words, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if strings.Contains(string(stat), ") Z ") {
		return ""
	}
	return strings.ReplaceAll(strings.Trim(string(words), "\x00"), "\x00", " ")
}

// endsWithAll sends JupyterLab a signal, and waits until it has ended with all that it has started, among which there have to be these programs.
func endsWithAll(t *testing.T, lab *exec.Cmd, signal syscall.Signal, programs ...string) {
	t.Helper()
	all := family(lab.Process.Pid)
	for _, want := range programs {
		if !slices.ContainsFunc(all, func(pid int) bool { return strings.Contains(program(pid), want) }) {
			t.Errorf("no %s is among JupyterLab's processes", want)
		}
	}
	if err := lab.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	lab.Wait()
	end, limited := t.Deadline()
	for {
		all = slices.DeleteFunc(all, func(pid int) bool { return program(pid) == "" })
		if len(all) == 0 {
			return
		}
		if limited && time.Now().After(end.Add(-30*time.Second)) {
			for _, pid := range all {
				t.Errorf("after the %s there is still %s", signal, program(pid))
			}
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}
