package eval

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"clipnb/clipkit/dataset"
)

// ErrCompare is wrapped when two evaluations are not of the same queries.
var ErrCompare = errors.New("eval: comparing two evaluations")

// resamples is how often the bootstrap draws the queries anew.
const resamples = 10_000

// Comparison is how retrieval over one split changed from one model to another.
//
//	c, err := eval.Compare(before, after, split.Texts(), 1)
//	fmt.Print(c)                       // recalls, differences and their 95 % intervals
//	c.TextToImage.Improved             // the queries that got better, with their ranks
type Comparison struct {
	Before, After string // what was compared; Compare leaves them to the caller
	Split         string
	TextToImage   *Direction
	ImageToText   *Direction
}

// Direction is the change of one direction's queries.
type Direction struct {
	Queries           int
	Clusters          int // groups of queries that were drawn together
	R1, R5, R10, Mean Change
	Improved          []Moved // queries whose right answer came to a better rank, the largest gain first
	Worsened          []Moved // the other way round, the largest loss first
}

// Change is a recall in percent before and after. Low and High bound After−Before with 95 % confidence: where 0 lies between them, other test
// queries of the same kind might well show no difference, or the opposite one.
type Change struct{ Before, After, Low, High float64 }

// Moved is a query whose rank changed: 1 is the best.
type Moved struct {
	Query         int64 // text id, or picture id
	Before, After int
}

// Compare compares the features of two models for the same split, texts being the split's. seed is the bootstrap's.
func Compare(before, after *Features, texts []dataset.Text, seed uint64) (*Comparison, error) {
	if !slices.Equal(before.ImageIDs, after.ImageIDs) || !slices.Equal(before.TextIDs, after.TextIDs) {
		return nil, fmt.Errorf("%w: %d pictures and %d texts before, %d and %d after, or others; evaluate both models on the same split",
			ErrCompare, len(before.ImageIDs), len(before.TextIDs), len(after.ImageIDs), len(after.TextIDs))
	}
	after, _ = rest(after, texts)
	before, texts = rest(before, texts)
	textsBefore, imagesBefore, err := Ranks(before, texts)
	if err != nil {
		return nil, err
	}
	textsAfter, imagesAfter, err := Ranks(after, texts)
	if err != nil {
		return nil, err
	}
	c := &Comparison{Before: "before", After: "after"}
	if c.TextToImage, err = CompareRanks(before.TextIDs, textsBefore, textsAfter, pictureClusters(texts), seed); err != nil {
		return nil, fmt.Errorf("text→image: %w", err)
	}
	// A picture without texts is not asked (package comment); a text without pictures is a miss, and stays.
	var ids []int64
	var was, is []int
	for i, id := range before.ImageIDs {
		if imagesBefore[i] > 0 {
			ids, was, is = append(ids, id), append(was, imagesBefore[i]), append(is, imagesAfter[i])
		}
	}
	if c.ImageToText, err = CompareRanks(ids, was, is, nil, seed); err != nil {
		return nil, fmt.Errorf("image→text: %w", err)
	}
	return c, nil
}

// pictureClusters puts the captions of one picture into one cluster, because they stand and fall together: five captions of a picture that is
// hard to find are not five independent trials. A caption of several pictures goes with its first.
func pictureClusters(texts []dataset.Text) []int {
	clusters := make([]int, len(texts))
	of := map[int64]int{}
	next := 0
	for i, t := range texts {
		if len(t.ImageIDs) > 0 {
			if known, ok := of[t.ImageIDs[0]]; ok {
				clusters[i] = known
				continue
			}
			of[t.ImageIDs[0]] = next
		}
		clusters[i] = next
		next++
	}
	return clusters
}

