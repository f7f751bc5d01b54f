package check

import (
	"fmt"
	"strings"

	"clipnb/clipkit/dataset"
)

// Report is what [Dataset] found. String tells it in plain language with advice.
type Report struct {
	Name          string
	BatchSize     int      // that FalseNegatives and Ceiling are for
	ContextLength int      // that Truncated is for
	Decoded       bool     // whether pictures were decoded whole
	LeftOut       []string // what was passed over when the set was opened
	Splits        []SplitReport
	Leaks         []Leak
	Findings      []Finding // by split, then what the splits have in common, then how a published set differs from its publication
}

// SplitReport is about one split.
type SplitReport struct {
	Split                string
	Images, Texts, Pairs int

	// DistinctPictures counts pictures of different bytes; DistinctCaptions captions in pairs that are different token rows: what the
	// tokenizer cuts off or does not know makes no difference.
	DistinctPictures, DistinctCaptions int

	// FalseNegatives is the expected number of couples of rows in a batch that share picture or caption, so that the loss drives
	// apart what belongs together. Ceiling is the in-batch accuracy, 0 to 1, that not even a perfect model exceeds on average.
	FalseNegatives, Ceiling float64

	Commonest      string // the caption of most pairs
	CommonestPairs int

	HiddenTexts           int      // captions without image_ids: hidden answers
	Empty                 Examples // captions that make no token
	Unknown               Examples // captions of nothing but [UNK]
	Truncated             Examples // captions longer than the context
	Pieces, UnknownPieces int      // word pieces in all captions, and those of them that are [UNK]

	Missing     Examples // pictures that captions name or the split lists, but that are not there
	Corrupt     Examples // pictures that cannot be read or decoded
	Tiny        Examples // pictures with a side shorter than tinySide
	Huge        Examples // pictures of more than hugePixels
	Uncaptioned Examples // pictures that no caption names
}

// Leak is what a later split has in common with an earlier one.
type Leak struct {
	From, To string
	Pictures Examples // of the same bytes
	Captions Examples // of the same tokens
}

// Examples is a count with the first few cases.
type Examples struct {
	Count int
	First []string // at most 5
}

func (e *Examples) add(name func() string) {
	if e.Count++; len(e.First) < 5 {
		e.First = append(e.First, name())
	}
}

func (e Examples) String() string {
	s := strings.Join(e.First, "; ")
	if e.Count > len(e.First) {
		s += "; …"
	}
	return s
}

// Finding is one thing to know before training.
type Finding struct {
	Split  string
	What   string
	Advice string
}

// find turns figures into findings.
func (r *Report) find() {
	for _, s := range r.Splits {
		r.findPictures(s)
		r.findCaptions(s)
		r.findRepeats(s)
	}
	for _, l := range r.Leaks {
		if n := l.Pictures.Count; n > 0 {
			r.add(l.To, "take them out of one of the two: figures on "+l.To+" come out too high"+howToPart,
				"%s also in %s: %v", count(n, "picture is", "pictures are"), l.From, l.Pictures)
		}
		// Stock phrases occur everywhere; what counts is a split that is largely the other one.
		if n, texts := l.Captions.Count, r.split(l.To).Texts; 10*n > texts {
			r.add(l.To, "if these are not class names or stock phrases, take them out of one of the two"+howToPart,
				"%s also in %s, %.0f%% of those of %s: %v", count(n, "caption is", "captions are"), l.From, percent(n, texts), l.To, l.Captions)
		}
	}
}

// howToPart is for a folder of pictures, whose splits are not in files of their own.
const howToPart = " (in a folder with a caption file: delete the copies, or say in a column split which picture belongs to train, valid and test)"

func (r *Report) split(name string) SplitReport {
	for _, s := range r.Splits {
		if s.Split == name {
			return s
		}
	}
	return SplitReport{}
}

func (r *Report) add(split, advice, what string, args ...any) {
	r.Findings = append(r.Findings, Finding{Split: split, What: fmt.Sprintf(what, args...), Advice: advice})
}

func (r *Report) findPictures(s SplitReport) {
	for _, f := range []struct {
		of                Examples
		one, many, advice string
	}{
		{s.Missing, "picture is missing", "pictures are missing", "add them, or take out the captions that name them"},
		{s.Corrupt, "picture cannot be read", "pictures cannot be read", "replace them or take them out; training skips as many bad pairs as its budget allows, and evaluation, validation and indexes leave out as many pictures; the reference's files need all"},
		{s.Huge, "picture is huge", "pictures are huge", "they slow down loading; make smaller copies, 512 pixels on the shorter side are plenty"},
	} {
		if f.of.Count > 0 {
			r.add(s.Split, f.advice, "%s: %v", count(f.of.Count, f.one, f.many), f.of)
		}
	}
	if percent(s.Tiny.Count, s.Images) >= 1 {
		r.add(s.Split, "enlarged, they show the model a blur; take larger versions",
			"%s a side under %d pixels: %v", count(s.Tiny.Count, "picture has", "pictures have"), tinySide, s.Tiny)
	}
	if s.Uncaptioned.Count > 0 && s.Pairs > 0 {
		r.add(s.Split, "they are not trained on, and in evaluation they only distract",
			"%s no caption: %v", count(s.Uncaptioned.Count, "picture has", "pictures have"), s.Uncaptioned)
	}
}

