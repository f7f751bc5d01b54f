package clipkit

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"clipnb/clipkit/chart"
	"clipnb/clipkit/train"

	"github.com/janpfeifer/gonb/gonbui"
	"github.com/schollz/progressbar/v3"
)

// Show displays figures in a notebook's output. Outside a notebook it says how to write them to a page.
func Show(figures ...chart.Figure) {
	if !gonbui.IsNotebook {
		say("not in a notebook: write chart.Page(title, figures…) to a file and open it in a browser")
		return
	}
	for _, f := range figures {
		if _, isChart := f.(*chart.Chart); isChart {
			Check(setUpCharts())
		}
		gonbui.DisplayHTML(f.HTML())
	}
	gonbui.Sync()
}

// setUpCharts puts ECharts into the notebook once per kernel; a file in the kernel's own folder remembers it, because each cell is a
// process. Where the script is lost (its cell was run again), charts show their static picture until the kernel restarts.
func setUpCharts() error {
	marker := filepath.Join(os.Getenv("GONB_TMP_DIR"), "clipkit-charts")
	if _, err := os.Stat(marker); err == nil {
		return nil
	}
	script, err := chart.Setup()
	if err != nil {
		return err
	}
	gonbui.DisplayHTML(script)
	return os.WriteFile(marker, nil, 0o644)
}

// progress is one line on standard error: how far, how fast, how long still.
type progress struct {
	bar *progressbar.ProgressBar
	at  int
}

func newProgress(what string, total int, more ...progressbar.Option) *progress {
	return &progress{bar: progressbar.NewOptions(total, append([]progressbar.Option{
		progressbar.OptionSetDescription(what),
		progressbar.OptionSetWriter(os.Stderr),
		progressbar.OptionThrottle(250 * time.Millisecond),
		progressbar.OptionShowCount(),
		progressbar.OptionSetWidth(16),
		progressbar.OptionUseANSICodes(false),
	}, more...)...)}
}

// bytes reports how much of a download has come; total is 0 while it is unknown.
func (p *progress) bytes(done, total int64) {
	if total > 0 && p.bar.GetMax64() != total {
		p.bar.ChangeMax64(total)
	}
	p.at = int(done)
	_ = p.bar.Set64(done)
}

// set reports done samples of an evaluation.
func (p *progress) set(done, _ int) {
	p.at = done
	_ = p.bar.Set(done)
}

// train reports a step, with loss, speed and share of the machine's peak.
func (p *progress) train(at train.Progress) {
	if at.Row.Kind != "train" {
		return
	}
	share := ""
	if at.Row.PeakShare > 0 {
		share = fmt.Sprintf(", %.0f%% of peak", 100*at.Row.PeakShare)
	}
	p.bar.Describe(fmt.Sprintf("training: loss %.3f, %.0f pairs/s%s", at.Row.Loss, at.Row.ImagesPerSecond, share))
	p.at = at.Row.Step
	_ = p.bar.Set(at.Row.Step)
}

// finish ends the line.
func (p *progress) finish() {
	if p.at > 0 {
		fmt.Fprintln(os.Stderr)
	}
}
