// Package live shows a training run while it goes on: a line of progress, and in a notebook loss and accuracy, drawn again in their place.
//
//	tell, finish := live.Show(run.Dir, steps, false)
//	tell(p) // after every step, and in long ones after every micro-batch
//	finish()
package live

import (
	"fmt"
	"os"

	"clipnb/clipkit/experiment"
	"clipnb/clipkit/internal/progress"
	"clipnb/clipkit/train"
)

// Show makes the line of progress and, in a notebook, the charts of a run of so many steps: tell is a train.Job's Progress. launched is for a process that a
// launcher started, which hands on whole lines only.
func Show(dir string, steps int, launched bool) (tell func(train.Progress), finish func()) {
	bar := progress.New(os.Stderr, "training", steps)
	if launched {
		bar.Whole()
	}
	return show(bar, dir)
}

func show(bar *progress.Line, dir string) (tell func(train.Progress), finish func()) {
	bar.Compiling()
	charts := newCharts(dir)
	step, done := "", 0 // what the last step came to, and its number
	tell = func(p train.Progress) {
		bar.Left(p.Remaining)
		what := "training"
		switch { // what moves stands before what may be cut off
		case p.Pass.Phase == train.Validation:
			what += fmt.Sprintf(", validating %d/%d", p.Pass.Done, p.Pass.Of)
		case p.Pass.Of > 0:
			what += fmt.Sprintf(", %s of micro-batch %d/%d", p.Pass.Phase, p.Pass.Done, p.Pass.Of)
		case p.Row.Kind == "train":
			step, done = results(p.Row), p.Row.Step
		}
		bar.Describe(what + step)
		if done > 0 || p.Pass.Of > 0 {
			bar.Of(done, 0)
		}
		if p.Pass.Of == 0 {
			charts.add(p.Row)
		}
	}
	return tell, func() {
		bar.Finish()
		charts.finish()
	}
}

// results is what progress says of a step: loss, speed and share of the machine's peak.
func results(row experiment.Row) string {
	share := ""
	if row.PeakShare >= 0.005 {
		share = fmt.Sprintf(", %.0f%% of peak", 100*row.PeakShare)
	}
	return fmt.Sprintf(": loss %.3f, %s pairs/s%s", row.Loss, progress.Rate(row.ImagesPerSecond), share)
}
