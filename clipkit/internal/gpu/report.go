package gpu

import (
	"fmt"
	"io"
	"strings"
)

// String is a row as it is printed when it comes.
func (r Row) String() string {
	if r.PeakF32 > 0 {
		return fmt.Sprintf("peak of products: float32 %.0f GFLOP/s, bf16 %.0f GFLOP/s (TF32 %s, %s)", r.PeakF32, r.PeakBF16, r.TF32, r.Device)
	}
	s := fmt.Sprintf("%s: %.2f ms, %.0f GFLOP/s", r.Section, 1e3*r.Ours, r.GFLOPs/max(r.Ours, 1e-12))
	if r.Eager > 0 {
		s += fmt.Sprintf(", %.2f x eager", r.Eager/r.Ours)
	}
	if r.Compiled > 0 {
		s += fmt.Sprintf(", %.2f x torch.compile", r.Compiled/r.Ours)
	}
	if r.Loss > 0 {
		s += fmt.Sprintf(", loss %.5f", r.Loss)
	}
	return s + fmt.Sprintf(" (%d rounds, compiled in %.0f s)", r.Rounds, r.CompileSeconds)
}

// Table prints rows side by side. The rows of the section "peak" give the shares; without it they are unknown.
func Table(w io.Writer, rows []Row) {
	var peak Row
	for _, r := range rows {
		if r.PeakF32 > 0 {
			peak = r
		}
	}
	fmt.Fprintf(w, "\n%s; PyTorch: %s\n", strings.TrimSpace(peak.Device+", TF32 "+peak.TF32), torchOf(rows))
	fmt.Fprintln(w, "| section | per s | ms | PyTorch eager, ms | torch.compile, ms | x eager | x compile | share of peak | MB: ours, eager, compile |")
	fmt.Fprintln(w, "|---|--:|--:|--:|--:|--:|--:|--:|--:|")
	for _, r := range rows {
		if r.PeakF32 > 0 || r.Ours == 0 {
			continue
		}
		best := peak.PeakF32
		parts := strings.Split(r.Section, "/")
		if strings.Contains(r.Section, "/bf16/") || parts[0] == "try" || parts[0] == "profile" {
			best = peak.PeakBF16
		}
		fmt.Fprintf(w, "| %s | %s | %.2f | %s | %s | %s | %s | %s | %s, %s, %s |\n", r.Section, perSecond(float64(r.Batch)/r.Ours), 1e3*r.Ours, known(1e3*r.Eager, "%.2f"), known(1e3*r.Compiled, "%.2f"),
			known(r.Eager/r.Ours, "%.2f"), known(r.Compiled/r.Ours, "%.2f"), share(r.GFLOPs/r.Ours, best), known(r.OursMB, "%.0f"), known(r.EagerMB, "%.0f"), known(r.CompiledMB, "%.0f"))
	}
}

func torchOf(rows []Row) string {
	for _, r := range rows {
		if r.Torch != "" {
			return r.Torch
		}
	}
	return "none"
}

func known(x float64, format string) string {
	if x <= 0 {
		return "–"
	}
	return fmt.Sprintf(format, x)
}

func perSecond(rate float64) string {
	if rate < 100 {
		return known(rate, "%.3g")
	}
	return known(rate, "%.0f")
}

// share is unknown where there is no peak, or one that was measured beside other work: a rate above it shows that.
func share(rate, peak float64) string {
	if peak <= 0 || rate > peak {
		return "unknown"
	}
	return fmt.Sprintf("%.0f %%", 100*rate/peak)
}
