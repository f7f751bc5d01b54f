package mpi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"clipnb/clipkit/exchange"

	"golang.org/x/sys/unix"
)

// Job is a program that a launcher starts Processes times; each of them calls Join.
type Job struct {
	Processes int
	Program   string // its file
	Args, Env []string

	MapBy    string // mpirun's --map-by, such as "slot:PE=24", which binds each process to 24 cores of its own; "" = as many as wanted, bound to none
	Hostfile string // mpirun's --hostfile: a host a line, "name slots=8"; "" = this host

	Stdout, Stderr io.Writer
	Say            func(line string) // told before something is fetched; nil = nobody
	Grace          time.Duration     // after ctx ends, how long the processes may take to save; 0 = ten minutes
}

// shm is what the buffers between the processes of a host want of /dev/shm; Docker gives it 64 MiB.
const shm = 256 << 20

// Run starts the job and waits for its end. When ctx ends, the processes get SIGUSR1, every second until they end, and may save; a launcher that gets
// SIGINT or SIGTERM ends them at once. Where one fails, all are ended, and what it wrote to its standard error is what a person should read.
func Run(ctx context.Context, j Job) error {
	if j.Processes < 1 {
		return fmt.Errorf("%w: %d processes, want 1 or more", exchange.ErrWorld, j.Processes)
	}
	if j.Say == nil {
		j.Say = func(string) {}
	}
	home, err := launcherHome(j.Say)
	if err != nil {
		return err
	}
	mpirun, of, err := launcherIn(home)
	if err != nil {
		return err
	}
	lib, ok := libraryIn(home, of)
	if !ok {
		return fmt.Errorf("%w: %s has no library beside it: set MPI_HOME to a whole installation of MPI", exchange.ErrWorld, mpirun)
	}
	dir, err := folder(os.TempDir()) // what a killed run would leave in /tmp and /dev/shm
	if err != nil {
		return fmt.Errorf("%w: %w", exchange.ErrWorld, err)
	}
	defer os.RemoveAll(dir)
	backing := dir
	var space unix.Statfs_t
	if unix.Statfs("/dev/shm", &space) == nil && space.Bavail*uint64(space.Bsize) > shm {
		if backing, err = folder("/dev/shm"); err != nil {
			backing = dir
		}
		defer os.RemoveAll(backing)
	}
	noise, said := &launcherNoise{to: j.Stderr}, filepath.Join(dir, "last-words")
	cmd := exec.Command(mpirun, j.arguments(of)...)
	cmd.Env = append(os.Environ(), "MPI_LIBRARY="+lib, "OMPI_MCA_btl_sm_backing_directory="+backing, "OMPI_MCA_osc_sm_backing_directory="+backing, "PRTE_MCA_prte_tmpdir_base="+dir, "OMPI_MCA_orte_tmpdir_base="+dir, lastWords+"="+said)
	for _, system := range []string{"OMPI", "PRTE"} { // root is what a container has
		cmd.Env = append(cmd.Env, system+"_ALLOW_RUN_AS_ROOT=1", system+"_ALLOW_RUN_AS_ROOT_CONFIRM=1")
	}
	cmd.Env = append(cmd.Env, j.Env...)
	cmd.Stdout, cmd.Stderr = j.Stdout, noise
	cmd.WaitDelay = 10 * time.Second
	err = j.wait(ctx, cmd)
	noise.flush()
	if text, _ := os.ReadFile(said); err != nil && !bytes.Contains(noise.passed, bytes.TrimSpace(text)) {
		noise.pass(text)
	}
	var status *exec.ExitError
	if err != nil && ctx.Err() != nil { // it was stopped before it could answer, or did not in time
		return fmt.Errorf("%w: %d processes of %s did not end well after they were told to stop (%w, %w) %s", exchange.ErrWorld, j.Processes, filepath.Base(j.Program), context.Cause(ctx), err, oneLine(noise.kept.String()))
	}
	if errors.As(err, &status) {
		if !noise.wrote && noise.kept.Len() > 0 {
			return fmt.Errorf("%w: %d processes of %s: %s", exchange.ErrWorld, j.Processes, filepath.Base(j.Program), oneLine(noise.kept.String()))
		}
		return fmt.Errorf("%w: one of %d processes of %s failed, and all were ended (%w)", exchange.ErrWorld, j.Processes, filepath.Base(j.Program), err)
	}
	if err != nil {
		return fmt.Errorf("%w: starting %s: %w", exchange.ErrWorld, mpirun, err)
	}
	return nil
}

