package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

var askGopls = flag.Bool("gopls", false, "build gopls and ask it too, a minute of processor time or two")

// What a kernel answers: kernel_info while a cell runs and on the control channel; who connects then hears that one runs, who asks for completion is told so;
// with -gopls completion and inspection of a package's and of the notebook's own names too. When its Jupyter is killed it ends, with gopls; and its log is empty.
func TestKernelAnswersAndEndsWithItsJupyter(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: this test sets up Jupyter and the kernel")
	}
	root, err := findRoot(mustGetwd(t))
	if err != nil {
		t.Fatal(err)
	}
	setups := [][]string{{"setup"}}
	if *askGopls {
		setups = append(setups, []string{"setup", "-gopls"})
	}
	for _, args := range setups {
		if out, err := kernelsCommand(t, args...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
	}
	log := filepath.Join(t.TempDir(), "kernel.log")
	cmd := exec.Command(python(root), "testdata/ask.py", log, fmt.Sprint(*askGopls))
	cmd.Env = jupyterEnv(root, os.Environ())
	cmd.Stderr = os.Stderr
	pipe, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	lines := bufio.NewScanner(pipe)
	said := map[string]string{}
	for said["processes"] == "" && lines.Scan() {
		var pair [2]json.RawMessage
		var what string
		if err := errors.Join(json.Unmarshal(lines.Bytes(), &pair), json.Unmarshal(pair[0], &what)); err != nil {
			t.Fatal(err)
		}
		said[what] = string(pair[1])
	}
	answers, programs := map[string]string{
		"language":  `{"name": "go", "mimetype": "text/x-go", "file_extension": ".go"}`, // as the notebooks have it: opening one does not change it
		"control":   `"kernel_info_reply"`,
		"states":    `[["busy", "info"], ["idle", "info"], ["busy", "cell"]]`,
		"late":      `"busy"`, // to one who connects after all of that was published
		"meanwhile": `[["// a cell is running", "// completion and inspection come when it has ended"], "a cell is running\ncompletion and inspection come when it has ended"]`,
	}, 1
	if *askGopls {
		answers["complete"], answers["own"], answers["inspect"] = `"ToUpper"`, `"myHelper"`, `func myHelper(n int) int`
		answers["open bracket"], answers["no name"] = `func myHelper(n int) int`, `"nothing is known of what stands here; put the cursor on a name"`
		programs = 2
	}
	for what, want := range answers {
		if !strings.Contains(said[what], want) {
			t.Errorf("%s: %s, want %s", what, said[what], want)
		}
	}
	if text, err := os.ReadFile(log); err != nil || strings.TrimSpace(string(text)) != "" {
		t.Errorf("the kernel's log: %v\n%s", err, text)
	}
	var processes []int
	if err := json.Unmarshal([]byte(said["processes"]), &processes); err != nil || len(processes) < programs {
		t.Fatalf("processes: %q, %v", said["processes"], err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(5 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		left := slices.DeleteFunc(slices.Clone(processes), ended)
		if len(left) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("after the end of Jupyter there are still %v of %v", left, processes)
		}
	}
}

// ended is whether a process is gone, or only waits for somebody to ask how it ended.
func ended(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil && syscall.Kill(pid, 0) != nil || strings.Contains(string(stat), ") Z ")
}

// Without gopls it is built, with it nothing is done; a failed build leaves the reason for kernels to tell.
func TestEnsureGopls(t *testing.T) {
	t.Parallel()
	m, s, out := newMachine(t)
	m.write("go.mod", testGoMod+"\nrequire golang.org/x/tools/gopls v0.23.0\n")
	failed := filepath.Join(m.root, ".tools", "gopls.failed")
	m.fails, m.saying = "go build", "dial tcp: lookup: no such host"
	if err := s.ensureGopls(t.Context()); err == nil || !strings.Contains(err.Error(), "no network") {
		t.Error(err)
	}
	if why, err := os.ReadFile(failed); err != nil || !strings.HasPrefix(string(why), "no network") {
		t.Errorf("%q, %v", why, err)
	}
	m.fails = ""
	for _, step := range []struct {
		name  string
		spoil func()
		built bool
	}{
		{"after a failure", func() {}, true},
		{"again", func() {}, false},
		{"another Go", func() { s.goVersion = "go1.99" }, true},
		{"no program", func() { os.Remove(filepath.Join(m.root, ".tools", "gopls", "gopls")) }, true},
	} {
		step.spoil()
		m.ran = nil
		out.Reset()
		if err := s.ensureGopls(t.Context()); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if built := len(m.ran) > 0; built != step.built || built != strings.Contains(out.String(), "setting up .tools/gopls") {
			t.Errorf("%s: ran %q, said %s", step.name, m.ran, out)
		}
	}
	if _, err := os.Stat(failed); err == nil {
		t.Error("the reason of the failure is still there")
	}
	if left, _ := filepath.Glob(filepath.Join(m.root, ".tools", "gopls-*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}
