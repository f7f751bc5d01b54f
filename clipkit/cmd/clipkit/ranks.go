package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"clipnb/clipkit/device"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/exchange/mpi"

	"github.com/spf13/cobra"
)

// rankFlags have several processes share a command's work.
type rankFlags struct {
	processes int
	mapBy     string
}

func (f *rankFlags) add(c *cobra.Command) {
	c.Flags().IntVarP(&f.processes, "processes", "n", 0, "so many processes of this host share the work, each on an npu or cuda of its own; starts itself under mpirun")
	c.Flags().StringVar(&f.mapBy, "map-by", "", "mpirun's: `slot:PE=24` binds each process of -n to 24 cores of its own")
}

// check refuses processes that have no device.
func (f *rankFlags) check(c *cobra.Command, on string) error {
	cards := device.Available(on)
	switch _, err := device.OfRank(on, 0); {
	case c.Flags().Changed("processes") && f.processes < 1:
		return wrong("-n is %d, want 1 or more processes", f.processes)
	case f.mapBy != "" && f.processes < 2:
		return wrong("--map-by is for the processes of -n")
	case f.processes > 1 && err != nil:
		return wrong("-n is %d: %w", f.processes, err)
	case f.processes > 1 && cards > 0 && f.processes > cards:
		return wrong("-n is %d, and there are %d devices for --device %s", f.processes, cards, cmp.Or(on, os.Getenv("CLIPKIT_DEVICE")))
	}
	return nil
}

// run does the work: as one rank of those that mpirun or srun has started, or alone, or it starts -n of them.
func (f *rankFlags) run(c *cobra.Command, on string, work func(exchange.World) error) error {
	if err := f.check(c, on); err != nil {
		return err
	}
	if !mpi.Launched() {
		if f.processes > 1 {
			return f.start(c)
		}
		return work(exchange.Alone)
	}
	signal.Notify(make(chan os.Signal, 1), syscall.SIGUSR1) // outside of training, the launcher's signal to stop must not end the process; it comes again
	w, err := mpi.Join()
	if err != nil {
		return err
	}
	defer w.Close()
	if f.processes > 0 && f.processes != w.Size() {
		err = wrong("-n is %d among %d processes that a launcher has started: leave it out", f.processes, w.Size())
	}
	if err = exchange.Agree(w, err); err == nil {
		err = exchange.ShareCores(w)
	}
	if err == nil {
		err = exchange.Agree(w, work(w))
	}
	if errors.Is(err, exchange.ErrElsewhere) {
		return nil // the rank that says why ends with a status
	}
	return err
}

// start starts this command line under mpirun. An interrupt has the ranks save, and one of them says so.
func (f *rankFlags) start(c *cobra.Command) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	job := mpi.Job{Processes: f.processes, Program: program, Args: os.Args[1:], MapBy: f.mapBy, Stdout: c.OutOrStdout(), Stderr: &oneLineOfProgress{to: c.ErrOrStderr()}}
	job.Say = func(line string) { fmt.Fprintln(c.ErrOrStderr(), line) }
	if err := mpi.Run(c.Context(), job); err != nil {
		return fmt.Errorf("%w: %w", exchange.ErrElsewhere, err)
	}
	return nil
}

// oneLineOfProgress takes away again the end that ranks give to every piece of a line of progress: what follows a carriage return is written over.
type oneLineOfProgress struct {
	to       io.Writer
	returned bool
}

func (o *oneLineOfProgress) Write(p []byte) (int, error) {
	n, text := len(p), p
	if o.returned || bytes.HasPrefix(p, []byte("\r")) {
		text = bytes.TrimSuffix(p, []byte("\n"))
	}
	o.returned = bytes.HasSuffix(text, []byte("\r"))
	_, err := o.to.Write(text)
	return n, err
}