func (r *Report) findCaptions(s SplitReport) {
	if s.Empty.Count > 0 {
		r.add(s.Split, "they say nothing, and all say the same; take them out", "%s empty: %v", count(s.Empty.Count, "caption is", "captions are"), s.Empty)
	}
	if s.Unknown.Count > 0 {
		r.add(s.Split, "the model cannot tell them apart; write them in Chinese, or in words that the vocabulary has",
			"%s of unknown words only: %v", count(s.Unknown.Count, "caption consists", "captions consist"), s.Unknown)
	}
	if p := percent(s.UnknownPieces, s.Pieces); p >= 5 {
		r.add(s.Split, "check the encoding of the file and the language of the captions", "%.1f%% of the word pieces are unknown to the vocabulary", p)
	}
	if p := percent(s.Truncated.Count, s.Texts); p >= 1 {
		r.add(s.Split, "put what matters first, shorten them, or train with a greater context length (up to 512)",
			"%.1f%% of the captions are longer than %d tokens and are cut: %v", p, r.ContextLength, s.Truncated)
	}
}

func (r *Report) findRepeats(s SplitReport) {
	if s.Pairs == 0 {
		if s.Texts > 0 {
			r.add(s.Split, "it can be searched, but not trained or scored on", "no caption has image_ids; the answers are hidden")
		}
		return
	}
	if s.Pairs < r.BatchSize {
		r.add(s.Split, "take a smaller batch, or more data; few pairs are quickly learnt by heart",
			"%s, fewer than a batch of %d: every batch repeats some", count(s.Pairs, "pair", "pairs"), r.BatchSize)
	}
	if (s.DistinctCaptions < r.BatchSize && s.DistinctCaptions < s.Pairs) || 20*s.DistinctCaptions < s.Pairs {
		r.add(s.Split, "these are class names rather than captions: say more about each picture, use a loss with several positives, or judge by zero-shot classification",
			"%s among %d pairs", count(s.DistinctCaptions, "distinct caption", "distinct captions"), s.Pairs)
	}
	if s.Ceiling < 0.98 {
		r.add(s.Split, "judge by recall and not by in-batch accuracy; take out duplicates, or use a loss with several positives",
			"a batch of %d holds %.1f false negatives on average (rows that share picture or caption), so in-batch accuracy cannot exceed %.0f%%, however good the model",
			min(r.BatchSize, s.Pairs), s.FalseNegatives, 100*s.Ceiling)
	}
	if 20*s.CommonestPairs > s.Pairs && s.CommonestPairs*s.DistinctCaptions > 5*s.Pairs {
		r.add(s.Split, "the model will lean towards it; take fewer of them or describe them apart",
			"one caption has %.0f%% of the pairs: %.60q", percent(s.CommonestPairs, s.Pairs), s.Commonest)
	}
}

func percent(part, whole int) float64 { return 100 * float64(part) / float64(max(whole, 1)) }

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func (r *Report) writeFindings(b *strings.Builder, of func(Finding) bool) {
	for _, f := range r.Findings {
		if of(f) {
			fmt.Fprintf(b, "  - %s.\n    Advice: %s.\n", f.What, f.Advice)
		}
	}
}

// String is the report as text, some lines for each split.
func (r *Report) String() string {
	var b strings.Builder
	how := "pictures read by their headers"
	if r.Decoded {
		how = "pictures decoded whole"
	}
	fmt.Fprintf(&b, "%s, checked for batches of %d, %s\n", r.Name, r.BatchSize, how)
	for _, line := range r.LeftOut {
		fmt.Fprintf(&b, "%s\n", line)
	}
	for _, s := range r.Splits {
		fmt.Fprintf(&b, "%s: %d pictures (%d distinct), %d captions, %d pairs (%d distinct captions)\n", s.Split, s.Images, s.DistinctPictures, s.Texts, s.Pairs, s.DistinctCaptions)
		r.writeFindings(&b, func(f Finding) bool { return f.Split == s.Split })
	}
	r.writeFindings(&b, func(f Finding) bool { return r.split(f.Split).Split == "" }) // of a split that is not there
	if len(r.Findings) == 0 {
		b.WriteString("Nothing to complain about.\n")
	}
	return b.String()
}

// findDifferences tells where d is not the published set: splits that are missing or of another size.
func (r *Report) findDifferences(p dataset.Published, d *dataset.Dataset) {
	const advice = "results are not comparable with published ones; get the set again, or call the folder otherwise"
	for _, s := range splits(d) {
		want := p.Sizes[s.name]
		if s.source == nil {
			if s.name == p.Report {
				r.add(s.name, advice, "%s has no %s split, which its published figures are of", p.Name, s.name)
			}
			continue
		}
		for _, c := range []struct {
			what      string
			got, want int
		}{
			{"pictures", len(s.source.ImageIDs()), want.Images},
			{"captions", len(s.source.Texts()), want.Texts},
			{"pairs", len(dataset.Pairs(s.source)), want.Pairs},
		} {
			if c.want != 0 && c.got != c.want {
				r.add(s.name, advice, "%s %s has %d %s, the published set %d", p.Name, s.name, c.got, c.what, c.want)
			}
		}
	}
}
