// Package lite runs Milvus Lite for tests: a server in one process that speaks Milvus's protocol. It is fetched with pip on first use, pinned by
// hash, into the user's cache.
//
//	s, err := lite.Start()
//	defer s.Close()
//	x, err := milvus.Open(ctx, milvus.Config{Address: s.Address, …})
//	s.Kill()           // SIGKILL
//	err = s.Restart()  // on what the killed one has left on the disk
package lite

import (
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"clipnb/clipkit/internal/pip"
)

//go:embed requirements.txt
var requirements string

// Server is a server with its data.
type Server struct {
	Address string // host:port

	dir, packages string
	cmd           *exec.Cmd
	ended         chan struct{}
}

// Start runs a server on this machine's loopback. It does one thing at a time: two writers at once are more than Milvus Lite is made for.
func Start() (*Server, error) {
	packages, err := pip.Install("milvus-lite", requirements, func(s string) { fmt.Fprintln(os.Stderr, s) })
	if err != nil {
		return nil, fmt.Errorf("milvus lite (Linux, Python 3.11 to 3.14): %w", err)
	}
	dir, err := os.MkdirTemp("", "clipkit-milvus")
	if err != nil {
		return nil, fmt.Errorf("milvus lite: %w", err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("milvus lite: %w", err), os.RemoveAll(dir))
	}
	s := &Server{Address: free.Addr().String(), dir: dir, packages: packages}
	free.Close()
	if err := s.Restart(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

// Restart runs the server again after Kill.
func (s *Server) Restart() error {
	python, err := pip.Python()
	if err != nil {
		return fmt.Errorf("milvus lite: %w", err)
	}
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		return fmt.Errorf("milvus lite: %w", err)
	}
	defer log.Close()
	host, port, _ := net.SplitHostPort(s.Address)
	cmd, ended := exec.Command(python, "-m", "milvus_lite", "server", "--data-dir", filepath.Join(s.dir, "data"), "--host", host, "--port", port, "--max-workers", "1"), make(chan struct{})
	cmd.Env, cmd.Dir = append(os.Environ(), "PYTHONPATH="+s.packages), s.dir
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("milvus lite: %w", err)
	}
	go func() { _ = cmd.Wait(); close(ended) }()
	s.cmd, s.ended = cmd, ended
	for deadline := time.Now().Add(4 * time.Minute); ; {
		conn, err := net.Dial("tcp", s.Address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ended:
			said, _ := os.ReadFile(log.Name())
			return fmt.Errorf("milvus lite: the server ended: %s", said)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("milvus lite: no connection in 4 minutes: %w", err), s.Kill())
		}
	}
}

// Kill ends the server without warning.
func (s *Server) Kill() error {
	_ = s.cmd.Process.Kill() // an error says that it has ended
	select {
	case <-s.ended:
		return nil
	case <-time.After(4 * time.Minute):
		return errors.New("milvus lite: process " + strconv.Itoa(s.cmd.Process.Pid) + " did not end in 4 minutes")
	}
}

// Close ends the server and removes its data.
func (s *Server) Close() error { return errors.Join(s.Kill(), os.RemoveAll(s.dir)) }