// folder makes one for this process in parent, and removes those of processes that were killed.
func folder(parent string) (string, error) {
	name := "clipkit-mpi-" + processSpace() + "-"
	old, _ := filepath.Glob(filepath.Join(parent, name+"*"))
	for _, dir := range old {
		text, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), name), "-")
		if pid, err := strconv.Atoi(text); err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			_ = os.RemoveAll(dir)
		}
	}
	return os.MkdirTemp(parent, fmt.Sprintf("%s%d-", name, os.Getpid()))
}

// processSpace tells containers apart, whose process ids mean nothing to each other.
func processSpace() string {
	space, _ := os.Readlink("/proc/self/ns/pid") // pid:[4026531836]
	return strings.Trim(space, "pid:[]")
}

// wait starts cmd, which dies with this process, and waits for it.
func (j Job) wait(ctx context.Context, cmd *exec.Cmd) error {
	cmd.SysProcAttr = attributes()
	started, ended := make(chan error), make(chan error, 1)
	go func() {
		runtime.LockOSThread() // the launcher ends with the thread that started it
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			ended <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	grace := j.Grace
	if grace == 0 {
		grace = 10 * time.Minute
	}
	again := time.NewTicker(time.Second) // processes that have not started yet would not hear the first one
	defer again.Stop()
	for end := time.After(grace); ; {
		j.interrupt(cmd.Process)
		select {
		case err := <-ended:
			return err
		case <-end:
			_ = cmd.Process.Signal(syscall.SIGTERM)
			select {
			case err := <-ended:
				return err
			case <-time.After(10 * time.Second):
				_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
				return <-ended
			}
		case <-again.C:
		}
	}
}

// interrupt sends SIGUSR1 to the processes of this host themselves: a launcher that is just ending would die of it, and with it the last that they said.
// Those of other hosts only the launcher reaches.
func (j Job) interrupt(launcher *os.Process) {
	if j.Hostfile != "" || runtime.GOOS != "linux" {
		_ = launcher.Signal(syscall.SIGUSR1)
		return
	}
	for _, pid := range started(launcher.Pid) {
		_ = syscall.Kill(pid, syscall.SIGUSR1)
	}
}

// launchers are the programs between mpirun and the processes that it starts.
var launchers = []string{"mpirun", "mpiexec", "prterun", "prted", "orterun", "orted", "mpiexec.hydra", "hydra_pmi_proxy"}

// started are the processes that a launcher has started.
func started(launcher int) (pids []int) {
	children := map[int][]int{}
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range all {
		if pid, err := strconv.Atoi(filepath.Base(dir)); err == nil {
			children[parent(pid)] = append(children[parent(pid)], pid)
		}
	}
	queue := []int{launcher}
	for len(queue) > 0 {
		for _, pid := range children[queue[0]] {
			exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
			if slices.Contains(launchers, filepath.Base(exe)) {
				queue = append(queue, pid)
			} else {
				pids = append(pids, pid)
			}
		}
		queue = queue[1:]
	}
	return pids
}

// arguments of the launcher.
func (j Job) arguments(of flavour) []string {
	args := []string{"-n", strconv.Itoa(j.Processes)}
	if j.Hostfile != "" {
		args = append(args, map[flavour]string{openMPI: "--hostfile", mpich: "-f"}[of], j.Hostfile)
	}
	switch {
	case j.MapBy != "" && of == mpich:
		args = append(args, "-map-by", j.MapBy)
	case j.MapBy != "":
		args = append(args, "--map-by", j.MapBy)
	case of == openMPI:
		args = append(args, "--map-by", ":OVERSUBSCRIBE", "--bind-to", "none")
	}
	if j.Hostfile != "" && of == openMPI {
		for _, e := range append([]string{"MPI_LIBRARY="}, j.Env...) {
			name, _, _ := strings.Cut(e, "=")
			args = append(args, "-x", name)
		}
	}
	return append(append(args, j.Program), j.Args...)
}

// launcherHome is MPI_HOME, the pinned wheel, or where that cannot be had the folder of the mpirun on PATH.
func launcherHome(say func(string)) (string, error) {
	if home := os.Getenv("MPI_HOME"); home != "" {
		return home, nil
	}
	home, err := wheel(say)
	if err == nil {
		return home, nil
	}
	if path, missing := exec.LookPath("mpirun"); missing == nil {
		return filepath.Dir(filepath.Dir(path)), nil
	}
	return "", err
}

// launcherIn finds an installation's mpirun, and whose it is.
func launcherIn(home string) (mpirun string, of flavour, err error) {
	mpirun = filepath.Join(home, "bin", "mpirun")
	real, err := filepath.EvalSymlinks(mpirun)
	if err != nil {
		return "", "", fmt.Errorf("%w: MPI_HOME is %s: %w; set it to the folder with bin/mpirun in it", exchange.ErrWorld, home, err)
	}
	if _, err := os.Stat(filepath.Join(home, "bin", "prterun")); err == nil || strings.Contains(filepath.Base(real), "orterun") {
		return mpirun, openMPI, nil
	}
	return mpirun, mpich, nil
}

// launcherNoise hands lines on, but for what launchers say about the end of a process: it stands between lines of dashes, or after [host:pid], and
// libevent's, which they are built on, after [warn].
type launcherNoise struct {
	to     io.Writer
	line   bytes.Buffer
	inside bool
	kept   bytes.Buffer // the noise, for when nobody says more
	passed []byte       // the end of what is none
	wrote  bool
}

func (n *launcherNoise) Write(p []byte) (int, error) {
	for _, c := range p {
		n.line.WriteByte(c)
		if c == '\n' || c == '\r' {
			n.flush()
		}
	}
	return len(p), nil
}

func (n *launcherNoise) flush() {
	defer n.line.Reset()
	line := n.line.Bytes()
	text := strings.TrimSpace(string(line))
	rule := len(text) > 40 && strings.Trim(text, "-=") == ""
	switch {
	case rule:
		n.inside = !n.inside
	case n.inside || logLine.MatchString(text) || strings.HasPrefix(text, "=   ") || strings.HasPrefix(text, "YOUR APPLICATION TERMINATED"):
		n.kept.Write(line)
	case len(line) > 0:
		n.pass(line)
	}
}

func (n *launcherNoise) pass(line []byte) {
	const enough = 64 << 10
	n.wrote = n.wrote || len(bytes.TrimSpace(line)) > 0
	n.passed = append(n.passed, line...)
	n.passed = n.passed[max(0, len(n.passed)-enough):]
	if n.to != nil {
		_, _ = n.to.Write(line)
	}
}

// lastWords names the file for LastWords, which only this host's processes can write.
const lastWords = "CLIPKIT_LAST_WORDS"

// LastWords is for the rank that says why all end, beside saying it on standard error: a launcher that sees a rank end may lose what it said last, and Run
// then says it. The first rank's stand. Without Run it does nothing.
func LastWords(text string) {
	f, err := os.OpenFile(os.Getenv(lastWords), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return
	}
	_, _ = f.WriteString(text + "\n")
	_ = f.Close()
}

var logLine = regexp.MustCompile(`^\[(\S+:\d+|warn|err)\] `)

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// Interrupted is a context of a rank that ends when the run is asked to stop: Run's context ended, or a launcher handed on a signal. A rank calls it first
// of all, for SIGUSR1 ends a process that does not expect it; the ranks, which may learn of it at different steps, have to agree.
func Interrupted(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(ctx, syscall.SIGUSR1, syscall.SIGINT, syscall.SIGTERM)
}
