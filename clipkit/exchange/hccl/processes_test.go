package hccl

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"clipnb/clipkit/device/devicetest"
	"clipnb/clipkit/exchange"
)

// files is a world of processes that leave each other files in a folder, of which a call has one from each rank.
type files struct {
	exchange.World
	dir              string
	rank, size, call int
}

func (f *files) Rank() int { return f.rank }
func (f *files) Size() int { return f.size }

func (f *files) Gather(mine, all []byte) error {
	f.call++
	name := func(rank int) string { return filepath.Join(f.dir, fmt.Sprint(f.call, ".", rank)) }
	err := os.WriteFile(name(f.rank)+".part", mine, 0o644)
	if err == nil {
		err = os.Rename(name(f.rank)+".part", name(f.rank))
	}
	for r := 0; err == nil && r < f.size; r++ {
		var theirs []byte
		for {
			if theirs, err = os.ReadFile(name(r)); !os.IsNotExist(err) {
				break
			}
			time.Sleep(time.Millisecond)
		}
		copy(all[r*len(mine):], theirs)
	}
	return err
}

func (f *files) Share(x []byte, root int) error {
	all := make([]byte, f.size*len(x))
	err := f.Gather(x, all)
	copy(x, all[root*len(x):])
	return err
}

// Two processes, as in a real run, each with one card: every one gets the sum.
func TestSimulatedProcesses(t *testing.T) {
	const rankVariable, dirVariable, ranks = "CLIPKIT_TEST_RANK", "CLIPKIT_TEST_FOLDER", 2
	sim := simulated(t)
	if !devicetest.IsChild() {
		dir, done := t.TempDir(), make(chan error, ranks)
		var running []*exec.Cmd
		for r := range ranks {
			cmd := devicetest.Child(t.Name(), append(sim.Again(t).Env(), rankVariable+"="+strconv.Itoa(r), dirVariable+"="+dir)...)
			var said strings.Builder
			cmd.Stdout, cmd.Stderr = &said, &said
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			running = append(running, cmd)
			go func() {
				err := cmd.Wait()
				if err != nil {
					err = fmt.Errorf("rank %d: %w\n%s", r, err, said.String())
				}
				done <- err
			}()
		}
		for range ranks {
			if err := <-done; err != nil {
				t.Error(err)
				for _, cmd := range running { // who would wait
					_ = cmd.Process.Kill()
				}
			}
		}
		return
	}
	rank, err := strconv.Atoi(os.Getenv(rankVariable))
	if err != nil {
		t.Fatal(err)
	}
	dev := devicetest.Open(t, fmt.Sprintf("npu:cann:%d", rank))
	w, err := Over(&files{World: exchange.Alone, dir: os.Getenv(dirVariable), rank: rank, size: ranks}, dev.Card())
	if err != nil {
		t.Fatal(err)
	}
	const n = 300_000
	buffers, addresses, lengths, err := put(dev, [][]float32{values(rank, 0, n)})
	if err == nil {
		err = w.SumOnDevice(addresses, lengths)
	}
	got := make([]float32, n)
	if err == nil {
		err = buffers[0].ToFlatData(got)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	want := values(0, 0, n)
	for i, x := range values(1, 0, n) {
		want[i] += x
	}
	if !slices.Equal(got, want) {
		t.Errorf("rank %d: the sum is wrong", rank)
	}
}
