package train

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"clipnb/clipkit/checkpoint"
	"clipnb/clipkit/exchange"
)

// sockets is a world of processes of this machine, for the tests that end some of them: rank 0 collects what all bring and gives it to all.
type sockets struct {
	rank, size int
	peers      []net.Conn // of rank 0, those of the others; of the others, that of rank 0
}

// joinSockets is called by every process with the same path.
func joinSockets(path string, rank, size int) (*sockets, error) {
	w := &sockets{rank: rank, size: size}
	if rank > 0 {
		for {
			c, err := net.Dial("unix", path)
			if err == nil {
				w.peers = []net.Conn{c}
				_, err = c.Write([]byte{byte(rank)})
				return w, err
			}
			time.Sleep(time.Millisecond) // rank 0 is not there yet
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	w.peers = make([]net.Conn, size-1)
	for range size - 1 {
		c, err := l.Accept()
		if err != nil {
			return nil, err
		}
		who := make([]byte, 1)
		if _, err := io.ReadFull(c, who); err != nil {
			return nil, err
		}
		w.peers[who[0]-1] = c
	}
	return w, nil
}

func (w *sockets) Rank() int  { return w.rank }
func (w *sockets) Size() int  { return w.size }
func (w *sockets) Local() int { return w.rank }

func (w *sockets) Gather(mine, all []byte) error {
	if w.rank > 0 {
		_, err := w.peers[0].Write(mine)
		if err == nil {
			_, err = io.ReadFull(w.peers[0], all)
		}
		return gone(err)
	}
	copy(all, mine)
	for i, c := range w.peers {
		if _, err := io.ReadFull(c, all[(i+1)*len(mine):(i+2)*len(mine)]); err != nil {
			return gone(err)
		}
	}
	for _, c := range w.peers {
		if _, err := c.Write(all); err != nil {
			return gone(err)
		}
	}
	return nil
}

func gone(err error) error {
	if err != nil {
		err = fmt.Errorf("%w: another process is gone: %w", exchange.ErrWorld, err)
	}
	return err
}

func (w *sockets) Sum(x []float32) error {
	mine := make([]byte, 0, 4*len(x))
	for _, v := range x {
		mine = binary.LittleEndian.AppendUint32(mine, math.Float32bits(v))
	}
	all := make([]byte, w.size*len(mine))
	if err := w.Gather(mine, all); err != nil {
		return err
	}
	clear(x)
	for r := range w.size {
		for i := range x {
			x[i] += math.Float32frombits(binary.LittleEndian.Uint32(all[r*len(mine)+4*i:]))
		}
	}
	return nil
}

func (w *sockets) Share(x []byte, root int) error {
	all := make([]byte, w.size*len(x))
	err := w.Gather(x, all)
	copy(x, all[root*len(x):])
	return err
}

func (w *sockets) Abort(reason error) {
	fmt.Printf("rank %d: %v\n", w.rank, reason)
	os.Exit(1)
}

func (w *sockets) Close() error { return nil }

// ranksChild is one process of a run over ranks.
func ranksChild() error {
	number := func(name string) (n int) {
		n, _ = strconv.Atoi(os.Getenv(name))
		return n
	}
	w, err := joinSockets(os.Getenv("CLIPKIT_SOCKET"), number("CLIPKIT_RANK"), number("CLIPKIT_SIZE"))
	if err != nil {
		return err
	}
	return killedRun(w, os.Getenv("CLIPKIT_ROOT"), "run", number("CLIPKIT_STEPS"), func(line string) { fmt.Println(line) })
}

// startRanks starts n processes of a run.
func startRanks(t *testing.T, root string, n, steps int) (all []*victim) {
	t.Helper()
	dir, err := os.MkdirTemp("", "ranks") // a socket's path may not be long
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for rank := range n {
		all = append(all, startChild(t, "ranks", "CLIPKIT_ROOT="+root, "CLIPKIT_STEPS="+strconv.Itoa(steps), "CLIPKIT_SOCKET="+filepath.Join(dir, "s"),
			"CLIPKIT_RANK="+strconv.Itoa(rank), "CLIPKIT_SIZE="+strconv.Itoa(n)))
	}
	return all
}

// endAll waits for all processes.
func endAll(all []*victim) (errs []error) {
	errs = make([]error, len(all))
	var wait sync.WaitGroup
	for i, v := range all {
		wait.Go(func() { errs[i] = v.end() })
	}
	wait.Wait()
	return errs
}

// A run over processes of which one is killed, at any moment, ends: the others say so and stop. Started again, it ends in the same bits as one that was
// left alone.
func TestKilledProcessEndsAllAndTheRunGoesOn(t *testing.T) {
	t.Parallel()
	const processes, farthest = 2, 8
	steps := 8 + farthest**kills
	whole, broken := t.TempDir(), t.TempDir()
	all := startRanks(t, whole, processes, steps)
	if err := errors.Join(endAll(all)...); err != nil {
		t.Fatalf("the uninterrupted run: %v: %s", err, all[0].told)
	}
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	landed, longest := 0, time.Duration(0)
	var saved []int
	for kill := 0; landed < *kills; kill++ {
		if kill > 3**kills {
			t.Fatalf("of %d kills only %d hit a running process", kill, landed)
		}
		all := startRanks(t, broken, processes, steps)
		victim := rng.IntN(processes)
		between := all[victim].steps(1 + rng.IntN(farthest-1))
		time.Sleep(time.Duration(rng.Float64() * float64(between)))
		_ = all[victim].cmd.Process.Kill()
		killed := time.Now()
		errs := endAll(all)
		longest = max(longest, time.Since(killed))
		if exit := (*exec.ExitError)(nil); !errors.As(errs[victim], &exit) || exit.ExitCode() != -1 {
			continue // it had ended
		}
		landed++
		for rank, err := range errs {
			if said := strings.Join(all[rank].told, "\n"); rank != victim && (err == nil || strings.Count(said, "another process is gone") != 1) {
				t.Errorf("process %d after process %d was killed: %v: %s", rank, victim, err, said)
			}
		}
		if path, err := checkpoint.Latest(filepath.Join(broken, "run", "checkpoints"), func(line string) { t.Error(line) }); err == nil {
			saved = append(saved, mustStep(t, path))
		}
	}
	t.Logf("%d kills that landed, after the checkpoints of steps %v; the others had ended after %v at most", landed, saved, longest.Round(time.Millisecond))
	all = startRanks(t, broken, processes, steps)
	if err := errors.Join(endAll(all)...); err != nil {
		t.Fatalf("the last part: %v: %s", err, all[0].told)
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

func mustStep(t *testing.T, path string) int {
	t.Helper()
	c, err := checkpoint.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.State.Step
}
