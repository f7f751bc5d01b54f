// Package parity compares an exported folder (package deploy) with the model that it was made of, on pictures and texts of one's own: how far features
// are from the model's, and what that does to recall.
//
//	t, err := parity.Measure(ctx, "deploy", ident, device, split, before, progress) // before: the model's own features of split
//	err = t.Save("deploy")                                              // deploy/PARITY.md
//	for _, line := range t.Warnings() { … }                             // recall that falls by more than Tolerance
//
// Vectors are compared as unit vectors. Recall before is the model's, after is the export's, with the 95 % interval of a paired bootstrap over the queries
// (eval.Compare). Of a tower that is not in the export the model's own vectors stand in, so that the other can still be judged by recall.
package parity

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/deploy"
	"clipnb/clipkit/device"
	"clipnb/clipkit/eval"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/internal/atomicfile"
	"clipnb/clipkit/model"
	"clipnb/clipkit/onnx"
)

// Tolerance is by how many points recall may fall before it is said aloud: the difference that the reference's authors accept, "what another
// machine may cause" (deployment.md, under its table of MUGE).
const Tolerance = 0.2

// Table compares all precisions of a folder with the model.
type Table struct {
	Model           model.Ident
	Device          string // on which the model's own features were computed
	Split           string
	Pictures, Texts int
	Rows            []Row
}

// Row is one precision. A tower that the export lacks has no Agreement, a split without answers no Recall.
type Row struct {
	Precision     string
	Opset         int
	Images, Texts *Agreement
	Recall        *eval.Comparison
}

// Agreement is how near some vectors are to others.
type Agreement struct {
	Mean, Least float64 // cosine
	Largest     float64 // difference of one value of two unit vectors
}

// Measure encodes split with every precision of the folder. before has the features of it, texts or none, that a model gave on a device.
func Measure(ctx context.Context, dir string, ident model.Ident, device string, split dataset.Source, before *eval.Features, progress func(done, total int)) (*Table, error) {
	list, err := deploy.ReadManifest(dir)
	if err != nil {
		return nil, err
	}
	t := &Table{Model: ident, Device: device, Split: split.Name(), Pictures: len(before.ImageIDs), Texts: len(before.TextIDs)}
	precisions := list.Precisions()
	for i, p := range precisions {
		progress(i, len(precisions))
		r, err := measure(ctx, dir, string(p), list.Absent(string(p)), split, before)
		if err != nil {
			return nil, fmt.Errorf("comparing %s of %s with the model: %w", p, dir, err)
		}
		for _, f := range list.Files {
			if f.Precision == p {
				r.Opset = f.Opset
			}
		}
		t.Rows = append(t.Rows, r)
	}
	progress(len(precisions), len(precisions))
	return t, nil
}

func measure(ctx context.Context, dir, precision string, absent []onnx.Side, split dataset.Source, before *eval.Features) (r Row, err error) {
	m, err := deploy.Open(dir, precision, "")
	if err != nil {
		return r, err
	}
	defer device.TrimMemory() // of a large model the next precision would not fit beside what this one leaves
	defer m.Device.Close()
	defer m.Close()
	r.Precision = precision
	after := *before
	if !slices.Contains(absent, onnx.Images) {
		if after.Images, err = eval.EncodePictures(ctx, exchange.Alone, m, split, before.ImageIDs, nil); err != nil {
			return r, err
		}
		r.Images = agreement(before.Images, after.Images, before.Dim)
	}
	texts := split.Texts()
	if !slices.Contains(absent, onnx.Texts) && len(texts) > 0 {
		if after.Texts, err = eval.EncodeCaptions(ctx, exchange.Alone, m, texts, m.Config.ContextLength); err != nil {
			return r, err
		}
		r.Texts = agreement(before.Texts, after.Texts, before.Dim)
	}
	if slices.ContainsFunc(texts, func(x dataset.Text) bool { return len(x.ImageIDs) > 0 }) {
		if r.Recall, err = eval.Compare(before, &after, texts, 1); err != nil {
			return r, err
		}
	}
	return r, nil
}

// agreement of unit vectors, row by row.
func agreement(a, b []float32, dim int) *Agreement {
	x := &Agreement{Least: 1}
	for at := 0; at < len(a); at += dim {
		dot := 0.0
		for i := at; i < at+dim; i++ {
			dot += float64(a[i]) * float64(b[i])
			x.Largest = max(x.Largest, math.Abs(float64(a[i])-float64(b[i])))
		}
		x.Mean += dot * float64(dim) / float64(len(a))
		x.Least = min(x.Least, dot)
	}
	return x
}

