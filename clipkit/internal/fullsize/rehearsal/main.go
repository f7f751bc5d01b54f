// Command rehearsal does the first steps of runs of days as a person does them, with "clipkit train", and measures what was promised before:
//
//	go run ./clipkit/internal/fullsize/standin -out /tmp/standin                       # once
//	go run ./clipkit/internal/fullsize/rehearsal -data /tmp/standin -out /tmp/rehearsal
//
// Each recipe begins from random weights and is interrupted by Ctrl-C (SIGINT) inside its second step, killed (SIGKILL) inside its second step when it has
// been resumed, then resumed again, and interrupted inside its third step, after a validation. It saves each step and keeps one. The table has a row
// a recipe: the times from Ctrl-C to the end of the process, with everything saved; the largest memory of the processes against what was told before
// the first step; the largest size of the run's folder against what was told of the disk; the time of a step against that of the probe; and what the
// line of progress said was left after the second step against all that the measured steps come to. On two processors it takes some minutes for
// flickr30k/vit-b-16/full, an hour for full-8p, and is meaningless while something else keeps the machine busy.
//
// With -pass it measures instead what the commands between a data set and a page take of the whole set: check, lmdb, extract, topk, score, explore.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"clipnb/clipkit"
	"clipnb/clipkit/recipe"
)

func main() {
	data := flag.String("data", "", "the data set's `FOLDER`")
	out := flag.String("out", "", "the `FOLDER` to work in, which takes 8 GB")
	recipes := flag.String("recipes", "flickr30k/vit-b-16/full,flickr30k/vit-b-16/full-8p", "`NAMES` with commas")
	whole := flag.Bool("pass", false, "instead, the commands between a data set and a page, over the whole set with the small model")
	parts := flag.Int("micro-batch", 16, "pairs that are computed at a time")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := rehearse(ctx, *data, *out, strings.Split(*recipes, ","), *parts, *whole); err != nil {
		fmt.Fprintln(os.Stderr, "rehearsal:", err)
		os.Exit(1)
	}
}

func rehearse(ctx context.Context, data, out string, names []string, parts int, whole bool) error {
	if data == "" || out == "" {
		return errors.New("want -data and -out")
	}
	data, err := filepath.Abs(data)
	if err == nil {
		out, err = filepath.Abs(out)
	}
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	program := filepath.Join(out, "clipkit")
	if said, err := exec.CommandContext(ctx, "go", "build", "-o", program, "clipnb/clipkit/cmd/clipkit").CombinedOutput(); err != nil {
		return fmt.Errorf("building clipkit: %w\n%s", err, said)
	}
	if whole {
		return pass(ctx, program, data, out)
	}
	fmt.Println(head)
	for i, name := range names {
		r, err := recipe.Find(name)
		if err != nil {
			return err
		}
		weights, err := random(ctx, r.Architecture, out)
		if err != nil {
			return err
		}
		job := job{
			dir: out, name: fmt.Sprintf("rehearsal-%d-%d", os.Getpid(), i), program: program,
			args: []string{"train", name, "--train-data", data, "--resume", weights, "--micro-batch", fmt.Sprint(parts),
				"--save-step-frequency", "1", "--keep-checkpoints", "1", "--valid-step-interval", "2"},
		}
		measured, err := job.rehearse(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Println(measured.row(name, parts))
		if err := os.RemoveAll(job.folder()); err != nil {
			return err
		}
	}
	return nil
}

// random gives the path of a checkpoint with random weights.
func random(ctx context.Context, architecture, out string) (path string, err error) {
	path, err = filepath.Abs(filepath.Join(out, architecture+".pt"))
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	m, err := clipkit.New(ctx, architecture, 1)
	if err != nil {
		return "", err
	}
	defer m.Close()
	return path, m.Save(path, false)
}
