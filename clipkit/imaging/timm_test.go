package imaging

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

// replay gives the random numbers that the reference drew.
type replay struct {
	t     *testing.T
	draws []float64
}

func (r *replay) Float64() float64 {
	if len(r.draws) == 0 {
		r.t.Fatal("asked for more random numbers than the reference")
	}
	v := r.draws[0]
	r.draws = r.draws[1:]
	return v
}

func (r *replay) IntN(n int) int {
	v := int(r.Float64())
	if v >= n {
		r.t.Fatalf("the reference drew %d of a larger range than %d", v, n)
	}
	return v
}

var timmOps = map[string]func(*Picture, float64, draws) *Picture{
	"PosterizeOriginal": posterizeOp, "Rotate": rotateOp, "Solarize": solarizeOp, "AutoContrast": autoContrastOp, "Equalize": equalizeOp,
	"Color": colorOp, "Contrast": contrastOp, "Sharpness": sharpnessOp, "Invert": invertOp, "ShearX": shearXOp,
}

func TestAugmentEqualsTimm(t *testing.T) {
	var timm struct {
		Policy [25][2][3]any
		Ops    []struct {
			Name   string
			Level  float64
			SHA256 []string
		}
		Runs []struct {
			Picture string
			Draws   []float64
			SHA256  string
		}
	}
	if err := json.Unmarshal(readFile(t, "timm.json"), &timm); err != nil {
		t.Fatal(err)
	}
	for i, pair := range timm.Policy {
		for j, want := range pair {
			got := originalPolicy[i][j]
			same := reflect.ValueOf(got.apply).Pointer() == reflect.ValueOf(timmOps[want[0].(string)]).Pointer()
			if !same || got.probability != want[1] || got.level != want[2] {
				t.Errorf("sub-policy %d, op %d: probability %g, level %g; timm has %v", i+1, j+1, got.probability, got.level, want)
			}
		}
	}

	photo := readGolden(t, "augment.safetensors")["photo"].picture(RGB)
	rng := rand.New(rand.NewPCG(1, 2))
	if len(timm.Ops) != 10*11 {
		t.Errorf("%d cases of ops, want 10 ops at 11 levels", len(timm.Ops))
	}
	for _, op := range timm.Ops {
		seen := map[string]bool{}
		for range 20 { // both signs, where the op has one
			seen[hash(timmOps[op.Name](photo, op.Level, rng))] = true
		}
		if len(seen) != len(op.SHA256) || !seen[op.SHA256[0]] || !seen[op.SHA256[len(op.SHA256)-1]] {
			t.Errorf("%s at level %g: other pixels than timm's", op.Name, op.Level)
		}
	}

	if len(timm.Runs) < 100 {
		t.Errorf("only %d runs", len(timm.Runs))
	}
	var equal tally
	for i, run := range timm.Runs {
		numbers := &replay{t, slices.Clone(run.Draws)}
		got := Reference.apply(mustDecode(t, run.Picture), 48, numbers)
		equal.picture(t, fmt.Sprintf("run %d, %s", i, run.Picture), got, run.SHA256)
		if n := len(numbers.draws); n != 0 {
			t.Errorf("run %d, %s: used %d random numbers less than the reference", i, run.Picture, n)
		}
	}
	equal.report(t, "image pixels: augmentation with timm's random numbers")
}
