package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is one start of the program: what it says, and how much it takes.
type process struct {
	cmd  *exec.Cmd
	run  string // the run's folder
	done chan struct{}

	mu   sync.Mutex
	said bytes.Buffer
	disk int64 // largest size of run
}

func start(ctx context.Context, dir, run, program string, args ...string) (*process, error) {
	program, err := filepath.Abs(program)
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.CommandContext(ctx, program, args...), run: run, done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, p, p
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.cmd.Wait() // ProcessState tells how it ended
		close(p.done)
	}()
	go p.watchDisk()
	return p, nil
}

// Write takes what the program says.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said.Write(b)
}

// lines are what the program said until now; a line of progress that was drawn anew is several.
func (p *process) lines() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.FieldsFunc(p.said.String(), func(r rune) bool { return r == '\n' || r == '\r' })
}

const often = 100 * time.Millisecond

func (p *process) watchDisk() {
	for {
		size := size(p.run)
		p.mu.Lock()
		p.disk = max(p.disk, size)
		p.mu.Unlock()
		select {
		case <-p.done:
			return
		case <-time.After(often):
		}
	}
}

// size is what the files below dir take on the disk.
func size(dir string) (sum int64) {
	filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil // files come and go
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			sum += info.Sys().(*syscall.Stat_t).Blocks * 512
		}
		return nil
	})
	return sum
}

// until waits for what is to come true. It fails when the program ends before.
func (p *process) until(ctx context.Context, what string, is func() bool) error {
	for !is() {
		select {
		case <-p.done:
			return fmt.Errorf("ended before %s: %v\n%s", what, p.cmd.ProcessState, strings.Join(p.last(8), "\n"))
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(often):
		}
	}
	return nil
}

// end sends a signal, and gives the time until the program was gone.
func (p *process) end(s os.Signal) (time.Duration, error) {
	sent := time.Now()
	if err := p.cmd.Process.Signal(s); err != nil {
		return 0, err
	}
	<-p.done
	return time.Since(sent), nil
}

func (p *process) last(n int) []string {
	all := p.lines()
	return all[max(0, len(all)-n):]
}

// memory is the most that the program had at once, in bytes.
func (p *process) memory() int64 {
	return p.cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss * 1024
}
