package page

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"clipnb/clipkit/explore"
)

// childEnv marks the page's process.
const childEnv = "CLIPKIT_PAGE"

// Opener opens what a page shows, in the page's process. closeAll is called after the last request.
type Opener func(ctx context.Context, spec json.RawMessage, token string) (h *explore.Handler, closeAll func(), err error)

// Main belongs into an init function of the program. In the page's process, which is this program started again, it serves the page and ends the
// process; everywhere else it returns at once. The page's process never comes to the program's own code: a notebook cell that trains for an
// hour before it starts a page would otherwise do so again.
func Main(open Opener) {
	if os.Getenv(childEnv) == "" {
		return
	}
	if err := serve(open); err != nil {
		fmt.Fprintln(os.Stderr, "clipkit:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// serve answers on the socket that the process was started with until its owner ends or it is told to.
func serve(open Opener) error {
	os.Unsetenv(childEnv)
	l, err := net.FileListener(os.NewFile(3, "socket"))
	if err != nil {
		return fmt.Errorf("%s is set, but this process was not started to show a page: %w", childEnv, err)
	}
	var t task
	if err := json.NewDecoder(os.Stdin).Decode(&t); err != nil {
		return fmt.Errorf("reading what to show: %w", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		for t.Owner.alive() {
			time.Sleep(500 * time.Millisecond)
		}
		cancel()
	}()
	h, closeAll, err := open(ctx, t.Spec, t.Token)
	if err != nil {
		return err
	}
	defer closeAll()
	err = explore.Serve(ctx, l, h)
	if s, ok := readState(t.Name, t.Owner); ok && s.Page.PID == os.Getpid() {
		os.Remove(stateFile(t.Name, t.Owner))
	}
	return err
}
