package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// withoutGopls is a repository with this one's kernel and no gopls, and an environment in whose PATH there is none.
func withoutGopls(t *testing.T, root string) (other string, env []string) {
	t.Helper()
	other = t.TempDir()
	tools := filepath.Join(other, ".tools")
	err := errors.Join(os.MkdirAll(filepath.Join(other, "kernels", "cpu"), 0o755), os.MkdirAll(filepath.Join(tools, "jupyter"), 0o755),
		os.Symlink(filepath.Join(root, ".tools", "bin"), filepath.Join(tools, "bin")),
		os.WriteFile(filepath.Join(other, "go.mod"), []byte("module clipnb\n\ngo 1.26\n"), 0o644))
	for _, name := range []string{"launch.sh", "cpu/kernel.json"} {
		data, readErr := os.ReadFile(filepath.Join(root, "kernels", name))
		err = errors.Join(err, readErr, os.WriteFile(filepath.Join(other, "kernels", name), data, 0o755))
	}
	if err != nil {
		t.Fatal(err)
	}
	path := slices.DeleteFunc(filepath.SplitList(os.Getenv("PATH")), func(dir string) bool {
		_, err := os.Stat(filepath.Join(dir, "gopls"))
		return err == nil
	})
	return other, append(jupyterEnv(other, os.Environ()), "PATH="+strings.Join(path, ":"))
}

// As long as there is no gopls, completion and explanation say why and what helps: it is not built, it is being built, its build failed.
func TestKernelSaysWhyNothingCompletes(t *testing.T) {
	root := setUp(t)
	other, env := withoutGopls(t, root)
	cmd := exec.Command(python(root), filepath.Join(mustGetwd(t), "testdata", "why.py"))
	cmd.Env, cmd.Dir, cmd.Stderr = env, other, os.Stderr
	in, errIn := cmd.StdinPipe()
	out, errOut := cmd.StdoutPipe()
	if err := errors.Join(errIn, errOut, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer in.Close() // then it ends its kernel, and itself
	answers := bufio.NewScanner(out)
	lock, failed := filepath.Join(other, ".tools", "gopls.lock"), filepath.Join(other, ".tools", "gopls.failed")
	for _, c := range []struct {
		name  string
		begin func() error
		says  []string
	}{
		{"not built", func() error { return nil }, []string{"completion and inspection need gopls, which is not built", "build it: go run ./kernels setup -gopls"}},
		{"its build failed", func() error { return os.WriteFile(failed, []byte("no network: go build gopls failed\nmore"), 0o644) },
			[]string{"completion and inspection: gopls could not be built: no network: go build gopls failed", "again: go run ./kernels setup -gopls"}},
		{"being built", func() error {
			f, err := os.Create(lock)
			if err == nil {
				t.Cleanup(func() { f.Close() })
				err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
			}
			return err
		}, []string{"completion and inspection come when gopls is built: some minutes, once", "how far it is: .tools/setup.log"}},
	} {
		if err := c.begin(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(in, "ask\n"); err != nil {
			t.Fatal(err)
		}
		if !answers.Scan() {
			t.Fatalf("%s: no answer: %v", c.name, answers.Err())
		}
		var said struct {
			Matches []string
			Told    string
		}
		if err := json.Unmarshal(answers.Bytes(), &said); err != nil {
			t.Fatal(err)
		}
		var comments []string // harmless in a cell
		for _, line := range c.says {
			comments = append(comments, "// "+line)
		}
		if !slices.Equal(said.Matches, comments) || said.Told != strings.Join(c.says, "\n") {
			t.Errorf("%s: the list of completions is %q, the explanation %q; want %q", c.name, said.Matches, said.Told, c.says)
		}
	}
}
