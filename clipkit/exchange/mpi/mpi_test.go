package mpi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"clipnb/clipkit/exchange"
	"clipnb/clipkit/exchange/exchangetest"
)

// rankDoes names what a copy of this test program does when a launcher started it.
const rankDoes = "MPI_TEST_RANK"

// ranksOfHost has it add up as if a host had no more ranks than that.
const ranksOfHost = "MPI_TEST_RANKS_OF_HOST"

func TestMain(m *testing.M) {
	what := os.Getenv(rankDoes)
	if what == "" {
		os.Exit(m.Run())
	}
	atMost, _ = strconv.Atoi(os.Getenv(ranksOfHost))
	w, err := Join()
	if err == nil {
		err = asRank(w, what)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// asRank is a rank's part of a test.
func asRank(w exchange.World, what string) error {
	switch what {
	case "conform":
		if err := exchangetest.Conforms(w); err != nil {
			return err
		}
		if w.Rank() == 0 {
			fmt.Printf("%d ranks conform over %s\n", w.Size(), w.(*world).abi)
		}
	case "pairs":
		return inPairs(w)
	case "work": // until somebody asks them to stop
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGUSR1)
		fmt.Printf("pid %d\n", os.Getpid())
		x := make([]float32, 1<<18)
		for flag := make([]float32, 1); flag[0] == 0; {
			select {
			case <-stop:
				flag[0] = 1
			default:
			}
			if err := errors.Join(w.Sum(x), w.Sum(flag)); err != nil {
				return err
			}
		}
		if w.Rank() == 0 {
			fmt.Println("all stopped and saved")
		}
	case "lost": // the launcher loses what both say
		LastWords(fmt.Sprintf("rank %d: lost on the way", w.Rank()))
		os.Exit(1)
	case "abort", "exit", "panic", "hang":
		if w.Rank() == 1 {
			switch what {
			case "abort":
				w.Abort(errors.New("picture 猫.jpg is broken"))
			case "exit":
				return errors.New("no room on the disk")
			case "panic":
				panic("a fault of ours")
			}
			time.Sleep(time.Hour)
		}
		return w.Sum(make([]float32, 100))
	case "bench":
		return cost(w)
	}
	return w.Close()
}

// inPairs fails where a sum is not that of adding up pairs of ranks, then pairs of pairs, to the bit.
func inPairs(w exchange.World) error {
	const n = 3<<18 + 5
	of := func(r, i int) float32 { return 1 / float32(1+(i*31+r*7)%1009) }
	x := make([]float32, n)
	for i := range x {
		x[i] = of(w.Rank(), i)
	}
	if err := w.Sum(x); err != nil {
		return err
	}
	for i, v := range x {
		want := of(0, i)
		if w.Size() > 1 {
			want += of(1, i)
		}
		if w.Size() == 3 {
			want += of(2, i)
		}
		if w.Size() == 4 {
			want += of(2, i) + of(3, i)
		}
		if v != want {
			return fmt.Errorf("value %d of %d is %v, want %v", i, n, v, want)
		}
	}
	if w.Rank() == 0 {
		fmt.Printf("%d ranks add up in pairs\n", w.Size())
	}
	return w.Close()
}

// run has n copies of this program do something.
func run(t testing.TB, ctx context.Context, n int, what string, out *safeBuffer, env ...string) error {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Run(ctx, Job{Processes: n, Program: self, Env: append(env, rankDoes+"="+what), Stdout: out, Stderr: out, Say: func(s string) { t.Log(s) }})
}

// safeBuffer is read while it is written.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestConforms(t *testing.T) {
	for _, c := range []struct {
		n   int
		env []string
	}{
		{1, nil}, {2, nil}, {3, nil}, {4, nil},
		{2, []string{windowEnv + "=off"}},
		{2, []string{windowEnv + "=off", "OMPI_MCA_btl=self,tcp"}},
		{4, []string{ranksOfHost + "=2"}}, // two hosts of two
		{3, []string{ranksOfHost + "=2"}}, // one of two, one of one: MPI's own sums
	} {
		var out safeBuffer
		if err := run(t, context.Background(), c.n, "conform", &out, c.env...); err != nil || !strings.Contains(out.String(), fmt.Sprint(c.n, " ranks conform over ")) {
			t.Errorf("%d ranks %v: %v\n%s", c.n, c.env, err, out.String())
		}
	}
}

