package zeroshot

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"clipnb/clipkit/internal/pyjson"
)

// Result is the outcome of classifying a labelled set: which class each picture was taken for.
type Result struct {
	Model     string   `json:"model"`     // architecture
	Set       string   `json:"set"`       // "cifar-100/test"
	Templates int      `json:"templates"` // over how many templates a class's vector is the mean; 0: not known
	Labels    []string `json:"labels"`
	Pictures  int      `json:"pictures"`
	LeftOut   int      `json:"left_out,omitempty"` // pictures that cannot be read: they are in none of the figures
	First     int      `json:"first"`              // pictures whose class came first
	FirstFive int      `json:"first_five"`         // pictures whose class was among the first five
	// Confusion counts pictures: Confusion[class][what it was taken for]. The diagonal is what was right.
	Confusion [][]int `json:"confusion"`
}

// ClassAccuracy is how one class fared.
type ClassAccuracy struct {
	Class    int
	Label    string
	Pictures int
	Top1     float64 // percent; NaN for a class without pictures
}

// Mistake is a class that was taken for another.
type Mistake struct {
	Label, Taken string
	Pictures     int // how often
	Of           int // of how many pictures
}

// newResult is a result without pictures yet.
func newResult(labels []string) *Result {
	z := &Result{Labels: labels, Confusion: make([][]int, len(labels))}
	for i := range z.Confusion {
		z.Confusion[i] = make([]int, len(labels))
	}
	return z
}

// Add counts one picture by its scores [classes], logits or probabilities. Of equal scores the first class wins, as in the reference.
func (z *Result) Add(class int, scores []float32) error {
	if class < 0 || class >= len(z.Labels) || len(scores) != len(z.Labels) {
		return fmt.Errorf("%w: %d scores and class %d, where there are %d labels", ErrInput, len(scores), class, len(z.Labels))
	}
	best, before := 0, 0 // before: classes that come before the right one
	for i, s := range scores {
		if math.IsNaN(float64(s)) {
			return fmt.Errorf("%w: the score for %q is not a number; the model's weights are probably damaged", ErrInput, z.Labels[i])
		}
		if s > scores[best] {
			best = i
		}
		if s > scores[class] || s == scores[class] && i < class {
			before++
		}
	}
	z.Pictures++
	z.Confusion[class][best]++
	if before == 0 {
		z.First++
	}
	if before < 5 {
		z.FirstFive++
	}
	return nil
}

// Top1 is the share of pictures, in percent, whose class came first.
func (z *Result) Top1() float64 { return 100 * float64(z.First) / float64(max(z.Pictures, 1)) }

// Top5 is the share of pictures, in percent, whose class was among the first five; with up to five classes always 100.
func (z *Result) Top5() float64 { return 100 * float64(z.FirstFive) / float64(max(z.Pictures, 1)) }

// PerClass lists the classes in their order.
func (z *Result) PerClass() []ClassAccuracy {
	out := make([]ClassAccuracy, len(z.Labels))
	for i, row := range z.Confusion {
		n := 0
		for _, count := range row {
			n += count
		}
		out[i] = ClassAccuracy{Class: i, Label: z.Labels[i], Pictures: n, Top1: 100 * float64(row[i]) / float64(n)}
	}
	return out
}

// MeanPerClass is the mean of the classes' Top1, percent, over those that have pictures: some of ELEVATER's sets, whose classes are of
// unequal size, are published so.
func (z *Result) MeanPerClass() float64 {
	sum, n := 0.0, 0
	for _, c := range z.PerClass() {
		if c.Pictures > 0 {
			sum, n = sum+c.Top1, n+1
		}
	}
	return sum / float64(max(n, 1))
}

// Mistakes lists what was most often taken for something else, at most n.
func (z *Result) Mistakes(n int) []Mistake {
	var out []Mistake
	for i, c := range z.PerClass() {
		for j, count := range z.Confusion[i] {
			if i != j && count > 0 {
				out = append(out, Mistake{Label: c.Label, Taken: z.Labels[j], Pictures: count, Of: c.Pictures})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Mistake) int { return cmp.Compare(b.Pictures, a.Pictures) })
	return out[:min(n, len(out))]
}

// String is the result in a few lines.
func (z *Result) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s on %s: %d pictures, %d classes", z.Model, z.Set, z.Pictures, len(z.Labels))
	if z.Templates > 0 {
		fmt.Fprintf(&b, ", %d templates", z.Templates)
	}
	b.WriteByte('\n')
	if z.LeftOut > 0 {
		fmt.Fprintf(&b, "left out, as they cannot be read: %d\n", z.LeftOut)
	}
	fmt.Fprintf(&b, "top-1 %.2f%%   top-5 %.2f%%   mean of the classes %.2f%%   (guessing: %.2f%%)\n", z.Top1(), z.Top5(), z.MeanPerClass(), 100/float64(max(len(z.Labels), 1)))
	for _, m := range z.Mistakes(5) {
		if m.Pictures == 1 {
			break // a single picture says nothing about its class
		}
		fmt.Fprintf(&b, "%s was taken for %s: %d of %d\n", m.Label, m.Taken, m.Pictures, m.Of)
	}
	return b.String()
}

// ReferenceLine is the line that the reference's zeroshot_evaluation prints: "zeroshot-top1: 0.6444", a share.
func (z *Result) ReferenceLine() string {
	return "zeroshot-top1: " + pyjson.Float(float64(z.First)/float64(max(z.Pictures, 1)))
}
