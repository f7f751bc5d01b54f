package main

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"clipnb/clipkit/exchange"
	"clipnb/clipkit/exchange/mpi"
	"clipnb/clipkit/experiment"

	"github.com/spf13/cobra"
)

// tinyTrain is a command line that trains a tiny model, with experiments/ under root.
func tinyTrain(t *testing.T, root string, args ...string) *exec.Cmd {
	t.Helper()
	const golden = "../../internal/golden/testdata"
	cmd := command(t, append([]string{"train", "--train-data", golden + "/e2e", "--log-interval", "1", "--batch-size", "2", "--valid-batch-size", "4", "--warmup", "2", "--resume", golden + "/e2e/init.pt",
		"--reset-optimizer", "--reset-data-offset", "--vision-model", golden + "/tiny-vit.json", "--text-model", golden + "/tiny-text-e2e.json", "--device", "cpu:go"}, args...)...)
	cmd.Env = append(cmd.Env, "CLIPKIT_ROOT="+root)
	return cmd
}

// losses are those of a run's steps.
func losses(t *testing.T, root, name string) (all []float64) {
	t.Helper()
	rows, err := experiment.ReadRows(filepath.Join(root, "experiments", name))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if r.Kind == "train" {
			all = append(all, r.Loss)
		}
	}
	return all
}

// Two processes make the run that one makes which takes two ranks in turns, with one log of theirs.
func TestTrainWithProcesses(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	var said strings.Builder
	both := tinyTrain(t, root, "--name", "two", "--max-epochs", "2", "-n", "2")
	both.Stderr = &said
	out, err := both.Output()
	if err != nil || string(out) != filepath.Join(root, "experiments", "two")+"\n" {
		t.Fatalf("%v: %s%s", err, out, &said)
	}
	if out, err := tinyTrain(t, root, "--name", "one", "--max-epochs", "2", "--world-size", "2").CombinedOutput(); err != nil || !strings.Contains(string(out), "2 ranks are taken in turns on one device (cpu:go)") {
		t.Fatalf("%v: %s", err, out)
	}
	two, one := losses(t, root, "two"), losses(t, root, "one")
	if len(two) != 8 || len(one) != 8 {
		t.Fatalf("losses of two processes %v, of one %v", two, one)
	}
	for i := range one {
		if d := one[i] - two[i]; d > 1e-6 || d < -1e-6 {
			t.Errorf("step %d: loss %v of two processes, %v of one", i+1, two[i], one[i])
		}
	}
	logs, err := filepath.Glob(filepath.Join(root, "experiments", "two", "out_*.log"))
	if err != nil || len(logs) != 1 {
		t.Fatal(logs, err)
	}
	if text, err := os.ReadFile(logs[0]); err != nil || strings.Count(string(text), "Rank 0 | Global Steps: ") != 8 || strings.Count(string(text), "Global Batch Size: 4\n") != 8 {
		t.Errorf("%v: %s", err, text)
	}
}

// What is wrong on one rank or on all is one line, and an exit status.
func TestWrongRanks(t *testing.T) {
	t.Parallel()
	fails(t, tinyTrain(t, t.TempDir(), "-n", "0"), 2, "-n is 0, want 1 or more")
	fails(t, tinyTrain(t, t.TempDir(), "--map-by", "slot:PE=1"), 2, "--map-by is for the processes of -n")
	fails(t, tinyTrain(t, t.TempDir(), "-n", "2", "--device", "cuda:0"), 2, "each rank takes a cuda of its own")
	cards := tinyTrain(t, t.TempDir(), "-n", "8", "--device", "npu")
	cards.Env = append(cards.Env, "ASCEND_RT_VISIBLE_DEVICES=0,1")
	fails(t, cards, 2, "-n is 8, and there are 2 devices for --device npu")
	fails(t, tinyTrain(t, t.TempDir(), "-n", "2", "--train-data", "no-such-folder"), 1, "no-such-folder")
	fails(t, tinyTrain(t, t.TempDir(), "-n", "2", "--batch-size", "1"), 1, "batch_size is 1")
	fails(t, tinyTrain(t, t.TempDir(), "-n", "2", "--world-size", "3"), 1, "3")
	fails(t, tinyTrain(t, t.TempDir(), "-n", "2", "--resume", "no-such.pt", "--name", "x"), 1, "no-such.pt")
}

