// Parity writes the table of everything that the tests compare with the reference.
//
//	go test -json ./clipkit/... | go run ./clipkit/internal/golden/parity -o clipkit/internal/golden/testdata/parity.md
//
// A row is one test with all its comparisons; it shows the one that uses most of its limit. A second table has the runs of training, quantity
// by quantity (trajectory.go). -merge leaves the rows of packages that are not in the input as the file has them:
//
//	go test -json ./clipkit/train/... | go run ./clipkit/internal/golden/parity -merge -o clipkit/internal/golden/testdata/parity.md
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"clipnb/clipkit/internal/atomicfile"
	"clipnb/clipkit/internal/golden"
)

func main() {
	out := flag.String("o", "parity.md", "file to write")
	merge := flag.Bool("merge", false, "keep the rows of packages that are not in the input")
	flag.Parse()
	if err := run(os.Stdin, *out, *merge); err != nil {
		fmt.Fprintln(os.Stderr, "parity:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out string, merge bool) error {
	table, err := read(in)
	if err != nil {
		return err
	}
	if len(table.rows) == 0 {
		return errors.New("no comparison in the input: pipe `go test -json` of packages that call golden.Close into this program")
	}
	if merge {
		old, err := os.ReadFile(out)
		if err != nil {
			return fmt.Errorf("reading the table to merge with: %w", err)
		}
		table.mergeEarlier(string(old))
	}
	if err := atomicfile.Write(out, table.write); err != nil {
		return err
	}
	if n := table.failed(); n > 0 {
		return fmt.Errorf("%d of %d stages are outside their limits; see %s", n, len(table.rows), out)
	}
	return nil
}

// row is a test and its comparisons.
type row struct {
	stage       string // package and test
	worst       golden.Comparison
	comparisons int
	values      int
	failed      bool
	earlier     string // the whole line, of a row that comes from an earlier table
}

type table struct {
	rows       []*row
	engines    []string
	trajectory trajectory
}

// read collects the comparisons of a `go test -json` stream.
func read(in io.Reader) (*table, error) {
	t, byStage := &table{}, map[string]*row{}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<24)
	for n := 1; lines.Scan(); n++ {
		var event struct{ Action, Package, Test, Key, Value string }
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			return nil, fmt.Errorf("line %d is not an event of go test -json: %w", n, err)
		}
		if event.Action != "attr" {
			continue
		}
		if event.Key == "engine" && !slices.Contains(t.engines, event.Value) {
			t.engines = append(t.engines, event.Value)
		}
		c, ok, err := golden.Attribute(event.Key, event.Value)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if !ok {
			continue
		}
		pkg, test := strings.TrimPrefix(event.Package, "clipnb/clipkit/"), strings.TrimPrefix(event.Test, "Test")
		stage := pkg + " " + test
		r := byStage[stage]
		if r == nil {
			r = &row{stage: stage, worst: c}
			byStage[stage], t.rows = r, append(t.rows, r)
		}
		if c.Share() > r.worst.Share() {
			r.worst = c
		}
		r.comparisons++
		r.values += c.Values
		r.failed = r.failed || !c.Pass()
		if trains(pkg) {
			t.trajectory.add(test, c)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading the events: %w", err)
	}
	t.sort()
	return t, nil
}

func (t *table) sort() {
	slices.SortFunc(t.rows, func(a, b *row) int { return strings.Compare(a.stage, b.stage) })
	slices.Sort(t.engines)
}

// mergeEarlier adds the rows of an earlier table whose packages this one does not have.
func (t *table) mergeEarlier(old string) {
	here := map[string]bool{}
	for _, r := range t.rows {
		here[packageOf(r.stage)] = true
	}
	rows, section, _ := strings.Cut(old, trajectoryTitle)
	if !slices.ContainsFunc(slices.Collect(maps.Keys(here)), trains) {
		t.trajectory.earlier = section
	}
	_, rest, _ := strings.Cut(rows, enginesHere)
	engines, _, _ := strings.Cut(rest, ".\n")
	for engine := range strings.SplitSeq(engines, ", ") {
		if engine != "" && engine != notReported && !slices.Contains(t.engines, engine) {
			t.engines = append(t.engines, engine)
		}
	}
	_, rows, _ = strings.Cut(rows, "|---|")
	for line := range strings.Lines(rows) {
		cells := strings.Split(line, " | ")
		if stage, ok := strings.CutPrefix(cells[0], "| "); ok && !here[packageOf(stage)] {
			t.rows = append(t.rows, &row{stage: stage, earlier: line, failed: strings.Contains(line, "**FAIL**")})
		}
	}
	t.sort()
}

// trains tells whether the trajectory is made of a package's comparisons.
func trains(pkg string) bool { return pkg == "train" || pkg == "train/step" }

func packageOf(stage string) string {
	pkg, _, _ := strings.Cut(stage, " ")
	return pkg
}

func (t *table) failed() (n int) {
	for _, r := range t.rows {
		if r.failed {
			n++
		}
	}
	return n
}

const (
	enginesHere = "engines here: "
	notReported = "not reported"
)

const header = `# The same numbers as the reference

Made by the tests, not by hand:

    go test -json ./clipkit/... | go run ./clipkit/internal/golden/parity -o clipkit/internal/golden/testdata/parity.md

A row is one test, its package before it. The reference ran in PyTorch (float32, CPU, see golden.go); ` + enginesHere + `%s.
Of all comparisons of a test, the row shows the one that uses most of its limit. "absolute" is the largest difference of a value,
"relative" the same as a share of the largest value wanted, "limit" what relative may be. Where things are equal or not (tokens,
8-bit pixels), "absolute" counts those that differ. Limits of gradients are ten times the reference's own
float32 noise, those of parameters after optimizer steps fifteen times, tensor by tensor (float32_vs_float64.json, train/step/testdata/ten_steps); gradients of attention key biases are
zero in theory and are not compared.

| stage | comparisons | values | nearest to its limit | absolute | relative | limit | |
|---|--:|--:|---|--:|--:|--:|---|
`

func (t *table) write(w io.Writer) error {
	engines := strings.Join(t.engines, ", ")
	if engines == "" {
		engines = notReported
	}
	if _, err := fmt.Fprintf(w, header, engines); err != nil {
		return err
	}
	for _, r := range t.rows {
		if r.earlier != "" {
			if _, err := io.WriteString(w, r.earlier); err != nil {
				return err
			}
			continue
		}
		verdict := "pass"
		if r.failed {
			verdict = "**FAIL**"
		}
		_, err := fmt.Fprintf(w, "| %s | %d | %d | %s | %.2g | %.2g | %.2g | %s |\n", r.stage, r.comparisons, r.values,
			strings.ReplaceAll(r.worst.What, "|", "/"), r.worst.Abs, r.worst.Rel, r.worst.Limit, verdict)
		if err != nil {
			return err
		}
	}
	return t.trajectory.write(w)
}
