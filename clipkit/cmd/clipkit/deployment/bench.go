package deployment

import (
	"fmt"

	"clipnb/clipkit"
	"clipnb/clipkit/internal/progress"
	"clipnb/clipkit/latency"

	"github.com/spf13/cobra"
)

// Bench is "clipkit bench".
func Bench(program string) *cobra.Command {
	var o latency.Options
	var device, precisions, batches, side, page string
	c := &cobra.Command{
		Use:   "bench MODEL…",
		Short: "Time the towers of models and exported folders, beside the latencies that the reference publishes",
		Long: "Time the towers of models: published ones, runs, files, folders of ONNX files (export) in several precisions. Models take turns, round by round, so that what\n" +
			"else the machine does meets all. For each tower, batch and precision: mean, sd, min, max, median, 95th and 99th percentile, samples per second and share of the\n" +
			"processor's float32 peak. The table (Markdown) goes to standard output.",
		Example: "  " + program + " bench ViT-B-16\n  " + program + " bench --precision fp32,fp16 --batch-size 1,8 --html latency.html ViT-B-16 deploy/",
	}
	c.Flags().StringVar(&device, "device", "", "`DEVICE` of models: cpu, npu:1, cuda …; exported files run on the processor")
	c.Flags().StringVar(&precisions, "precision", "", "`LIST` of precisions, with commas; default every one of an exported folder, f32 of other models")
	c.Flags().StringVar(&batches, "batch-size", "1", "`LIST` of batch sizes, with commas")
	c.Flags().StringVar(&side, "side", "both", "`TOWER`: img, txt or both")
	c.Flags().IntVar(&o.N, "n", 100, "rounds that count")
	c.Flags().IntVar(&o.WarmUp, "warmup", 10, "rounds before them")
	c.Flags().StringVar(&page, "html", "", "also write a page with table and chart to `FILE`")
	complete(c, "side", "img", "txt", "both")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := o.Parse(batches, side); err != nil {
			return fmt.Errorf("%w: %w", ErrUsage, err)
		}
		var subjects []latency.Subject
		for _, name := range args {
			for _, p := range latency.PrecisionsOf(name, precisions) {
				m, err := clipkit.Load(c.Context(), name, clipkit.On(device), clipkit.In(p))
				if err != nil {
					return err
				}
				defer m.Close()
				subjects = append(subjects, latency.Subject{Name: m.Towers.Config.Name, Model: m.Towers})
			}
		}
		bar := progress.New(c.ErrOrStderr(), "rounds", 0)
		rows, err := latency.Compare(c.Context(), subjects, o, bar.Of)
		bar.Finish()
		if err == nil {
			err = latency.Write(c.OutOrStdout(), page, rows)
		}
		return err
	}
	return c
}
