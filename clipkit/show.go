package clipkit

import (
	"fmt"
	"os"
	"path/filepath"

	"clipnb/clipkit/chart"
	"clipnb/clipkit/experiment"

	"github.com/janpfeifer/gonb/gonbui"
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
	kernelDir := os.Getenv("GONB_TMP_DIR")
	if kernelDir == "" {
		return nil // no notebook: nobody to show them to
	}
	marker := filepath.Join(kernelDir, "clipkit-charts")
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

// training is what progress says of a step: loss, speed and share of the machine's peak.
func training(row experiment.Row) string {
	share := ""
	if row.PeakShare > 0 {
		share = fmt.Sprintf(", %.0f%% of peak", 100*row.PeakShare)
	}
	return fmt.Sprintf("training: loss %.3f, %.0f pairs/s%s", row.Loss, row.ImagesPerSecond, share)
}
