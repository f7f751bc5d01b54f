package train

import "fmt"

// notices are what users of the reference found out the hard way, said where it applies, before a run begins. trained is whether the model's
// logit scale is that of published weights.
func (c Config) notices(pairs int, trained bool) (lines []string) {
	if !trained {
		return nil
	}
	if c.perStep() < 256 && c.LR > 1e-5 && c.LoRARank == 0 {
		lines = append(lines, fmt.Sprintf("lr %.3g with %d pairs a step is high for weights that are trained already: it may end below where it began. "+
			"The reference's authors advise 5e-5 with 1024, and 2e-6 to 3e-6 with 48 to 96; or raise accum_freq", c.LR, c.perStep()))
	}
	if pairs < 18000 && c.BestMetric == "" {
		lines = append(lines, fmt.Sprintf("%d pairs are few (18000 is the least that the reference's users report): watch for overfitting with best_metric and patience; "+
			"lora_rank or freeze_vision train less", pairs))
	}
	return lines
}
