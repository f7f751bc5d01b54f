package main

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"clipnb/clipkit/internal/golden"
)

// quantities are what a run of training is compared by. A comparison belongs to the first one whose expression matches its What.
var quantities = []struct {
	name string
	of   *regexp.Regexp // golden.Comparison.What
}{
	{"validation loss", regexp.MustCompile(`^valid loss of step \d+$`)},
	{"loss of each step", regexp.MustCompile(`^(train )?loss of step \d+$`)},
	{"loss", regexp.MustCompile(`^loss$`)},
	{"logit scale after each step", regexp.MustCompile(`^logit_scale after step \d+$`)},
	{"gradients", regexp.MustCompile(`^gradient of |_grads\d+ `)},
	{"parameters", regexp.MustCompile(`_after\d+ |_params |^after \d+ steps: `)},
}

// measured is one quantity of one run.
type measured struct {
	run, quantity string
	comparisons   int
	values        int
	largest       float64 // relative difference
	share         float64 // of its limit, of the comparison that uses most
	failed        bool
}

// trajectory is how runs of training compare with the reference, quantity by quantity.
type trajectory struct {
	list    []*measured
	earlier string // the section of an earlier table, when the input has no training
}

func (tr *trajectory) add(run string, c golden.Comparison) {
	for _, q := range quantities {
		if !q.of.MatchString(c.What) {
			continue
		}
		i := slices.IndexFunc(tr.list, func(m *measured) bool { return m.run == run && m.quantity == q.name })
		if i < 0 {
			i, tr.list = len(tr.list), append(tr.list, &measured{run: run, quantity: q.name})
		}
		m := tr.list[i]
		m.comparisons++
		m.values += c.Values
		m.largest, m.share, m.failed = max(m.largest, c.Rel), max(m.share, c.Share()), m.failed || !c.Pass()
		return
	}
}

// steps tells whether a run updates parameters; the others compare a loss alone.
func (tr *trajectory) steps(run string) bool {
	return slices.ContainsFunc(tr.list, func(m *measured) bool {
		return m.run == run && (m.quantity == "loss of each step" || m.quantity == "parameters")
	})
}

const trajectoryTitle = "\n## The trajectory\n"

const trajectoryHeader = `
Training, run by run: the tests of package train that make steps. "compared" are the steps or tensors and their values in all, "largest" is the largest
relative difference among them, "of its limit" what the one that comes nearest to its limit uses of it.

| run | quantity | compared | values | largest | of its limit | |
|---|---|--:|--:|--:|--:|---|
`

// write adds the section, if there is something in it.
func (tr *trajectory) write(w io.Writer) error {
	if tr.earlier != "" {
		_, err := io.WriteString(w, trajectoryTitle+tr.earlier)
		return err
	}
	list := slices.DeleteFunc(slices.Clone(tr.list), func(m *measured) bool { return !tr.steps(m.run) })
	if len(list) == 0 {
		return nil
	}
	slices.SortStableFunc(list, func(a, b *measured) int { return strings.Compare(a.run, b.run) })
	if _, err := io.WriteString(w, trajectoryTitle+trajectoryHeader); err != nil {
		return err
	}
	for _, m := range list {
		verdict := "pass"
		if m.failed {
			verdict = "**FAIL**"
		}
		if _, err := fmt.Fprintf(w, "| %s | %s | %d | %d | %.2g | %.0f %% | %s |\n", m.run, m.quantity, m.comparisons, m.values, m.largest, 100*m.share, verdict); err != nil {
			return err
		}
	}
	return nil
}
