package train

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"clipnb/clipkit/checkpoint"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/weights"
)

// A disk that is full and a directory that cannot be written to give errors that say so, and the checkpoints before stay whole.
// fault 26
func TestUnwritableRunLosesNothing(t *testing.T) {
	for _, c := range []struct {
		name string
		harm func(t *testing.T, dir string) (heal func())
		want string
	}{
		{"disk full", fillDisk, "no space left"},
		{"read-only", makeReadOnly, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, data := e2eModel(t), e2eData(t)
			load := func() {
				if err := weights.Load(m, m.Config, golden.Open(t, "e2e/init.pt")); err != nil {
					t.Fatal(err)
				}
			}
			load()
			root := t.TempDir()
			if c.name == "disk full" {
				root = tinyDisk(t, "12m")
			}
			cfg := e2eConfig(m, "run")
			cfg.MaxSteps, cfg.SaveStepInterval, cfg.KeepCheckpoints = 6, 2, 0
			run, err := experiment.Open(root, "run", cfg, time.Now)
			if err != nil {
				t.Fatal(err)
			}
			heal := func() {}
			job := Job{Model: m, Train: data.Train, Config: cfg, Run: run, Progress: func(p Progress) {
				if p.Row.Step == 3 {
					heal = c.harm(t, run.Checkpoints())
				}
			}}
			err = job.Do(context.Background())
			run.Close()
			heal()
			if err == nil || !strings.Contains(err.Error(), "saving checkpoint") || !strings.Contains(err.Error(), "run it again") || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v", err)
			}
			if path, err := checkpoint.Latest(run.Checkpoints(), func(line string) { t.Error(line) }); err != nil || filepath.Base(path) != "step-00000002" {
				t.Fatalf("the checkpoint of step 2: %s, %v", path, err)
			}
			load()
			dir, rows, _ := doJob(t, root, m, &dataset.Dataset{Train: data.Train}, cfg)
			if n := len(rows); n < 6 || rows[n-1].Step != 6 {
				t.Errorf("the healed run has rows %v", rows)
			}
			final(t, dir, 6)
		})
	}
}

// tinyDisk mounts a file system in memory.
func tinyDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("a full disk needs the right to mount one: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return dir
}

// fillDisk leaves 100 kB in dir's file system.
func fillDisk(t *testing.T, dir string) func() {
	path := filepath.Join(dir, "filler")
	f, err := os.Create(path)
	if err != nil {
		t.Error(err)
		return func() {}
	}
	defer f.Close()
	block := make([]byte, 1<<16)
	size := int64(0)
	for {
		n, err := f.Write(block)
		size += int64(n)
		if err != nil {
			break
		}
	}
	if err := f.Truncate(max(0, size-100_000)); err != nil {
		t.Error(err)
	}
	return func() { os.Remove(path) }
}

// makeReadOnly puts a file where a directory entry would have to be made: it stops root too, whom permissions do not.
func makeReadOnly(t *testing.T, dir string) func() {
	if os.Geteuid() != 0 {
		if err := os.Chmod(dir, 0o555); err != nil {
			t.Error(err)
		}
		return func() { os.Chmod(dir, 0o755) }
	}
	if out, err := exec.Command("mount", "--bind", "-o", "ro", dir, dir).CombinedOutput(); err != nil {
		t.Skipf("as root a read-only directory needs the right to mount one: %v: %s", err, out)
	}
	exec.Command("mount", "-o", "remount,ro,bind", dir).Run()
	return func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	}
}
