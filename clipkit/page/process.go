package clipkit

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"clipnb/clipkit/explore"

	"github.com/janpfeifer/gonb/gonbui"
)

// childEnv marks the page's process.
const childEnv = "CLIPKIT_PAGE"

// The page's process is this program started again. It never comes to the program's own code: a cell that trains for an hour before it
// calls Explore would otherwise do so again.
func init() {
	if os.Getenv(childEnv) == "" {
		return
	}
	if err := servePage(); err != nil {
		fmt.Fprintln(os.Stderr, "clipkit:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// pages is the folder of everything that pages leave.
func pages() string { return filepath.Join(experiments(), ".explore") }

// process is one, told from a later one with the same number by when it began.
type process struct {
	PID   int
	Began string // "" where the system does not say
}

func thisProcess(pid int) process { return process{pid, began(pid)} }

// owner is whose end is the page's: the kernel's, or outside a notebook this program's.
func owner() process {
	if gonbui.IsNotebook {
		return thisProcess(os.Getppid())
	}
	return thisProcess(os.Getpid())
}

// began reads the start time that Linux keeps.
func began(pid int) string {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return ""
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:])) // a program's name may have spaces
	if len(fields) < 20 || fields[0] == "Z" {
		return ""
	}
	return fields[19]
}

func (p process) alive() bool {
	err := syscall.Kill(p.PID, 0)
	return p.PID > 0 && (err == nil || errors.Is(err, syscall.EPERM)) && began(p.PID) == p.Began
}

// pageState is what is known of a page that runs; a file that only its owner may read.
type pageState struct {
	Page  process
	Owner process
	Port  int
	Token string
	Key   string // pageSpec.key
}

func stateFile(name string, owner process) string {
	return filepath.Join(pages(), fmt.Sprintf("%s-%d.json", name, owner.PID))
}

// readState gives the state of an owner's page, if its process is there.
func readState(name string, owner process) (s pageState, ok bool) {
	b, err := os.ReadFile(stateFile(name, owner))
	if err != nil || json.Unmarshal(b, &s) != nil || s.Owner != owner {
		return s, false
	}
	return s, s.Page.alive()
}

func (s pageState) write(name string) error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(pages(), ".state-*") // only the user may read it
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), stateFile(name, s.Owner))
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// openPage finds the page that runs already, or starts it.
func openPage(ctx context.Context, spec pageSpec, owner process) (*Page, error) {
	s, running := readState(spec.Name, owner)
	if running && s.Key == spec.key() {
		if p := newPage(spec.Name, s); p.Healthy(ctx) == nil {
			return p, nil
		}
	}
	port := 0
	if running {
		newPage(spec.Name, s).Close()
		port = s.Port // frames that show it go on with the new one
	}
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil && port != 0 {
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		return nil, err
	}
	defer l.Close()
	spec.Owner = owner
	if spec.Token = s.Token; spec.Token == "" || !running {
		spec.Token = rand.Text()
	}
	s = pageState{Owner: owner, Port: l.Addr().(*net.TCPAddr).Port, Token: spec.Token, Key: spec.key()}
	return startPage(ctx, spec, l.(*net.TCPListener), s)
}

// startPage starts the page's process and waits until it answers.
func startPage(ctx context.Context, spec pageSpec, l *net.TCPListener, s pageState) (*Page, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	socket, err := l.File()
	if err != nil {
		return nil, err
	}
	defer socket.Close()
	if err := os.MkdirAll(pages(), 0o755); err != nil {
		return nil, err
	}
	logFile := filepath.Join(pages(), spec.Name+".log")
	log, err := os.Create(logFile)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	in, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	c := exec.Command(program)
	for _, e := range os.Environ() { // what a cell writes to GoNB's pipe ends in its output; the page must not
		if !strings.HasPrefix(e, "GONB_PIPE") {
			c.Env = append(c.Env, e)
		}
	}
	c.Env = append(c.Env, childEnv+"=1")
	c.Stdin, c.Stdout, c.Stderr = bytes.NewReader(in), log, log
	c.ExtraFiles = []*os.File{socket}
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // an interrupted cell does not interrupt it
	if err := c.Start(); err != nil {
		return nil, err
	}
	s.Page = thisProcess(c.Process.Pid)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() { cancel(fmt.Errorf("its process ended (%v)", c.Wait())) }()
	page := newPage(spec.Name, s)
	// The state is written before the page is ready: where this cell is interrupted meanwhile, the next one finds it.
	if err = s.write(spec.Name); err == nil {
		err = page.Healthy(ctx)
	}
	if err == nil {
		return page, nil
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	c.Process.Kill()
	os.Remove(stateFile(spec.Name, spec.Owner))
	return nil, fmt.Errorf("%w; what it said is in %s, the end: %s", err, logFile, tail(logFile))
}

// tail gives the last lines of a log.
func tail(path string) string {
	b, _ := os.ReadFile(path)
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-3):], "\n")
}

// servePage is the page's process: it serves on the socket that it was started with until its owner ends or it is told to.
func servePage() error {
	os.Unsetenv(childEnv)
	l, err := net.FileListener(os.NewFile(3, "socket"))
	if err != nil {
		return fmt.Errorf("%s is set, but this process was not started by clipkit.Explore: %w", childEnv, err)
	}
	var spec pageSpec
	if err := json.NewDecoder(os.Stdin).Decode(&spec); err != nil {
		return fmt.Errorf("reading what to show: %w", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		for spec.Owner.alive() {
			time.Sleep(500 * time.Millisecond)
		}
		cancel()
	}()
	h, closeAll, err := spec.open(ctx)
	if err != nil {
		return err
	}
	defer closeAll()
	err = explore.Serve(ctx, l, h)
	if s, ok := readState(spec.Name, spec.Owner); ok && s.Page.PID == os.Getpid() {
		os.Remove(stateFile(spec.Name, spec.Owner))
	}
	return err
}

// open opens all that is shown.
func (spec pageSpec) open(ctx context.Context) (h *explore.Handler, closeAll func(), err error) {
	var opened []func()
	closeOpened := func() {
		for _, f := range opened {
			f()
		}
	}
	defer func() {
		if err != nil {
			closeOpened()
		}
	}()
	source, closeSource, err := spec.Data.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	opened = append(opened, func() { closeSource() })
	c := explore.Config{Title: spec.Title, Source: source, Token: spec.Token}
	for _, s := range spec.Sides {
		m, err := s.load(ctx)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		opened = append(opened, m.Close)
		e, err := s.Index.open(ctx, s.Sum, m.Config.EmbedDim, len(source.Texts()) > 0)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		opened = append(opened, func() { e.close() })
		c.Sides = append(c.Sides, explore.Side{Name: s.Name, Model: m.Model, Images: e.Images, Texts: e.Texts})
	}
	h, err = explore.New(ctx, c)
	return h, closeOpened, err
}
