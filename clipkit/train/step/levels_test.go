package step

import (
	"context"
	"math"
	"testing"

	"clipnb/clipkit/imaging"
	"clipnb/clipkit/model/modeltest"
	"clipnb/clipkit/model/pixels"
)

// Steps on bytes are those on the values that they normalise to, on an engine whose graphs take them and on one for which the host normalises, whole and
// in micro-batches, with a teacher that sees values.
func TestStepsOnLevels(t *testing.T) {
	for _, engine := range []string{"cpu:xla", "cpu:go"} {
		_, ids := firstBatch(t)
		levels := make([]uint8, 8*3*32*32)
		for i := range levels {
			levels[i] = uint8(i * 7)
		}
		values := imaging.NormaliseLevels(levels, 8)
		r := record(t, "vit", "train")
		run := func(pixels pixels.Pictures) (losses []float64) {
			m := modeltest.Tiny(t, engine, "vit")
			s := stepper(t, m, r, func(c *Config) { c.AccumFreq, c.KDLossWeight = 2, 0.5 })
			defer s.Close()
			s.Teacher = func(_ context.Context, images []float32, n int) ([]float32, error) { return images[:n*3], nil }
			for range 2 {
				res, err := s.StepOn(t.Context(), pixels, ids, allDifferent(8), 1e-4, 0)
				if err != nil {
					t.Fatal(err)
				}
				losses = append(losses, res.Loss)
			}
			return losses
		}
		want, got := run(pixels.Pictures{Values: values}), run(pixels.Pictures{Levels: levels})
		for i := range want {
			if math.Abs(got[i]-want[i]) > 1e-6*want[i] {
				t.Errorf("%s: loss of step %d is %v, want %v", engine, i+1, got[i], want[i])
			}
		}
	}
}
