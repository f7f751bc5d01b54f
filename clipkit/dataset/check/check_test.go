package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/dataset/datasettest"
	"clipnb/clipkit/tokenizer"
)

// TestInBatchAgainstAllBatches draws every batch there is, counts false negatives, and finds the most rows that can be right at once.
// fault 18
func TestInBatchAgainstAllBatches(t *testing.T) {
	for name, c := range map[string]struct {
		pictures, captions []int32
		exact              bool // repeats of one side only: the ceiling is reached, not only respected
	}{
		"all distinct":         {[]int32{0, 1, 2, 3, 4, 5}, []int32{0, 1, 2, 3, 4, 5}, true},
		"five captions each":   {[]int32{0, 0, 0, 0, 0, 1, 1, 1, 1, 1}, []int32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, true},
		"two class names":      {[]int32{0, 1, 2, 3, 4, 5, 6}, []int32{0, 0, 0, 0, 1, 1, 1}, true},
		"one caption":          {[]int32{0, 1, 2, 3}, []int32{0, 0, 0, 0}, true},
		"the same pair thrice": {[]int32{0, 0, 0, 1}, []int32{0, 0, 0, 1}, true},
		"both, apart":          {[]int32{0, 0, 0, 1, 2, 3, 4}, []int32{0, 1, 2, 3, 3, 3, 4}, false},
		"both, crossed":        {[]int32{0, 0, 1, 1, 2, 2, 3, 4}, []int32{0, 1, 0, 2, 1, 3, 4, 4}, false},
	} {
		n := len(c.pictures)
		for batch := 1; batch <= n+2; batch++ {
			size := min(batch, n)
			var batches, falseNegatives, right float64
			for set := range uint(1) << n {
				if bits.OnesCount(set) != size {
					continue
				}
				batches++
				for i := range n {
					for j := range i {
						if set>>i&1 == 1 && set>>j&1 == 1 && (c.pictures[i] == c.pictures[j] || c.captions[i] == c.captions[j]) {
							falseNegatives++
						}
					}
				}
				right += float64(mostRight(set, c.pictures, c.captions))
			}
			gotFalse, ceiling := inBatch(c.pictures, c.captions, batch)
			if want := falseNegatives / batches; math.Abs(gotFalse-want) > 1e-12*(1+want) {
				t.Errorf("%s, batch %d: %g false negatives, want %g", name, batch, gotFalse, want)
			}
			reached := right / batches / float64(size)
			if ceiling < reached-1e-12 || c.exact && ceiling > reached+1e-12 {
				t.Errorf("%s, batch %d: ceiling %g, a perfect model reaches %g", name, batch, ceiling, reached)
			}
		}
	}
	if f, c := inBatch(nil, nil, 4); f != 0 || c != 1 {
		t.Errorf("no pairs: %g, %g", f, c)
	}
}

// mostRight is the size of the largest part of set in which no two rows share picture or caption, by trying all parts.
func mostRight(set uint, pictures, captions []int32) int {
	best := 0
	for part := set; part > 0; part = (part - 1) & set {
		ok := true
		for i := range pictures {
			for j := range i {
				if part>>i&1 == 1 && part>>j&1 == 1 && (pictures[i] == pictures[j] || captions[i] == captions[j]) {
					ok = false
				}
			}
		}
		if ok {
			best = max(best, bits.OnesCount(part))
		}
	}
	return best
}

