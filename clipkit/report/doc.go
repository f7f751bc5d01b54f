// Package report turns what was measured into what a notebook shows: tables, bars and grids of pictures. It measures nothing itself.
//
//	before, err := clipkit.EvaluateRetrieval(ctx, m, data.Test)
//	err = report.Keep("quickstart", "before", before)              // for a later cell
//	before, err = report.Kept("quickstart", "before")
//	clipkit.Show(report.RecallTable(before, after), report.RecallBars(before, after))
//	clipkit.Show(chart.Grid("狗", report.Hits(hits)))
//
// Numbers are percent.
package report
