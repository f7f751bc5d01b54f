package latency

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"clipnb/clipkit/chart"
	"clipnb/clipkit/deploy"
	"clipnb/clipkit/internal/atomicfile"
)

// Reported is a row of the reference's tables of deployment: what its engines take and keep, all in float16 on a T4 with 16 GB, batch 1.
type Reported struct {
	Model, Engine string
	Image, Text   float64    // milliseconds for one sample
	MUGE          [4]float64 // zero-shot R@1, R@5, R@10 and their mean, text→image; 0 where it is not published
}

// Source is where Published stands.
const Source = "OFA-Sys/Chinese-CLIP, deployment.md, lines 317-363"

// Published are the latencies and the recall that the reference's authors give for its three engines.
var Published = []Reported{
	{Model: "RN50", Engine: "PyTorch", Image: 12.93, Text: 3.64},
	{Model: "RN50", Engine: "ONNX", Image: 5.04, Text: 0.95},
	{Model: "RN50", Engine: "TensorRT", Image: 1.36, Text: 0.58},
	{"ViT-B-16", "PyTorch", 11.12, 12.47, [4]float64{52.1, 76.7, 84.4, 71.1}},
	{"ViT-B-16", "ONNX", 4.92, 3.42, [4]float64{52.0, 76.8, 84.3, 71.1}},
	{"ViT-B-16", "TensorRT", 3.58, 1.54, [4]float64{52.0, 76.8, 84.2, 71.0}},
	{Model: "ViT-L-14", Engine: "PyTorch", Image: 21.19, Text: 12.45},
	{Model: "ViT-L-14", Engine: "ONNX", Image: 17.10, Text: 3.48},
	{Model: "ViT-L-14", Engine: "TensorRT", Image: 13.08, Text: 1.52},
	{Model: "ViT-L-14-336", Engine: "PyTorch", Image: 47.11, Text: 12.24},
	{Model: "ViT-L-14-336", Engine: "ONNX", Image: 48.40, Text: 3.25},
	{Model: "ViT-L-14-336", Engine: "TensorRT", Image: 31.59, Text: 1.54},
	{"ViT-H-14", "PyTorch", 35.10, 23.98, [4]float64{63.0, 84.1, 89.2, 78.8}},
	{"ViT-H-14", "ONNX", 34.00, 6.01, [4]float64{63.1, 84.1, 89.0, 78.8}},
	{"ViT-H-14", "TensorRT", 26.98, 3.89, [4]float64{63.1, 84.2, 89.1, 78.8}},
}

// PublishedTable has the published rows of some models, or of all where none is named.
func PublishedTable(models ...string) (header []string, cells [][]string) {
	wanted := map[string]bool{}
	for _, m := range models {
		wanted[m] = true
	}
	header = []string{"model", "engine (float16, T4, batch 1)", "image ms", "text ms", "MUGE R@1", "R@5", "R@10", "mean"}
	for _, p := range Published {
		if len(models) > 0 && !wanted[p.Model] {
			continue
		}
		line := []string{p.Model, p.Engine, fmt.Sprintf("%.2f", p.Image), fmt.Sprintf("%.2f", p.Text)}
		for _, r := range p.MUGE {
			cell := "–"
			if r > 0 {
				cell = fmt.Sprintf("%.1f", r)
			}
			line = append(line, cell)
		}
		cells = append(cells, line)
	}
	return header, cells
}

// Write writes rows as Markdown, with what is published of their models; and where a page is named, chart and tables as a document of its own.
func Write(w io.Writer, page string, rows []Row) error {
	header, cells := PublishedTable(models(rows)...)
	text := Markdown(rows)
	parts := []chart.Figure{chart.Latency(Timings(rows...)...), chart.Table(Header(), Cells(rows))}
	if len(cells) > 0 {
		text += fmt.Sprintf("\nPublished (%s):\n\n%s", Source, markdown(header, cells))
		parts = append(parts, chart.Table(header, append(cells, []string{Source})))
	}
	if _, err := io.WriteString(w, text); err != nil || page == "" {
		return err
	}
	html, err := chart.Page("延迟 · Latency", parts...)
	if err != nil {
		return err
	}
	return atomicfile.WriteBytes(page, []byte(html))
}

func models(rows []Row) (names []string) {
	for _, r := range rows {
		if !slices.Contains(names, r.Model) {
			names = append(names, r.Model)
		}
	}
	return names
}

// PrecisionsOf are those in which a model is to be timed: the listed ones ("fp32,int8"), or all of an exported folder, else its default "".
func PrecisionsOf(name, listed string) (list []string) {
	if listed != "" {
		return strings.Split(listed, ",")
	}
	if deploy.IsFolder(name) {
		if m, err := deploy.ReadManifest(name); err == nil { // else loading says what is wrong
			for _, p := range m.Precisions() {
				list = append(list, string(p))
			}
			return list
		}
	}
	return []string{""}
}
