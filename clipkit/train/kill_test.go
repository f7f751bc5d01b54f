package train

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"clipnb/clipkit/checkpoint"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/device"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/model"
)

var kills = flag.Int("kills", 3, "how often the run is killed")

// tinyModel is a model of the fixtures on cpu:go, without weights, for a process that is no test.
func tinyModel(dropout float64, kind string) (*model.Model, error) {
	cfg, err := golden.ReadConfig(kind)
	if err != nil {
		return nil, err
	}
	cfg.TextDropout = dropout
	dev, err := device.Open("cpu:go")
	if err != nil {
		return nil, err
	}
	return model.New(cfg, dev)
}

// killedRun is the run that is killed: a tiny model with everything random on, that saves and validates all the time. tell hears of every step
// and validation, and of what the run says. In a world of several processes each of them has a rank of the run.
func killedRun(w exchange.World, root, name string, steps int, tell func(line string)) (err error) {
	m, err := tinyModel(0.1, "e2e")
	if err == nil {
		err = m.Init(1)
	}
	if err != nil {
		return err
	}
	data, err := dataset.Open(golden.Path("e2e"))
	if err != nil {
		return err
	}
	c := e2eConfig(m, name)
	c.MaxSteps, c.MaskRatio, c.Augment, c.SaveStepInterval, c.ValidStepInterval, c.BestMetric = steps, 0.3, "reference", 2, 3, "loss"
	if w.Size() > 1 {
		c.BatchSize, c.WorldSize = 2, w.Size()
	}
	var run *experiment.Run
	if w.Rank() == 0 {
		if run, err = experiment.Open(root, name, c, time.Now); err != nil {
			w.Abort(err)
			return err
		}
		defer run.Close()
	}
	validate := inBatch(m, data.Valid, c)
	job := Job{Model: m, Train: data.Train, Config: c, Run: run, Say: tell, World: w}
	job.Progress = func(p Progress) {
		if p.Pass.Of == 0 {
			tell(p.Row.Kind + " " + strconv.Itoa(p.Row.Step))
		}
	}
	job.Validate = func(ctx context.Context) (experiment.Row, error) {
		tell("validating")
		return validate(ctx)
	}
	err = job.Do(context.Background())
	tell("ended")
	return err
}

func killedChild() error {
	steps, err := strconv.Atoi(os.Getenv("CLIPKIT_STEPS"))
	if err != nil {
		return err
	}
	return killedRun(exchange.Alone, os.Getenv("CLIPKIT_ROOT"), "run", steps, func(line string) { fmt.Println(line) })
}

// victim is a run in another process.
type victim struct {
	cmd   *exec.Cmd
	lines chan string // what it tells; closed at its end
	told  []string
}

func startVictim(t *testing.T, root string, steps int) *victim {
	t.Helper()
	return startChild(t, "killed", "CLIPKIT_ROOT="+root, "CLIPKIT_STEPS="+strconv.Itoa(steps))
}

// startChild starts this test program as something else.
func startChild(t *testing.T, what string, environment ...string) *victim {
	t.Helper()
	return startChildBy(t, nil, what, environment...)
}

// startChildBy starts it by a command that takes programs, such as mpirun.
func startChildBy(t *testing.T, launcher []string, what string, environment ...string) *victim {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := append(slices.Clone(launcher), exe)
	v := &victim{cmd: exec.Command(command[0], command[1:]...), lines: make(chan string)}
	v.cmd.Env = append(append(os.Environ(), childEnv+"="+what), environment...)
	out, err := v.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	v.cmd.Stderr = v.cmd.Stdout
	if err := v.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(v.lines)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			v.lines <- lines.Text()
		}
	}()
	return v
}

// steps waits until the run has made n of them, or has ended, and gives how long the last one took.
func (v *victim) steps(n int) (last time.Duration) {
	began := time.Now()
	for line := range v.lines {
		v.told = append(v.told, line)
		if strings.Contains(line, "train ") {
			last, began = time.Since(began), time.Now()
			if n--; n == 0 {
				break
			}
		}
	}
	return last
}

// end waits for the process.
func (v *victim) end() error {
	for line := range v.lines {
		v.told = append(v.told, line)
	}
	return v.cmd.Wait()
}

// at is where a run that was killed stood: in a step, a validation or a save; "" before its first step or after its last.
func (v *victim) at(checkpoints string) string {
	trains := func(line string) bool { return strings.HasPrefix(line, "train ") }
	if !slices.ContainsFunc(v.told, trains) || slices.Contains(v.told, "ended") {
		return ""
	}
	for _, dir := range []string{checkpoints, filepath.Join(checkpoints, "best")} {
		if left, _ := filepath.Glob(filepath.Join(dir, ".saving-*")); len(left) > 0 {
			return "save"
		}
	}
	if v.told[len(v.told)-1] == "validating" {
		return "validation"
	}
	return "step"
}