// Four ranks with a micro-batch each then give the bits of two with two, and two those of one.
func TestSumsAreOfPairs(t *testing.T) {
	for _, n := range []int{2, 3, 4} {
		var out safeBuffer
		if err := run(t, context.Background(), n, "pairs", &out); err != nil || !strings.Contains(out.String(), fmt.Sprint(n, " ranks add up in pairs")) {
			t.Errorf("%d ranks: %v\n%s", n, err, out.String())
		}
	}
}

const mpichRequirement = `mpich==5.0.2 \
    --hash=sha256:8fed465ebff269ea2ebac179a25de02671ddf8df476e0f115be089015015cfd4 \
    --hash=sha256:992ae6ebb0da97d49d7a67000ae8112da9a3825da1bb1e6f1d196428a0410f2d
`

func mpichHome(t *testing.T) string {
	t.Helper()
	home, err := fetch("mpich", mpichRequirement, func(s string) { t.Log(s) })
	if err != nil {
		t.Fatal(err)
	}
	return home
}

// MPICH has two libraries: one of its own ABI, and one of the standard's.
func TestConformsWithMPICH(t *testing.T) {
	home := mpichHome(t)
	t.Setenv("MPI_HOME", home)
	for _, c := range []struct{ lib, abi string }{{"libmpi.so.12", "MPICH"}, {"libmpi_abi.so.1", "the standard ABI"}} {
		path := filepath.Join(home, "lib", c.lib)
		for _, env := range [][]string{nil, {windowEnv + "=off"}, {windowEnv + "=off", "UCX_TLS=tcp,self"}} {
			var out safeBuffer
			err := run(t, context.Background(), 2, "conform", &out, append(env, "MPI_LIBRARY="+path)...)
			if err != nil || !strings.Contains(out.String(), "2 ranks conform over "+c.abi) {
				t.Errorf("%s %v: %v\n%s", c.lib, env, err, out.String())
			}
		}
	}
}

// What cannot work is one line that says what to do, and nobody waits.
func TestWhatDoesNotBelongTogether(t *testing.T) {
	other := filepath.Join(mpichHome(t), "lib", "libmpi.so.12")
	for _, c := range []struct {
		says string
		env  []string
	}{
		{"it belongs to another MPI; set MPI_LIBRARY", []string{"MPI_LIBRARY=" + other}},
		{"MPI_LIBRARY is /no/libmpi.so: no such file", []string{"MPI_LIBRARY=/no/libmpi.so"}},
		{"it is no MPI library: it has no MPI_Init_thread", []string{"MPI_LIBRARY=libm.so.6"}},
		{"CLIPKIT_MPI_TIMEOUT is \"soon\", want a time", []string{"CLIPKIT_MPI_TIMEOUT=soon"}},
	} {
		if lib := strings.TrimPrefix(c.env[0], "MPI_LIBRARY="); lib == "libm.so.6" {
			out, err := exec.Command("sh", "-c", "ldconfig -p | grep -m1 -o '/[^ ]*/libm.so.6'").Output()
			if err != nil {
				t.Fatal(err)
			}
			c.env[0] = "MPI_LIBRARY=" + strings.TrimSpace(string(out))
		}
		var out safeBuffer
		err := run(t, context.Background(), 2, "conform", &out, c.env...)
		if err == nil || !strings.Contains(out.String(), c.says) {
			t.Errorf("%v: %v\n%s", c.env, err, out.String())
		}
	}
	t.Setenv("MPI_HOME", "/no/mpi")
	if err := Run(context.Background(), Job{Processes: 2, Program: "/bin/true"}); !errors.Is(err, exchange.ErrWorld) || !strings.Contains(err.Error(), "MPI_HOME is /no/mpi") {
		t.Error(err)
	}
	for name, value := range map[string]string{"SLURM_STEP_NUM_TASKS": "2", "MPI_LIBRARY": ""} {
		t.Setenv(name, value)
	}
	if _, err := Join(); !Launched() || err == nil || !strings.Contains(err.Error(), "start it with srun --mpi=pmix") {
		t.Error(err)
	}
	if err := Run(context.Background(), Job{Program: "/bin/true"}); err == nil || !strings.Contains(err.Error(), "0 processes, want 1 or more") {
		t.Error(err)
	}
}

// The message of the rank that fails is what a person sees, and nothing of the launcher's.
func TestARankFails(t *testing.T) {
	for what, says := range map[string]string{"abort": "rank 1: picture 猫.jpg is broken\n", "exit": "no room on the disk\n", "panic": "panic: a fault of ours"} {
		var out safeBuffer
		err := run(t, context.Background(), 3, what, &out)
		text := out.String()
		if !errors.Is(err, exchange.ErrWorld) || strings.Count(text, says) != 1 || what != "panic" && strings.Count(text, "\n") > 1 {
			t.Errorf("%s: %v\n%s", what, err, text)
		}
		for _, noise := range []string{"prterun", "mpirun", "MPI_ABORT", "-------"} {
			if strings.Contains(text, noise) {
				t.Errorf("%s: the launcher's %q is shown:\n%s", what, noise, text)
			}
		}
	}
}