// TestCheckFinds has one trouble each, and what must be said of it.
// fault 18
func TestCheckFinds(t *testing.T) {
	good := datasettest.Pictures(8)
	with := func(id int64, data string) map[int64]string {
		out := map[int64]string{}
		for k, v := range good {
			out[k] = v
		}
		out[id] = data
		return out
	}
	distinct := datasettest.Captions("红色的猫", "蓝色的狗", "绿色的鱼", "黄色的鸟", "白色的马", "黑色的牛", "灰色的羊", "紫色的兔")
	changed := func(i int, text string, ids ...int64) []dataset.Text {
		out := slices.Clone(distinct)
		out[i].Text = text
		if ids != nil {
			out[i].ImageIDs = ids
		}
		return out
	}
	for name, c := range map[string]struct {
		train dataset.Source
		want  string
		check func(SplitReport) bool
	}{
		"a missing picture":   {datasettest.Memory(distinct, with(3, "")), "1 picture is missing: image 3", func(r SplitReport) bool { return r.Missing.Count == 1 }},
		"an unknown id":       {datasettest.Memory(changed(0, "猫", 1, 99), good), "image 99 of text 1", func(r SplitReport) bool { return r.Missing.Count == 1 && r.Pairs == 8 }},
		"a corrupt picture":   {datasettest.Memory(distinct, with(3, "GIF89a")), "1 picture cannot be read: image 3:", func(r SplitReport) bool { return r.Corrupt.Count == 1 }},
		"a tiny picture":      {datasettest.Memory(distinct, with(3, datasettest.Picture(100, 31, 1))), "1 picture has a side under 32 pixels: image 3, 100×31", func(r SplitReport) bool { return r.Tiny.Count == 1 }},
		"a huge picture":      {datasettest.Memory(distinct, with(3, datasettest.Picture(5000, 4000, 1))), "1 picture is huge: image 3, 5000×4000", func(r SplitReport) bool { return r.Huge.Count == 1 }},
		"no caption":          {datasettest.Memory(distinct, with(9, datasettest.Picture(40, 40, 99))), "1 picture has no caption: image 9", func(r SplitReport) bool { return r.Uncaptioned.Count == 1 }},
		"an empty caption":    {datasettest.Memory(changed(0, " \t"), good), "1 caption is empty: text 1", func(r SplitReport) bool { return r.Empty.Count == 1 }},
		"unknown words":       {datasettest.Memory(changed(0, "𠀀𪛟"), good), "1 caption consists of unknown words only: text 1", func(r SplitReport) bool { return r.Unknown.Count == 1 }},
		"a long caption":      {datasettest.Memory(changed(0, strings.Repeat("很", 51)), good), "12.5% of the captions are longer than 52 tokens", func(r SplitReport) bool { return r.Truncated.Count == 1 }},
		"the longest that is": {datasettest.Memory(changed(0, strings.Repeat("很", 50)), good), "", func(r SplitReport) bool { return r.Truncated.Count == 0 }},
		"hidden answers":      {datasettest.Memory([]dataset.Text{{ID: 1, Text: "猫"}}, good), "the answers are hidden", func(r SplitReport) bool { return r.HiddenTexts == 1 && r.Ceiling == 1 }},
		"equal when cut": {datasettest.Memory(append(changed(0, strings.Repeat("很", 60)), dataset.Text{ID: 9, Text: strings.Repeat("很", 70), ImageIDs: []int64{2}}), good), "", func(r SplitReport) bool {
			return r.DistinctCaptions == 8
		}},
		"the same bytes": {datasettest.Memory(distinct, with(3, good[4])), "false negatives on average (rows that share picture or caption)", func(r SplitReport) bool {
			return r.DistinctPictures == 7 && r.Ceiling == 7./8 && r.FalseNegatives == 1
		}},
		"class names": {datasettest.Memory(datasettest.Captions("猫", "猫", "猫", "猫", "狗", "狗", "狗", "狗"), good), "2 distinct captions among 8 pairs", func(r SplitReport) bool {
			return r.DistinctCaptions == 2 && r.Ceiling == .25 && r.CommonestPairs == 4 && r.Commonest == "猫"
		}},
	} {
		report, err := Dataset(context.Background(), &dataset.Dataset{Name: "x", Train: c.train}, Options{BatchSize: 8})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if s := report.String(); !strings.Contains(s, c.want) || !c.check(report.Splits[0]) {
			t.Errorf("%s: want %q, have %s%+v", name, c.want, s, report.Splits[0])
		}
	}
	report, err := Dataset(context.Background(), &dataset.Dataset{Name: "x", Train: datasettest.Memory(distinct, good)}, Options{BatchSize: 8})
	if err != nil || len(report.Findings) != 0 || !strings.Contains(report.String(), "Nothing to complain about") {
		t.Errorf("a good set: %v, error %v", report, err)
	}
	imbalanced := datasettest.Captions(slices.Repeat([]string{"促销"}, 50)...)
	for i := range 50 {
		imbalanced = append(imbalanced, dataset.Text{ID: int64(100 + i), Text: fmt.Sprintf("商品%d号", i), ImageIDs: []int64{int64(i%8 + 1)}})
	}
	for i := range imbalanced[:50] {
		imbalanced[i].ImageIDs[0] = int64(i%8 + 1)
	}
	report, err = Dataset(context.Background(), &dataset.Dataset{Name: "x", Train: datasettest.Memory(imbalanced, good)}, Options{BatchSize: 8})
	if err != nil || !strings.Contains(report.String(), `one caption has 50% of the pairs: "促销"`) {
		t.Errorf("imbalance: %v, error %v", report, err)
	}
}

