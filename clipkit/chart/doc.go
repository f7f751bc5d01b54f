// Package chart draws what runs and evaluations have found: curves, bars, matrices, maps, picture grids and tables, for a notebook output
// or a page of their own.
//
//	rows, err := experiment.ReadRows("experiments/emoji")       // the lines of metrics.jsonl
//	page, err := chart.Page("ViT-B-16 on emoji", chart.Loss(rows), chart.Accuracy(rows),
//		chart.RecallBars(chart.Named{Name: "finetuned", TextToImage: t2i, ImageToText: i2t}),
//		chart.Grid("红色的爱心", pictures),
//		chart.Table([]string{"Setting", "R@1"}, cells))
//
// Everything is a [Figure]: something with an HTML method. The functions are pure; they compute no metric and read no file, and the same
// arguments give the same bytes. The façade displays a Figure in a cell.
//
//	of a run            Loss, LearningRate, Accuracy, Recall, Throughput; Overlay for several runs
//	of models           RecallBars and Latency, measured beside published
//	of pairs            Heatmap, Similarities and SimilarityBins
//	of classes          Confusion
//	of the features     Map, with clipnb/clipkit/projection before it
//	anything            Grid, Table
//	to take away        Page (HTML), Chart.SVG, Still
//
// # Live, static and text
//
// A [Chart] is drawn twice. Its HTML holds a static picture (SVG in a data: URI; package svg) and an ECharts option. Where a script of package
// library has run, the picture is replaced by the live chart, with tooltips, in the colours of the surrounding light or dark theme. Where scripts
// don't run (an untrusted notebook, a repository viewer) the picture stays, and on paper it is what is printed; it stands on nothing, in colours that can be
// read on light and on dark. Scripts and charts may come in any order. Nothing is ever loaded from another host: ECharts is embedded in the program,
// and Page forbids requests by a content security policy.
//
// Every figure is also text (package plain): a table is a table, a chart its values, pictures are their captions. Tables and picture grids, whose HTML
// shows everywhere where HTML does, are static pictures as well (their method Still), for where only pictures and text do.
//
// No chart tells its series apart by colour alone: lines have strokes, runs and models have letters, published results are outlines,
// kinds have shapes.
//
// # What is drawn
//
// Curves are drawn against optimizer steps. When a step comes again (a run resumed from an earlier checkpoint) the later row counts. A
// smoothed line is added to the training loss and replaces nothing. NaN, infinities and values beyond ±1e100 are left out everywhere and
// counted under the title, as are values that have no label and labels that have no value. Without values a chart says so.
//
// # Limits
//
// A line has at most 2000 points: longer ones keep the first, the last and each bucket's lowest and highest, so that spikes survive. A
// static picture of curves has at most 60 kB, a chart of any run 1 MB. A matrix draws 256 × 256 cells, a map 20,000 points, 2000 of them
// with pictures (about 2 kB each). What is more is left out, and the chart says so.
//
// # Outside text and bytes
//
// Captions, titles and names come from data sets. In HTML and SVG they are escaped, without control characters; in scripts they are JSON
// with <, >, & escaped; tooltips are drawn as text, not as HTML. Pictures are embedded only if their first bytes say png, jpeg, gif, webp
// or bmp (never SVG, which can hold scripts) and they are at most 16 MiB; another format that package imaging reads becomes a thumbnail, and any
// other a cell that says what was wrong. Thumbnails are made of pictures of at most 64 million pixels.
package chart
