package gpu

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Section is one part of a run, in a process of its own.
type Section struct {
	Name  string
	Limit time.Duration
	Env   []string // beside the process's own

	// Work is step, image or text, of a batch in a precision; other sections have none.
	Work, Precision string
	Batch           int
	Alone           bool // without PyTorch
}

// Row is what a section found out. Seconds are medians of one step or batch; 0 = not measured.
type Row struct {
	Section                           string
	Ours, Eager, Compiled             float64
	GFLOPs                            float64 // of one step or batch
	Loss                              float64 // of the second step
	OursMB, EagerMB, CompiledMB       float64
	CompileSeconds                    float64 // of clipkit's graph
	Batch, Rounds                     int
	PeakF32, PeakBF16                 float64 `json:",omitempty"` // GFLOPS, of the section "peak"
	TF32, Torch, Device, Flags, Forms string  `json:",omitempty"`
}

// rowMark begins a line that carries a Row.
const rowMark = "ROW "

// Say prints a row for Run to read.
func (r Row) Say(w io.Writer) {
	b, _ := json.Marshal(r) // of numbers and text, which cannot fail
	fmt.Fprintf(w, "%s%s\n", rowMark, b)
}

// Sections is the whole list in the order of its worth. Profiles and a processor's table come last: they are asked for.
func Sections() []Section {
	list := []Section{{Name: "parity", Limit: 150 * time.Second}, {Name: "peak", Limit: 45 * time.Second}}
	add := func(work, precision string, batch int, limit time.Duration) {
		list = append(list, Section{Name: fmt.Sprintf("%s/%s/%d", work, precision, batch), Limit: limit, Work: work, Precision: precision, Batch: batch})
	}
	add("step", "bf16", 128, 200*time.Second)
	add("image", "bf16", 256, 100*time.Second)
	add("step", "bf16", 256, 200*time.Second)
	add("text", "bf16", 256, 80*time.Second)
	add("image", "f32", 256, 100*time.Second)
	add("text", "f32", 256, 80*time.Second)
	add("step", "f32", 128, 200*time.Second)
	add("step", "bf16", 16, 150*time.Second)
	add("step", "f32", 16, 150*time.Second)
	add("step", "bf16", 8, 150*time.Second)
	add("step", "f32", 8, 150*time.Second)
	add("step", "f32", 256, 200*time.Second)
	for _, work := range []string{"step", "image"} {
		for _, v := range Variants {
			if v.Only != "" && v.Only != work {
				continue
			}
			batch := map[string]int{"step": 128, "image": 256}[work]
			list = append(list, Section{Name: "try/" + work + "/" + v.Name, Limit: 90 * time.Second, Env: v.Env, Work: work, Precision: "bf16", Batch: batch, Alone: true})
		}
	}
	for _, work := range []string{"step", "image"} {
		list = append(list, Section{Name: "profile/" + work, Limit: 180 * time.Second, Work: work, Precision: "bf16", Batch: map[string]int{"step": 128, "image": 256}[work], Alone: true})
	}
	return append(list, onProcessor()...)
}

// onProcessor are the rows of a processor's table: steps in XLA, and encoding in each engine, all in float32.
func onProcessor() (list []Section) {
	add := func(work string, batch int, engine string) {
		list = append(list, Section{Name: fmt.Sprintf("processor/%s/f32/%d/%s", work, batch, engine), Limit: 200 * time.Second, Env: []string{"CLIPKIT_DEVICE=cpu:" + engine},
			Work: work, Precision: "f32", Batch: batch})
	}
	for _, engine := range []string{"xla", "onnx", "openvino"} {
		add("image", 8, engine)
		add("text", 32, engine)
	}
	add("step", 8, "xla")
	return list
}

// Choose gives those whose names match; "" = all but the profiles and a processor's table.
func Choose(list []Section, only string) (chosen []Section, err error) {
	re, err := regexp.Compile(only)
	if err != nil {
		return nil, fmt.Errorf("choosing sections: %w", err)
	}
	for _, s := range list {
		asked := strings.HasPrefix(s.Name, "profile/") || strings.HasPrefix(s.Name, "processor/")
		if only == "" && !asked || only != "" && re.MatchString(s.Name) {
			chosen = append(chosen, s)
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("no section matches %q; -list prints them", only)
	}
	return chosen, nil
}

// Run runs sections one after the other as long as the budget lasts, each by the command that child gives, and prints what comes as it comes. It gives
// the last row of each. Whatever goes wrong in a section is printed, and the next one runs; failed counts them.
func Run(ctx context.Context, w io.Writer, list []Section, budget time.Duration, child func(ctx context.Context, s Section) *exec.Cmd) (rows []Row, failed int) {
	began := time.Now()
	for _, s := range list {
		left := budget - time.Since(began)
		if left < s.Limit/4 { // would be cut off before it says anything
			fmt.Fprintf(w, "--- %s: left out, %.0f s are left\n", s.Name, max(0, left.Seconds()))
			continue
		}
		if ctx.Err() != nil {
			break
		}
		start := time.Now()
		fmt.Fprintf(w, "=== %s, at %.0f s, at most %.0f s\n", s.Name, time.Since(began).Seconds(), min(left, s.Limit).Seconds())
		row, err := runOne(ctx, w, s, min(left, s.Limit), child)
		if row != nil {
			rows = append(rows, *row)
		}
		state := "ok"
		if err != nil {
			failed++
			state = err.Error()
		}
		fmt.Fprintf(w, "--- %s: %s, %.0f s\n", s.Name, state, time.Since(start).Seconds())
	}
	return rows, failed
}

// runOne runs a section and everything that it starts, and ends all of it at the limit.
func runOne(ctx context.Context, w io.Writer, s Section, limit time.Duration, child func(ctx context.Context, s Section) *exec.Cmd) (row *Row, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := child(ctx, s)
	cmd.Env = append(append(cmd.Environ(), s.Env...), "CLIPKIT_GPU_SECTION="+s.Name)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // PyTorch's process ends with it
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	out, in := io.Pipe()
	cmd.Stdout, cmd.Stderr = in, in
	var reading sync.WaitGroup
	reading.Go(func() {
		lines := bufio.NewScanner(out)
		lines.Buffer(make([]byte, 1<<16), 16<<20)
		for lines.Scan() {
			text, isRow := strings.CutPrefix(lines.Text(), rowMark)
			if !isRow {
				fmt.Fprintln(w, "   ", text)
				continue
			}
			var r Row
			if err := json.Unmarshal([]byte(text), &r); err == nil {
				row = &r
				fmt.Fprintln(w, "   ", r)
			}
		}
		_, _ = io.Copy(io.Discard, out) // after a line that is too long
	})
	err = cmd.Run()
	in.Close()
	reading.Wait()
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("cut off at its limit of %.0f s", limit.Seconds())
	}
	return row, err
}