// TestCheckDecode has a picture that is cut off in the middle: its header is sound.
func TestCheckDecode(t *testing.T) {
	good := datasettest.Pictures(2)
	good[2] = good[2][:len(good[2])-30]
	for _, decode := range []bool{false, true} {
		report, err := Dataset(context.Background(), &dataset.Dataset{Name: "x", Train: datasettest.Memory(datasettest.Captions("猫", "狗"), good)}, Options{Decode: decode})
		if err != nil || report.Splits[0].Corrupt.Count != map[bool]int{true: 1}[decode] {
			t.Errorf("decode %v: %v, error %v", decode, report, err)
		}
	}
}

// fault 19
func TestCheckLeaks(t *testing.T) {
	all := datasettest.Pictures(3)
	report, err := Dataset(context.Background(), &dataset.Dataset{
		Name:  "x",
		Train: datasettest.Memory(datasettest.Captions("猫", "狗"), map[int64]string{1: all[1], 2: all[2]}),
		Test:  datasettest.Memory([]dataset.Text{{ID: 7, Text: "猫", ImageIDs: []int64{5}}, {ID: 8, Text: "鱼", ImageIDs: []int64{6}}}, map[int64]string{5: all[3], 6: all[2]}),
	}, Options{BatchSize: 2})
	if err != nil {
		t.Fatal(err)
	}
	want := []Leak{{From: "train", To: "test", Pictures: Examples{1, []string{"image 6 is image 2 of train"}}, Captions: Examples{1, []string{`text 7, "猫", is text 1 of train`}}}}
	if fmt.Sprint(report.Leaks) != fmt.Sprint(want) {
		t.Errorf("leaks %v, want %v", report.Leaks, want)
	}
	if s := report.String(); !strings.Contains(s, "1 picture is also in train: image 6") || !strings.Contains(s, "1 caption is also in train, 50% of those of test: text 7") {
		t.Error(s)
	}
}

// TestCheckEmoji shows the report of a real set, that it is the same each time, and that it stops when it is told to.
func TestCheckEmoji(t *testing.T) {
	d, err := dataset.Open("emoji")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	told := 0
	report, err := Dataset(t.Context(), d, Options{Progress: func(string, int, int) { told++ }})
	if err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + report.String())
	again, err := Dataset(t.Context(), d, Options{Tokenizer: tokenizer.Default()})
	a, _ := json.Marshal(report)
	b, _ := json.Marshal(again)
	if err != nil || string(a) != string(b) || told == 0 {
		t.Errorf("two reports differ (error %v), or no progress was told (%d)", err, told)
	}
	if train := report.Splits[0]; train.Images != 1202 || train.Pairs != 6010 || train.Corrupt.Count+train.Missing.Count != 0 || train.Ceiling > 1 || train.Ceiling < 0.9 {
		t.Errorf("%+v", train)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Dataset(cancelled, d, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}

// TestPublishedSetsAreCompared has a folder that is called as a published set and is another.
func TestPublishedSetsAreCompared(t *testing.T) {
	d := &dataset.Dataset{Name: "MUGE", Test: datasettest.Memory([]dataset.Text{{ID: 1, Text: "猫"}}, map[int64]string{1: "ABC"})}
	r, err := Dataset(t.Context(), d, Options{})
	if err != nil {
		t.Fatal(err)
	}
	told := r.String()
	for _, want := range []string{
		"MUGE has no valid split, which its published figures are of.",
		"MUGE test has 1 pictures, the published set 30399.",
		"MUGE test has 1 captions, the published set 5004.",
		"results are not comparable",
	} {
		if !strings.Contains(told, want) {
			t.Errorf("%q is not in\n%s", want, told)
		}
	}
}

// TestFewPairs has fewer pairs than a batch.
// fault 20
func TestFewPairs(t *testing.T) {
	s := datasettest.Memory(datasettest.Captions("红色的猫", "蓝色的狗", "绿色的鱼"), datasettest.Pictures(3))
	report, err := Dataset(t.Context(), &dataset.Dataset{Name: "few", Train: s}, Options{BatchSize: 8})
	if err != nil || !strings.Contains(report.String(), "3 pairs, fewer than a batch of 8: every batch repeats some") {
		t.Errorf("%v, error %v", report, err)
	}
}
