package gpu

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

var (
	measure  = flag.Bool("measure", false, "measure on the device that CLIPKIT_DEVICE names")
	profiled = flag.Bool("profile", false, "run the sections profile/… instead")
	list     = flag.Bool("list", false, "print the names of the sections")
	only     = flag.String("only", "", "run the sections whose names this regular expression matches")
	budget   = flag.Duration("budget", 9*time.Minute, "begin no section that cannot end within so long from the start")
	rounds   = flag.Int("rounds", 12, "how often the sides take turns in a section")
	out      = flag.String("out", "", "folder for the results; default a temporary one, whose pages are printed")
	tiny     = flag.Bool("tiny", false, "tiny models and batches: a rehearsal")
)

// TestMeasure runs the sections. Without -measure and -profile it is a dry run of a few on the processor with tiny models, whose figures mean nothing.
func TestMeasure(t *testing.T) {
	if name := os.Getenv("CLIPKIT_GPU_SECTION"); name != "" {
		runSection(t, name)
		return
	}
	if *list {
		for _, s := range Sections() {
			fmt.Printf("%-55s at most %.0f s\n", s.Name, s.Limit.Seconds())
		}
		return
	}
	dir := *out
	if dir == "" {
		dir = t.TempDir()
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	choice := *only
	var printed bytes.Buffer
	w := io.MultiWriter(os.Stdout, &printed)
	dry := !*measure && !*profiled
	if dry {
		*tiny, *rounds, *budget = true, 1, time.Hour
		w = &printed
		choice = `^(peak|step/bf16/8|image/f32/256|profile/step|processor/text/f32/32/xla)$`
	}
	if *profiled && choice == "" {
		choice = "^profile/"
	}
	sections, err := Choose(Sections(), choice)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	rows, failed := Run(ctx, w, sections, *budget, func(ctx context.Context, s Section) *exec.Cmd { return child(ctx, s, dir) })
	Table(w, rows)
	pages(w, dir)
	if err := os.WriteFile(filepath.Join(dir, "measured.txt"), printed.Bytes(), 0o666); err != nil {
		t.Error(err)
	}
	if !dry {
		return // what failed is printed; the others count
	}
	t.Log(printed.String())
	if failed > 0 || len(rows) != len(sections) {
		t.Errorf("%d of %d sections failed, %d gave rows", failed, len(sections), len(rows))
	}
	for _, want := range []string{"| step/bf16/8 |", "| image/f32/256 |", "| processor/text/f32/32/xla |", "all operations", "products"} {
		if !strings.Contains(printed.String(), want) {
			t.Errorf("%q is not printed", want)
		}
	}
}

// child is this test binary once more, for one section.
func child(ctx context.Context, s Section, dir string) *exec.Cmd {
	args := []string{"-test.run", "^TestMeasure$", "-test.timeout", "0", "-out", dir, "-rounds", fmt.Sprint(*rounds), fmt.Sprintf("-tiny=%v", *tiny)}
	if s.Name == "parity" {
		args = append(args, "-test.v")
	}
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	if *tiny && !*measure && !*profiled {
		cmd.Env = append(os.Environ(), "CLIPKIT_DEVICE=cpu:xla", "CLIPKIT_TORCH_PYTHON=")
	}
	return cmd
}

// pages prints what profiles left behind, each at most a page.
func pages(w io.Writer, dir string) {
	files, _ := filepath.Glob(filepath.Join(dir, "page-*.txt")) // the pattern is well-formed
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil {
			fmt.Fprintf(w, "\n%s\n%s", filepath.Base(f), b)
		}
	}
}
