package gpu

import (
	"bufio"
	"cmp"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"clipnb/clipkit/internal/atomicfile"
	"clipnb/clipkit/internal/golden"
	"clipnb/clipkit/weights/tensor"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

func shapesOf(size int) shapes.Shape { return shapes.Make(dtypes.Float32, size, size) }

func bytesOf(values []float32) []byte { return tensor.F32("", []int{len(values)}, values).Data }

// inner, when set, says that this process is profiled from outside: it does the work and nothing else.
const inner = "CLIPKIT_GPU_INNER"

// profileSection leaves three pages: what the compiler made of the work, which kernels take the time (ncu, where it is), and PyTorch's own profile.
// Each part is left out where its tool is missing or its time is up, and the others come nevertheless.
func profileSection(t *testing.T, s Section) {
	if os.Getenv(inner) != "" {
		dev, _ := opened(t, s)
		run, _ := work(t, dev, s)
		run()
		run()
		return
	}
	dump := t.TempDir()
	t.Setenv("XLA_FLAGS", strings.TrimSpace(os.Getenv("XLA_FLAGS")+" --xla_dump_to="+dump+" --xla_dump_hlo_as_text"))
	race(t, s)
	page := func(name string) string { return filepath.Join(*out, fmt.Sprintf("page-%s-%s.txt", s.Work, name)) }
	if err := pageOfHLO(dump, page("hlo")); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.Limit/3)
	defer cancel()
	if os.Getenv("CLIPKIT_TORCH_PYTHON") != "" {
		args := []string{golden.Path("pytorch.py"), s.Work, strconv.Itoa(s.Batch), s.Precision}
		if s.Work == "step" {
			args = append(args, strconv.Itoa(tokens))
		}
		said, err := exec.CommandContext(ctx, python(), append(args, "--profile", page("pytorch"))...).CombinedOutput()
		if err != nil {
			t.Logf("PyTorch's profile is left out: %v\n%s", err, said)
		}
	}
	if err := pageOfKernels(s, page("kernels")); err != nil {
		t.Logf("the kernels' times are left out: %v", err)
	}
}

// pageOfHLO counts the largest of the programs that were compiled.
func pageOfHLO(dump, page string) error {
	files, err := filepath.Glob(filepath.Join(dump, "*after_optimizations.txt"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("the compiler left no program in %s (%v)", dump, err)
	}
	size := func(f string) int64 {
		info, err := os.Stat(f)
		if err != nil {
			return 0
		}
		return info.Size()
	}
	largest := slices.MaxFunc(files, func(a, b string) int { return cmp.Compare(size(a), size(b)) })
	f, err := os.Open(largest)
	if err != nil {
		return err
	}
	defer f.Close()
	kinds, err := CountHLO(f)
	if err != nil {
		return err
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s, one of %d programs\n", filepath.Base(largest), len(files))
	Page(&text, kinds, 45)
	return atomicfile.WriteBytes(page, []byte(text.String()))
}

// pageOfKernels has ncu time every kernel of the work done twice. Command buffers would hide kernels, so they are off.
func pageOfKernels(s Section, page string) error {
	ncu, err := exec.LookPath("ncu")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.Limit/2)
	defer cancel()
	cmd := exec.CommandContext(ctx, ncu, "--metrics", "gpu__time_duration.sum", "--clock-control", "none", "--csv", "--print-units", "base", os.Args[0], "-test.run", "^TestMeasure$", fmt.Sprintf("-tiny=%v", *tiny))
	cmd.Env = append(os.Environ(), inner+"=1", "XLA_FLAGS=--xla_gpu_enable_command_buffer=")
	cmd.WaitDelay = 5 * time.Second
	said, err := cmd.Output()
	kernels, total := readKernels(strings.NewReader(string(said)))
	if total == 0 {
		return fmt.Errorf("ncu named no kernel: %w", err)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "kernels of the work done twice, with what came before it (ncu): %.2f ms\n", total)
	for _, k := range kernels[:min(45, len(kernels))] {
		fmt.Fprintf(&text, "%9.3f ms %5.1f %% %6d x  %s\n", k.Bytes, 100*k.Bytes/total, k.Count, k.Kind)
	}
	return atomicfile.WriteBytes(page, []byte(text.String()))
}

// readKernels sums ncu's CSV by kernel, in milliseconds.
func readKernels(r io.Reader) (list []Operations, total float64) {
	in := bufio.NewReader(r)
	for { // ncu and the program print lines before the table
		line, err := in.Peek(5)
		if err != nil {
			return nil, 0
		}
		if string(line) == `"ID",` {
			break
		}
		if _, err := in.ReadString('\n'); err != nil {
			return nil, 0
		}
	}
	table := csv.NewReader(in)
	table.FieldsPerRecord = -1
	rows, _ := table.ReadAll() // what was read before an error counts
	if len(rows) == 0 {
		return nil, 0
	}
	name, value := slices.Index(rows[0], "Kernel Name"), slices.Index(rows[0], "Metric Value")
	kinds := map[string]*Operations{}
	for _, row := range rows[1:] {
		if name < 0 || value < 0 || len(row) <= max(name, value) {
			continue
		}
		ns, err := strconv.ParseFloat(strings.ReplaceAll(row[value], ",", ""), 64)
		if err != nil {
			continue
		}
		kernel, _, _ := strings.Cut(row[name], "(")
		kernel = hloNumber.ReplaceAllString(kernel, "")
		if kinds[kernel] == nil {
			kinds[kernel] = &Operations{Kind: kernel}
		}
		kinds[kernel].Count++
		kinds[kernel].Bytes += ns / 1e6
		total += ns / 1e6
	}
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		list = append(list, *kinds[k])
	}
	slices.SortStableFunc(list, func(a, b Operations) int { return cmp.Compare(b.Bytes, a.Bytes) })
	return list, total
}
