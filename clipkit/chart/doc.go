// Package chart draws what a run has written: curves, recall bars, picture grids and tables, for a notebook output or a page of their own.
//
//	rows, err := experiment.ReadRows("experiments/emoji")       // the lines of metrics.jsonl
//	page, err := chart.Page("ViT-B-16 on emoji", chart.Loss(rows), chart.Accuracy(rows),
//		chart.RecallBars(chart.Named{Name: "finetuned", TextToImage: t2i, ImageToText: i2t}),
//		chart.Grid("红色的爱心", pictures),
//		chart.Table([]string{"Setting", "R@1"}, cells))
//
// Everything is a [Figure]: something with an HTML method. The functions are pure; they compute no metric and read no file, and the same
// arguments give the same bytes. The façade displays a Figure in a cell; [Page] makes a standalone file of several.
//
// # Live and static
//
// A [Chart] is drawn twice. Its HTML holds a static picture (SVG in a data: URI, at most 60 kB) and an ECharts option. Where the script
// of [Setup] has run, the picture is replaced by the live chart, with tooltips, in the colours of the surrounding light or dark theme.
// Where scripts don't run (an untrusted notebook, a repository viewer) the picture stays. Setup and charts may come in any order.
// Nothing is ever loaded from a network: ECharts is embedded in the program, and Page forbids requests by a content security policy.
//
// # What is drawn
//
// Curves are drawn against optimizer steps. When a step comes again (a run resumed from an earlier checkpoint) the later row counts.
// NaN, infinities and values beyond ±1e100 are left out of a line and counted under the title. More than 2000 points are thinned to
// the first, the last and each bucket's lowest and highest, so spikes survive and a chart of any run stays below 1 MB. A smoothed line
// is added to the training loss and replaces nothing. Without rows a chart says so.
//
// # Outside text and bytes
//
// Captions, titles and names come from data sets. In HTML they are escaped, without control characters; in scripts they are JSON with
// <, >, & escaped; tooltips are drawn as text, not as HTML. Pictures are embedded only if their first bytes say png, jpeg, gif, webp or
// bmp (never SVG, which can hold scripts) and they are at most 16 MiB; any other becomes a cell that says what was wrong.
package chart
