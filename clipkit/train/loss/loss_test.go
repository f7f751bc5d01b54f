package loss

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"clipnb/clipkit/device"
	"clipnb/clipkit/internal/golden"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// exactLoss is either loss in float64, straight from its definition. right tells which texts belong to which pictures.
func exactLoss(kind string, images, texts [][]float64, scale, bias float64, right func(i, j int) bool) float64 {
	n := len(images)
	logit := func(i, j int) (z float64) {
		for k := range images[i] {
			z += images[i][k] * texts[j][k]
		}
		return scale*z + bias
	}
	if kind == "siglip" {
		sum := 0.0
		for i := range n {
			for j := range n {
				z := -1.0
				if right(i, j) {
					z = 1
				}
				sum += math.Log(1 + math.Exp(-z*logit(i, j)))
			}
		}
		return sum / float64(n)
	}
	rows := func(logit func(i, j int) float64, right func(i, j int) bool) (loss float64) {
		for i := range n {
			total, targets := 0.0, 0.0
			for j := range n {
				total += math.Exp(logit(i, j))
				if right(i, j) {
					targets++
				}
			}
			for j := range n {
				if right(i, j) {
					loss -= (logit(i, j) - math.Log(total)) / targets / float64(n)
				}
			}
		}
		return loss
	}
	swap := func(f func(i, j int) float64) func(i, j int) float64 {
		return func(i, j int) float64 { return f(j, i) }
	}
	return (rows(logit, right) + rows(swap(logit), func(i, j int) bool { return right(j, i) })) / 2
}

// Both losses, with and without several right answers, and their gradients, against float64 and its differences.
func TestLossesEqualTheirDefinition(t *testing.T) {
	const n, d, scale, bias = 5, 3, 4.0, -2.0
	rng := rand.New(rand.NewPCG(3, 4))
	unit := func() [][]float64 {
		out := make([][]float64, n)
		for i := range out {
			norm := 0.0
			for range d {
				x := float64(float32(rng.NormFloat64()))
				out[i] = append(out[i], x)
				norm += x * x
			}
			for k := range out[i] {
				out[i][k] = float64(float32(out[i][k] / math.Sqrt(norm)))
			}
		}
		return out
	}
	images, texts := unit(), unit()
	pictures, captions := []int32{0, 1, 0, 3, 4}, []int32{0, 1, 2, 1, 4} // rows 0 and 2 show the same, rows 1 and 3 say the same
	for _, kind := range []string{"contrastive", "siglip"} {
		for _, multi := range []bool{false, true} {
			t.Run(fmt.Sprint(kind, " multi ", multi), func(t *testing.T) {
				right := func(i, j int) bool {
					return i == j || multi && (pictures[i] == pictures[j] || captions[i] == captions[j])
				}
				dev, err := device.Open("cpu:go")
				if err != nil {
					t.Fatal(err)
				}
				defer dev.Close()
				flat := func(x [][]float64) *tensors.Tensor {
					var out []float32
					for _, row := range x {
						for _, v := range row {
							out = append(out, float32(v))
						}
					}
					return tensors.FromFlatDataAndDimensions(out, n, d)
				}
				out, err := graph.ExecOnceN(dev.Backend, func(in []*graph.Node) []*graph.Node {
					var positives *graph.Node
					if multi {
						positives = PositivesOf(in[4], in[5])
					}
					var loss *graph.Node
					if kind == "siglip" {
						loss, _, _ = SigLIP(in[0], in[1], in[2], in[3], positives)
					} else {
						loss, _, _ = Contrastive(in[0], in[1], in[2], positives)
					}
					return append([]*graph.Node{loss}, graph.Gradient(loss, in[0], in[2], in[3])...)
				}, flat(images), flat(texts), tensors.FromScalar(float32(scale)), tensors.FromScalar(float32(bias)),
					tensors.FromFlatDataAndDimensions(pictures, n), tensors.FromFlatDataAndDimensions(captions, n))
				if err != nil {
					t.Fatal(err)
				}
				exact := func() float64 {
					b := bias
					if kind != "siglip" {
						b = 0
					}
					return exactLoss(kind, images, texts, scale, b, right)
				}
				golden.Close(t, "loss", []float32{tensors.ToScalar[float32](out[0])}, []float32{float32(exact())}, 1e-6)
				got, err := tensors.CopyFlatData[float32](out[1])
				if err != nil {
					t.Fatal(err)
				}
				var want []float32
				const h = 1e-5
				for i := range images {
					for k := range images[i] {
						x := images[i][k]
						images[i][k] = x + h
						up := exact()
						images[i][k] = x - h
						want = append(want, float32((up-exact())/(2*h)))
						images[i][k] = x
					}
				}
				golden.Close(t, "gradient of the pictures", got, want, 1e-5)
				difference := func(at func(scale, bias float64) float64, ds, db float64) float32 {
					return float32((at(scale+ds*h, bias+db*h) - at(scale-ds*h, bias-db*h)) / (2 * h))
				}
				at := func(scale, bias float64) float64 {
					if kind != "siglip" {
						bias = 0
					}
					return exactLoss(kind, images, texts, scale, bias, right)
				}
				golden.Close(t, "gradient of the scale", []float32{tensors.ToScalar[float32](out[2])}, []float32{difference(at, 1, 0)}, 1e-4)
				if kind == "siglip" {
					golden.Close(t, "gradient of the bias", []float32{tensors.ToScalar[float32](out[3])}, []float32{difference(at, 0, 1)}, 1e-4)
				}
			})
		}
	}
}

// Large logits neither overflow nor lose the loss.
func TestSigLIPOfLargeLogits(t *testing.T) {
	dev, err := device.Open("cpu:go")
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	one := tensors.FromFlatDataAndDimensions([]float32{1, 0, 0, 1}, 2, 2)
	out, err := graph.ExecOnceN(dev.Backend, func(x, scale, bias *graph.Node) []*graph.Node {
		loss, accuracy, _ := SigLIP(x, x, scale, bias, nil)
		return append([]*graph.Node{loss, accuracy}, graph.Gradient(loss, scale)...)
	}, one, tensors.FromScalar(float32(300)), tensors.FromScalar(float32(-150)))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float32{0, 1, 0} { // right by 150 everywhere: e^-150 is 0 in float32
		if got := tensors.ToScalar[float32](out[i]); got != want {
			t.Errorf("result %d is %v, want %v", i, got, want)
		}
	}
}

func TestAccuracyCountsEveryRightAnswer(t *testing.T) {
	dev, err := device.Open("cpu:go")
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	images := tensors.FromFlatDataAndDimensions([]float32{0, 1, 1, 0}, 2, 2) // each picture is nearest to the other's text
	texts := tensors.FromFlatDataAndDimensions([]float32{1, 0, 0, 1}, 2, 2)
	same := tensors.FromFlatDataAndDimensions([]int32{0, 0}, 2)
	out, err := graph.ExecOnceN(dev.Backend, func(images, texts, same *graph.Node) []*graph.Node {
		scale := graph.Scalar(images.Graph(), images.DType(), 10)
		_, alone, _ := Contrastive(images, texts, scale, nil)
		_, both, _ := Contrastive(images, texts, scale, PositivesOf(same, same))
		return []*graph.Node{alone, both}
	}, images, texts, same)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := tensors.ToScalar[float32](out[0]), tensors.ToScalar[float32](out[1]); a != 0 || b != 1 {
		t.Errorf("accuracies %v and %v, want 0 and 1", a, b)
	}
}