// final is what a run's last checkpoint holds, with the number of its rows of each kind but notes.
func final(t *testing.T, dir string, steps int) (model, optimizer []byte, trained, validated int) {
	t.Helper()
	path, err := checkpoint.Latest(filepath.Join(dir, "checkpoints"), func(line string) { t.Error(line) })
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("step-%08d", steps); filepath.Base(path) != want {
		t.Fatalf("the last checkpoint is %s, want %s", path, want)
	}
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(path, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	rows, err := experiment.ReadRows(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		switch r.Kind {
		case "train":
			if trained++; r.Step != trained {
				t.Errorf("%s: training row %d is of step %d", dir, trained, r.Step)
			}
		case "valid":
			validated++
		}
	}
	return read("model.safetensors"), read("optimizer.safetensors"), trained, validated
}

// A run that is killed again and again, at any moment, ends in the same bits as one that is left alone, with the same rows; every checkpoint
// that a kill leaves is whole. Nine kills of ten have to hit a step, a validation or a save; the tenth is for what comes before them.
// fault 25, 19.5
func TestKilledRunEndsInTheSameBits(t *testing.T) {
	t.Parallel()
	const farthest = 10 // steps between two kills
	steps := 12 + farthest**kills
	whole, broken := t.TempDir(), t.TempDir()
	for _, what := range []string{"the uninterrupted run", "opening the finished run"} {
		v := startVictim(t, whole, steps)
		if err := v.end(); err != nil {
			t.Fatalf("%s: %v: %s", what, err, v.told)
		}
	}

	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	hit, saved, startUp := map[string]int{}, []int{}, time.Duration(0)
	checkpoints := filepath.Join(broken, "run", "checkpoints")
	for killed := range *kills {
		began, v := time.Now(), startVictim(t, broken, steps)
		longest := startUp // a moment is anywhere up to this
		if killed%10 != 9 {
			v.steps(1)
			startUp = time.Since(began)
			longest = v.steps(rng.IntN(farthest-1) + 1)
		}
		time.Sleep(time.Duration(rng.Float64() * float64(longest)))
		_ = v.cmd.Process.Kill()
		if err := v.end(); err != nil {
			if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != -1 {
				t.Fatalf("after %d kills: %v: %s", killed, err, v.told)
			}
		}
		hit[v.at(checkpoints)]++
		if strings.Contains(strings.Join(v.told, "\n"), "damaged") {
			t.Errorf("kill %d met damage: %s", killed, v.told)
		}
		path, err := checkpoint.Latest(checkpoints, func(line string) { t.Error(line) })
		if err != nil && !errors.Is(err, checkpoint.ErrNone) {
			t.Fatal(err)
		}
		if err == nil {
			c, err := checkpoint.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			saved = append(saved, c.State.Step)
			c.Close()
		}
	}
	t.Logf("%d kills of a run of %d steps hit %v (nothing: \"\"), after the checkpoints of steps %v", *kills, steps, hit, saved)
	if running := hit["step"] + hit["validation"] + hit["save"]; 10*running < 9**kills {
		t.Errorf("only %d of %d kills hit a step, a validation or a save: this run shows little", running, *kills)
	}
	v := startVictim(t, broken, steps)
	if err := v.end(); err != nil {
		t.Fatalf("the last part: %v: %s", err, v.told)
	}
	wantModel, wantOptimizer, wantTrained, wantValidated := final(t, filepath.Join(whole, "run"), steps)
	gotModel, gotOptimizer, gotTrained, gotValidated := final(t, filepath.Join(broken, "run"), steps)
	if !bytes.Equal(gotModel, wantModel) || !bytes.Equal(gotOptimizer, wantOptimizer) {
		t.Error("the killed run ended in other bits")
	}
	if gotTrained != wantTrained || gotValidated != wantValidated || gotTrained != steps {
		t.Errorf("%d training and %d validation rows, want %d and %d", gotTrained, gotValidated, wantTrained, wantValidated)
	}
	if left, _ := filepath.Glob(filepath.Join(broken, "run", "checkpoints", ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	a, errA := BestCheckpoint(filepath.Join(whole, "run"), func(line string) { t.Error(line) })
	b, errB := BestCheckpoint(filepath.Join(broken, "run"), func(line string) { t.Error(line) })
	if errA != nil || errB != nil || filepath.Base(a) != filepath.Base(b) {
		t.Errorf("best checkpoints %s (%v) and %s (%v)", a, errA, b, errB)
	}
}

// A damaged newest checkpoint is said aloud, the one before is used, and the end is the same.
// fault 27
func TestDamagedCheckpointIsPassedOver(t *testing.T) {
	root := t.TempDir()
	if err := killedRun(exchange.Alone, root, "whole", 8, func(string) {}); err != nil {
		t.Fatal(err)
	}
	wantModel, wantOptimizer, _, _ := final(t, filepath.Join(root, "whole"), 8)
	dir := filepath.Join(root, "whole")
	if err := os.Truncate(filepath.Join(dir, "checkpoints", "step-00000008", "model.safetensors"), 1000); err != nil {
		t.Fatal(err)
	}
	m, data := e2eModel(t), e2eData(t)
	m.Config.TextDropout = 0.1
	if err := m.Init(7); err != nil { // other weights than the run began with: they are replaced
		t.Fatal(err)
	}
	c := e2eConfig(m, "whole")
	c.MaxSteps, c.MaskRatio, c.Augment, c.SaveStepInterval, c.ValidStepInterval, c.BestMetric = 8, 0.3, "reference", 2, 3, "loss"
	_, _, said := doJob(t, root, m, data, c)
	if all := strings.Join(said, "\n"); !strings.Contains(all, "damaged checkpoint") || !strings.Contains(all, "step-00000008") || !strings.Contains(all, "after step 6 of 8") {
		t.Errorf("said %q", said)
	}
	gotModel, gotOptimizer, _, _ := final(t, dir, 8)
	if !bytes.Equal(gotModel, wantModel) || !bytes.Equal(gotOptimizer, wantOptimizer) {
		t.Error("the run ended in other bits")
	}
}
