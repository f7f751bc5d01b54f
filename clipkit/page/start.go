package page

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"clipnb/clipkit/internal/regular"
)

// task is what the page's process reads from its standard input.
type task struct {
	Name  string
	Owner process
	Token string
	Spec  json.RawMessage // for the Opener
}

// CheckName refuses what cannot be a page's name, which is a part of its files' names.
func CheckName(name string) error {
	if strings.ContainsAny(name, "/\\ ") || name == "" {
		return fmt.Errorf("page name %q: want a name without spaces and slashes", name)
	}
	return nil
}

// Start gives the page of this name. One that runs and shows the same spec is left as it is; else a process is started that hands the spec, as
// JSON, to the Opener of its Main, in the place of a page that shows something else.
func Start(ctx context.Context, name string, spec any) (*Page, error) {
	return start(ctx, name, spec, owner())
}

func start(ctx context.Context, name string, spec any, owner process) (*Page, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	shown, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	key := fmt.Sprintf("%x", sha256.Sum256(shown))
	s, running := readState(name, owner)
	if running && s.Key == key {
		if p := newPage(name, s); p.Healthy(ctx) == nil {
			return p, nil
		}
	}
	port := 0
	if running {
		newPage(name, s).Close()
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
	token := s.Token
	if token == "" || !running {
		token = rand.Text()
	}
	s = state{Owner: owner, Port: l.Addr().(*net.TCPAddr).Port, Token: token, Key: key}
	return launch(ctx, task{name, owner, token, shown}, l.(*net.TCPListener), s)
}

// launch starts the page's process and waits until it answers.
func launch(ctx context.Context, t task, l *net.TCPListener, s state) (*Page, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	socket, err := l.File()
	if err != nil {
		return nil, err
	}
	defer socket.Close()
	if err := os.MkdirAll(Dir(), 0o777); err != nil {
		return nil, err
	}
	logFile := filepath.Join(Dir(), t.Name+".log")
	log, err := os.Create(logFile)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	in, err := json.Marshal(t)
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
	page := newPage(t.Name, s)
	// The state is written before the page is ready: where this cell is interrupted meanwhile, the next one finds it.
	if err = s.write(t.Name); err == nil {
		stop := follow(logFile, os.Stderr, patience)
		err = page.Healthy(ctx)
		stop()
	}
	if err == nil {
		return page, nil
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	c.Process.Kill()
	os.Remove(stateFile(t.Name, t.Owner))
	return nil, fmt.Errorf("%w; what it said is in %s, the end: %s", err, logFile, tail(logFile))
}

// patience is how long a page may take to start before one reads why.
const patience = time.Second

// follow copies what a log gets, from patience on until stop: the page's process loads and warms up, which takes a large model half a minute.
func follow(path string, to io.Writer, patience time.Duration) (stop func()) {
	ended, copied := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(copied)
		at := 0
		for wait := patience; ; wait = 200 * time.Millisecond {
			select {
			case <-ended:
				if at > 0 {
					fmt.Fprintln(to)
				}
				return
			case <-time.After(wait):
			}
			if said, err := regular.ReadFile(path, 16<<20); err == nil && len(said) > at {
				_, _ = to.Write(said[at:]) // it is only shown
				at = len(said)
			}
		}
	}()
	return func() { close(ended); <-copied }
}

// tail gives the last lines of a log.
func tail(path string) string {
	b, _ := regular.ReadFile(path, 16<<20)
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-3):], "\n")
}
