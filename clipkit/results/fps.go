package results

import (
	"math"

	"clipnb/clipkit/experiment"
)

// FPS is pairs per second as the ModelZoo's scripts compute it from a log: pairs of a step (batch × devices) over the mean of the last
// 100 batch times. The mean is rounded to milliseconds and the quotient is cut, not rounded, to hundredths. It is 0 where there are no times.
func FPS(pairs int, batchTimes []float64) float64 {
	last := batchTimes[max(0, len(batchTimes)-100):]
	if len(last) == 0 {
		return 0
	}
	ms := int(math.Round(1000 * sum(last) / float64(len(last))))
	if ms == 0 {
		return 0
	}
	return float64(pairs*1000*100/ms) / 100
}

// TrainingTime is the ModelZoo's: the sum of all batch times, in seconds to three decimals.
func TrainingTime(batchTimes []float64) float64 { return math.Round(1000*sum(batchTimes)) / 1000 }

func sum(values []float64) (total float64) {
	for _, v := range values {
		total += v
	}
	return total
}

// batchTimes are those of the log, which has them in milliseconds.
func batchTimes(rows []experiment.Row) (times []float64) {
	for _, r := range rows {
		if r.Kind == "train" {
			times = append(times, math.Round(1000*r.BatchTime)/1000)
		}
	}
	return times
}