// What the launcher loses of the rank that says why, Run says.
func TestLastWords(t *testing.T) {
	var out safeBuffer
	err := run(t, context.Background(), 2, "lost", &out)
	if text := out.String(); !errors.Is(err, exchange.ErrWorld) || strings.Count(text, ": lost on the way\n") != 1 || strings.Count(text, "\n") != 1 {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestLauncherNoise(t *testing.T) {
	var out strings.Builder
	n := &launcherNoise{to: &out}
	rule := strings.Repeat("-", 70)
	fmt.Fprintf(n, "training  3%%\r[vm:26851] PMIX ERROR: PMIX_ERR_UNREACH in file x.c at line 3146\n[warn] Epoll MOD(1) on fd 22 failed.\nno folder 猫\n%s\nprterun detected that\n%s\n[1/3] a line\nend", rule, rule)
	n.flush()
	if want := "training  3%\rno folder 猫\n[1/3] a line\nend"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
	if kept := oneLine(n.kept.String()); kept != "[vm:26851] PMIX ERROR: PMIX_ERR_UNREACH in file x.c at line 3146 [warn] Epoll MOD(1) on fd 22 failed. prterun detected that" {
		t.Errorf("kept %q", kept)
	}
}

func TestAHungRunEnds(t *testing.T) {
	var out safeBuffer
	err := run(t, context.Background(), 2, "hang", &out, "CLIPKIT_MPI_TIMEOUT=3s")
	if err == nil || !strings.Contains(out.String(), "rank 0: exchange: adding up has waited for the other ranks for 3s: one of them hangs") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// pids of the ranks that said them.
func pids(out string) (list []int) {
	for _, line := range strings.Split(out, "\n") {
		if n, err := strconv.Atoi(strings.TrimPrefix(line, "pid ")); err == nil {
			list = append(list, n)
		}
	}
	return list
}

// waitFor waits until ok; the test program's own limit is the only one.
func waitFor(ok func() bool) {
	for !ok() {
		time.Sleep(20 * time.Millisecond)
	}
}

func gone(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

func TestAKilledRankEndsAll(t *testing.T) {
	for victim := range 3 {
		var out safeBuffer
		ended := make(chan error, 1)
		go func() { ended <- run(t, context.Background(), 3, "work", &out) }()
		waitFor(func() bool { return len(pids(out.String())) == 3 || len(ended) > 0 })
		if len(ended) > 0 {
			t.Fatal(<-ended, out.String())
		}
		killed := time.Now()
		if err := syscall.Kill(pids(out.String())[victim], syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		err := <-ended
		t.Logf("all ended %.1f s after rank %d was killed: %v", time.Since(killed).Seconds(), victim, err)
		if !errors.Is(err, exchange.ErrWorld) || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "killed") && !strings.Contains(err.Error(), "signal 9") {
			t.Errorf("%v\n%s", err, out.String())
		}
		for _, pid := range pids(out.String()) {
			waitFor(func() bool { return gone(pid) })
		}
		if left, _ := filepath.Glob(fmt.Sprintf("/dev/shm/clipkit-mpi-*-%d-*", os.Getpid())); len(left) > 0 { // other tests have theirs at the same time
			t.Errorf("left in /dev/shm: %v", left)
		}
	}
}

// What a killed program left is removed by the next one.
func TestFoldersOfTheDeadAreRemoved(t *testing.T) {
	parent := t.TempDir()
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(parent, fmt.Sprintf("clipkit-mpi-%s-%d-1", processSpace(), dead.Process.Pid))
	if err := os.Mkdir(left, 0o755); err != nil {
		t.Fatal(err)
	}
	mine, err := folder(parent)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := folder(parent); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", left, err)
	}
	if _, err := os.Stat(mine); err != nil {
		t.Error(err)
	}
}

func TestStopLetsRanksSave(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var out safeBuffer
	ended := make(chan error, 1)
	go func() { ended <- run(t, ctx, 2, "work", &out) }()
	waitFor(func() bool { return len(pids(out.String())) == 2 || len(ended) > 0 })
	stop()
	if err := <-ended; err != nil || !strings.Contains(out.String(), "all stopped and saved") {
		t.Errorf("%v\n%s", err, out.String())
	}
}