// CompareRanks compares the ranks of queries, 1 the best and 0 for one without a right answer, which counts as a miss.
//
// The interval is that of a paired bootstrap. It draws clusters with replacement, as many as there are, each with all its queries and both ranks
// of every query; it does so 10,000 times, and the interval is the middle 95 % of the 10,000 differences. clusters gives the cluster of each
// query, numbered from 0; with nil every query is a cluster of its own. The same seed gives the same interval.
func CompareRanks(queries []int64, before, after []int, clusters []int, seed uint64) (*Direction, error) {
	n := len(queries)
	if n == 0 || len(before) != n || len(after) != n || clusters != nil && len(clusters) != n {
		return nil, fmt.Errorf("%w: %d queries with %d and %d ranks in %d clusters", ErrCompare, n, len(before), len(after), len(clusters))
	}
	var groups []cluster
	var was, is [3]int
	d := &Direction{Queries: n}
	for i := range n {
		at := i
		if clusters != nil {
			at = clusters[i]
		}
		if at < 0 || at >= n {
			return nil, fmt.Errorf("%w: query %d is in cluster %d, want 0 to %d", ErrCompare, queries[i], at, n-1)
		}
		for at >= len(groups) {
			groups = append(groups, cluster{})
		}
		groups[at].queries++
		for j, k := range recallAt {
			was[j] += hitAt(before[i], k)
			is[j] += hitAt(after[i], k)
			groups[at].gain[j] += int32(hitAt(after[i], k) - hitAt(before[i], k))
		}
		m := Moved{Query: queries[i], Before: before[i], After: after[i]}
		switch {
		case m.gain() > 0:
			d.Improved = append(d.Improved, m)
		case m.gain() < 0:
			d.Worsened = append(d.Worsened, m)
		}
	}
	groups = slices.DeleteFunc(groups, func(c cluster) bool { return c.queries == 0 })
	d.Clusters = len(groups)
	slices.SortStableFunc(d.Improved, func(a, b Moved) int { return cmp.Compare(b.gain(), a.gain()) })
	slices.SortStableFunc(d.Worsened, func(a, b Moved) int { return cmp.Compare(a.gain(), b.gain()) })

	percent := 100 / float64(n)
	bounds := bootstrap(groups, seed)
	for j, c := range []*Change{&d.R1, &d.R5, &d.R10} {
		*c = Change{Before: percent * float64(was[j]), After: percent * float64(is[j]), Low: bounds[j][0], High: bounds[j][1]}
	}
	d.Mean = Change{Before: (d.R1.Before + d.R5.Before + d.R10.Before) / 3, After: (d.R1.After + d.R5.After + d.R10.After) / 3, Low: bounds[3][0], High: bounds[3][1]}
	return d, nil
}

var recallAt = [3]int{1, 5, 10}

// hitAt is 1 where a right answer is among the first k.
func hitAt(rank, k int) int {
	if rank >= 1 && rank <= k {
		return 1
	}
	return 0
}

// gain is the change of the reciprocal rank: from 2 to 1 counts for more than from 200 to 100.
func (m Moved) gain() float64 {
	reciprocal := func(rank int) float64 {
		if rank < 1 {
			return 0
		}
		return 1 / float64(rank)
	}
	return reciprocal(m.After) - reciprocal(m.Before)
}

// cluster is what the bootstrap needs of the queries that are drawn together; small, because it is read at random 10,000 times.
type cluster struct {
	queries int32
	gain    [3]int32 // right answers at recallAt, after less before
}

// bootstrap bounds the differences of R@1, R@5, R@10 and their mean, percent.
func bootstrap(groups []cluster, seed uint64) (bounds [4][2]float64) {
	var drawn [4][]float64
	rng := rand.New(rand.NewPCG(seed, 0))
	for range resamples {
		queries, gain := 0, [3]int{}
		for range groups {
			c := &groups[rng.Uint32N(uint32(len(groups)))]
			queries += int(c.queries)
			for j, g := range c.gain {
				gain[j] += int(g)
			}
		}
		sum := 0.0
		for j, g := range gain {
			x := 100 * float64(g) / float64(queries)
			drawn[j] = append(drawn[j], x)
			sum += x
		}
		drawn[3] = append(drawn[3], sum/3)
	}
	for j, d := range drawn {
		slices.Sort(d)
		bounds[j] = [2]float64{d[resamples/40], d[resamples-1-resamples/40]}
	}
	return bounds
}

// Difference is After less Before, in points of percent.
func (c Change) Difference() float64 { return c.After - c.Before }

// Clear tells whether the interval leaves 0 out.
func (c Change) Clear() bool { return c.Low > 0 || c.High < 0 }

// String is "52.1 → 60.3 (+8.2, 95% +6.9 to +9.4)".
func (c Change) String() string {
	return fmt.Sprintf("%.1f → %.1f (%+.1f, 95%% %+.1f to %+.1f)", c.Before, c.After, c.Difference(), c.Low, c.High)
}

// Changes are the four in their order, for tables.
func (d *Direction) Changes() []Change { return []Change{d.R1, d.R5, d.R10, d.Mean} }

// String is the comparison in lines.
func (c *Comparison) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s → %s on %s, recall in percent\n", c.Before, c.After, c.Split)
	for _, d := range []struct {
		name string
		*Direction
	}{{"text→image", c.TextToImage}, {"image→text", c.ImageToText}} {
		fmt.Fprintf(&b, "%s: %d queries, %d better, %d worse\n", d.name, d.Queries, len(d.Improved), len(d.Worsened))
		for i, change := range d.Changes() {
			fmt.Fprintf(&b, "  %-5s %s\n", []string{"R@1", "R@5", "R@10", "mean"}[i], change)
		}
	}
	return b.String()
}
