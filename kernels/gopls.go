package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"syscall"
)

const (
	goplsPackage = "golang.org/x/tools/gopls"
	inBackground = "-in-background" // behind setup -gopls
)

var goplsVersion = regexp.MustCompile(`(?m)^\s*golang\.org/x/tools/gopls\s+v\S+`)

// goplsProblem says why .tools/gopls cannot be used as it is, or "". Its stamp is written last.
func (s *setup) goplsProblem(want string) string {
	dir := filepath.Join(s.root, ".tools", "gopls")
	stamp, err := os.ReadFile(filepath.Join(dir, "clipkit-stamp"))
	if err != nil {
		return "not there"
	}
	if string(stamp) != want {
		return "out of date"
	}
	if _, err := os.Stat(filepath.Join(dir, "gopls")); err != nil {
		return "broken"
	}
	return ""
}

func (s *setup) goplsStamp() (string, error) {
	goMod, err := os.ReadFile(filepath.Join(s.root, "go.mod"))
	if err != nil {
		return "", fmt.Errorf("reading the tools' versions: %w", err)
	}
	return fmt.Sprintf("go %s\n%s\n", s.goVersion, goplsVersion.Find(goMod)), nil
}

// ensureGopls builds gopls, which cells' completion and inspection ask, where it is not there or another version. Kernels that run find it when they next need it;
// gopls.failed tells them why there is none (gonb/gopls.go.txt).
func (s *setup) ensureGopls(ctx context.Context) (err error) {
	tools := filepath.Join(s.root, ".tools")
	if err := os.MkdirAll(tools, 0o755); err != nil {
		return fmt.Errorf("%s: cannot make .tools: %w", because(err.Error()), err)
	}
	unlock, err := s.lock(ctx, filepath.Join(tools, "gopls.lock"))
	if err != nil {
		return err
	}
	defer unlock()
	stamp, err := s.goplsStamp()
	if err != nil || s.goplsProblem(stamp) == "" {
		return err
	}
	failed := filepath.Join(tools, "gopls.failed")
	os.Remove(failed)
	defer func() {
		if err != nil && ctx.Err() == nil {
			err = errors.Join(err, os.WriteFile(failed, []byte(err.Error()), 0o644))
		}
	}()
	fmt.Fprintln(s.out, "setting up .tools/gopls (completion in cells), about 2 minutes …")
	work, err := os.MkdirTemp(tools, "gopls-")
	if err != nil {
		return fmt.Errorf("%s: cannot build in .tools: %w", because(err.Error()), err)
	}
	defer os.RemoveAll(work)
	made := filepath.Join(work, "gopls") // as the umask wants it; MkdirTemp's own is the user's alone
	if err := os.Mkdir(made, 0o777); err != nil {
		return fmt.Errorf("%s: cannot build in .tools: %w", because(err.Error()), err)
	}
	compiled := &watched{part: regexp.MustCompile(`^[\w./@-]+$`)} // -v names the packages that are compiled
	build := command{argv: []string{"go", "build", "-v", "-o", filepath.Join(made, "gopls"), goplsPackage}, env: []string{"GOWORK=off", "CGO_ENABLED=0"}}
	if err := s.logged(ctx, "go build gopls", compiled, build); err != nil {
		return err
	}
	if err := writeStamp(filepath.Join(made, "clipkit-stamp"), stamp); err != nil {
		return err
	}
	to := filepath.Join(tools, "gopls")
	if err := errors.Join(os.RemoveAll(to), os.Rename(made, to)); err != nil {
		return fmt.Errorf("%s: cannot put gopls into .tools: %w", because(err.Error()), err)
	}
	return nil
}

// goplsInBackground builds gopls in a process of its own that gives way to everything else. Its end is told to kernels by what it leaves, and its
// progress to people by .tools/setup.log.
func (s *setup) goplsInBackground() error {
	if stamp, err := s.goplsStamp(); err != nil || s.goplsProblem(stamp) == "" {
		return err
	}
	if f, err := os.Open(filepath.Join(s.root, ".tools", "gopls.lock")); err == nil {
		defer f.Close()
		if syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) != nil {
			fmt.Fprintln(s.out, "completion in cells: gopls is being built (.tools/setup.log)")
			return nil
		}
		f.Close()
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("building gopls: %w", err)
	}
	cmd := exec.Command(self, "setup", "-gopls", inBackground)
	cmd.Dir = s.root
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for JupyterLab
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("building gopls: %w", err)
	}
	fmt.Fprintln(s.out, "completion in cells comes in some minutes: gopls is being built in the background (.tools/setup.log)")
	return nil
}

// setupGopls is "setup -gopls".
func (s *setup) setupGopls(ctx context.Context, background bool) error {
	if background {
		s.out = io.Discard
		runtime.LockOSThread()                               // a priority is a thread's, and what the thread starts has it
		_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, 15) // at the usual one it only takes longer for everybody
	}
	return s.ensureGopls(ctx)
}