// directions are a row's, with their names.
func (r Row) directions() (list []direction) {
	if r.Recall != nil {
		list = []direction{{"text→image", r.Recall.TextToImage}, {"image→text", r.Recall.ImageToText}}
	}
	return list
}

type direction struct {
	name string
	*eval.Direction
}

// Warnings are the precisions whose mean recall falls by more than Tolerance, a line each.
func (t *Table) Warnings() (lines []string) {
	for _, r := range t.Rows {
		for _, d := range r.directions() {
			if fall := -d.Mean.Difference(); fall > Tolerance {
				clear := "; with so few queries it may be chance, its interval has 0 in it"
				if d.Mean.Clear() {
					clear = ""
				}
				lines = append(lines, fmt.Sprintf("%s loses recall: %s on %s %s, more than the %.1f points that are accepted%s",
					r.Precision, d.name, t.Split, d.Mean, Tolerance, clear))
			}
		}
	}
	return lines
}

// Header and Cells are the table of vectors and recall, for chart.Table.
func (t *Table) Header() []string {
	return []string{"", "图 images\ncos mean", "图 images\nleast", "图 images\nlargest diff.", "文 texts\ncos mean", "文 texts\nleast", "文 texts\nlargest diff.", "文→图\nmean recall", "图→文\nmean recall"}
}

// Cells are the rows under Header.
func (t *Table) Cells() (rows [][]string) {
	for _, r := range t.Rows {
		cells := []string{r.Precision}
		for _, a := range []*Agreement{r.Images, r.Texts} {
			cells = append(cells, a.cells()...)
		}
		recall := []string{"–", "–"}
		for i, d := range r.directions() {
			recall[i] = d.Mean.String()
		}
		rows = append(rows, append(cells, recall...))
	}
	return rows
}

func (a *Agreement) cells() []string {
	if a == nil {
		return []string{"–", "–", "–"}
	}
	return []string{fmt.Sprintf("%.6f", a.Mean), fmt.Sprintf("%.6f", a.Least), fmt.Sprintf("%.2g", a.Largest)}
}

// Markdown is PARITY.md.
func (t *Table) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s: the exported files against the model\n\n", t.Model.Name)
	fmt.Fprintf(&b, "- Weights: %s, SHA-256 `%s`\n", t.Model.Source, t.Model.Fingerprint)
	fmt.Fprintf(&b, "- Data: %s, %d pictures and %d texts\n", t.Split, t.Pictures, t.Texts)
	fmt.Fprintf(&b, "- The model on %s, the files in ONNX Runtime on the processor\n", t.Device)
	b.WriteString("\n## Unit vectors\n\n| precision | opset | tower | cosine, mean | cosine, least | largest difference |\n|---|---|---|---|---|---|\n")
	for _, r := range t.Rows {
		for i, a := range []*Agreement{r.Images, r.Texts} {
			fmt.Fprintf(&b, "| %s | %d | %s | %s |\n", r.Precision, r.Opset, []string{"images", "texts"}[i], strings.Join(a.cells(), " | "))
		}
	}
	b.WriteString("\n## Recall in percent: the model → the files\n\n")
	if t.Rows[0].Recall == nil {
		b.WriteString("Not measured: no text of this split names its picture.\n")
		return b.String()
	}
	b.WriteString("| precision | direction | queries | R@1 | R@5 | R@10 | mean |\n|---|---|---|---|---|---|---|\n")
	for _, r := range t.Rows {
		for _, d := range r.directions() {
			fmt.Fprintf(&b, "| %s | %s | %d |", r.Precision, d.name, d.Queries)
			for _, c := range d.Changes() {
				fmt.Fprintf(&b, " %s |", c)
			}
			b.WriteString("\n")
		}
	}
	b.WriteString("\nIn brackets: the difference in points and its 95 % interval, by a paired bootstrap over the queries.\n")
	warnings := t.Warnings()
	for _, w := range warnings {
		fmt.Fprintf(&b, "\n**Warning:** %s.\n", w)
	}
	if len(warnings) == 0 {
		fmt.Fprintf(&b, "\nNo mean recall falls by more than %.1f points.\n", Tolerance)
	}
	return b.String()
}

// Save writes PARITY.md into the folder.
func (t *Table) Save(dir string) error {
	return atomicfile.WriteBytes(filepath.Join(dir, deploy.ParityName), []byte(t.Markdown()))
}