// Ctrl-C has all ranks save, and says so in one line; another number of processes goes on.
func TestInterruptedRanksGoOn(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	args := []string{"--name", "stopped", "--max-steps", "150", "--valid-epoch-interval", "0", "--save-epoch-frequency", "0"}
	cmd := tinyTrain(t, root, append(args, "-n", "2")...)
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(said)
	lines.Split(bufio.ScanRunes)
	var text strings.Builder
	stopped := false
	for lines.Scan() {
		text.WriteString(lines.Text())
		if !stopped && strings.Contains(text.String(), "/150)") {
			stopped = true
			if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait()
	if n := strings.Count(text.String(), "run it again to continue"); n != 1 || cmd.ProcessState.ExitCode() != 130 {
		t.Fatalf("status %d: %s", cmd.ProcessState.ExitCode(), &text)
	}
	done := len(losses(t, root, "stopped"))
	out, err := tinyTrain(t, root, args...).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "continuing ") {
		t.Fatalf("%v: %s", err, out)
	}
	if all := losses(t, root, "stopped"); len(all) != 150 || done >= 150 {
		t.Errorf("%d steps, after %d with two processes", len(all), done)
	}
}

// A rank that was started with other settings, another model or without the data ends all of them, and one says why.
func TestRanksThatDiffer(t *testing.T) {
	common := []string{"--train-data", goldenData + "/e2e", "--batch-size", "2", "--max-steps", "1", "--resume", goldenData + "/e2e/init.pt", "--reset-optimizer", "--reset-data-offset",
		"--vision-model", goldenData + "/tiny-vit.json", "--text-model", goldenData + "/tiny-text-e2e.json", "--device", "cpu:go"}
	for _, c := range []struct{ second, says string }{
		{"--lr=0.25", "lr"},
		{"--resume=" + goldenData + "/e2e/epoch2.pt", "weights"},
		{"--train-data=no-such-folder", "no-such-folder"},
		{"--val-data=" + goldenData + "/e2e", ""},
	} {
		t.Setenv("CLIPKIT_ROOT", t.TempDir())
		_, errs := onRanks(t, 2, func(cmd *cobra.Command, w exchange.World) error {
			args := common
			if w.Rank() == 1 {
				args = append(slices.Clone(common), c.second)
			}
			_, err := parsed(t, args...).train(cmd.Context(), w)
			return err
		})
		if c.says == "" { // the same data by another name
			if errs[0] != nil || errs[1] != nil {
				t.Error(errs)
			}
			continue
		}
		elsewhere := 0
		for _, err := range errs {
			switch {
			case errors.Is(err, exchange.ErrElsewhere):
				elsewhere++
			case err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n"):
				t.Errorf("%s: %v, want one line with %q", c.second, err, c.says)
			}
		}
		if elsewhere != 1 {
			t.Errorf("%s: %v", c.second, errs)
		}
	}
}

// The same under a real launcher, whose ranks are processes: one line, and no rank is left behind.
func TestRanksThatDifferUnderMpirun(t *testing.T) {
	t.Parallel()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for second, says := range map[string]string{"--lr=0.25": "lr", "--train-data=no-such-folder": "no-such-folder", "--seed=5": "seed"} {
		var out, errs strings.Builder
		cmd := tinyTrain(t, t.TempDir(), "--max-steps", "1")
		err := mpi.Run(t.Context(), mpi.Job{
			Processes: 2, Program: "/bin/sh", Stdout: &out, Stderr: &errs, Say: func(line string) { t.Log(line) }, Env: cmd.Env,
			Args: append([]string{"-c", `[ "$OMPI_COMM_WORLD_RANK" = 0 ] || set -- "$@" ` + second + `; exec "$0" "$@"`, program}, cmd.Args[1:]...),
		})
		text := strings.TrimSpace(errs.String())
		if err == nil || strings.Contains(text, "\n") || !strings.Contains(text, says) {
			t.Errorf("%s on rank 1: %v\n%s%s\nwant an error and one line with %q", second, err, &out, text, says)
		}
	}
}
