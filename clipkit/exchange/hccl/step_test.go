package hccl

import (
	"slices"
	"testing"

	"clipnb/clipkit/device/devicetest"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/exchange/exchangetest"
	"clipnb/clipkit/model"
	"clipnb/clipkit/model/modeltest"
	"clipnb/clipkit/train/step"
)

// Two ranks, each on its simulated NPU, train the tiny ViT: whether their gradients are added up on the cards or in the host's memory, the parameters
// are the same to the bit on both, and on the cards no gradient passes through the host's memory.
func TestSimulatedTrainingOnTwoCards(t *testing.T) {
	sim := simulated(t)
	if !devicetest.InOwnProcess(t, sim.Env()...) {
		return
	}
	devices := cards(t, 2)
	var models [2]*model.Model
	for r := range models {
		models[r] = devicetest.Tiny(t, devices[r])
		defer models[r].Close()
	}
	start := modeltest.AllValues(t, models[0])
	var gradients int64
	for _, p := range models[0].Config.Tensors() {
		gradients += 4 * int64(p.Size())
	}
	const steps = 3
	train := func(rank int, w exchange.World) (losses []float64, fromCard int64, err error) {
		s, err := step.New(models[rank], step.Config{Beta1: 0.9, Beta2: 0.98, Epsilon: 1e-6, WeightDecay: 0.001, WorldSize: 2})
		if err != nil {
			return nil, 0, err
		}
		defer s.Close()
		s.World = w
		for i := range steps {
			pixels, ids := devicetest.Sample(models[rank].Config, 2*i+rank)
			before := sim.Counters(t, rank)
			got, err := s.Step(pixels, ids, devicetest.Pairs, 1e-4, 0)
			if err != nil {
				return nil, 0, err
			}
			losses, fromCard = append(losses, got.Loss), sim.Counters(t, rank).Minus(before).FromDevice
		}
		return losses, fromCard, nil
	}
	type result struct {
		losses     [2][]float64
		fromCard   [2]int64
		parameters [2][]float32
	}
	after := func(r *result) *result {
		for rank, m := range models {
			r.parameters[rank] = modeltest.AllValues(t, m)
		}
		return r
	}
	var host, card result
	check(t, "in the host's memory", exchangetest.Everywhere(2, func(w exchange.World) (err error) {
		r := w.Rank()
		host.losses[r], host.fromCard[r], err = train(r, w)
		return err
	}), [2]string{})
	after(&host)
	for r, m := range models {
		if slices.Equal(host.parameters[r], start) {
			t.Error("nothing was trained")
		}
		modeltest.Load(t, m, "vit/init.pt")
	}
	check(t, "on the cards", joined(2, func(w *World) (err error) {
		r := w.Rank()
		card.losses[r], card.fromCard[r], err = train(r, w)
		return err
	}), [2]string{})
	after(&card)
	for r := range models {
		if !slices.Equal(card.losses[r], host.losses[r]) || !slices.Equal(card.losses[r], card.losses[0]) {
			t.Errorf("rank %d: losses %v on the cards, %v in the host's memory", r, card.losses[r], host.losses[r])
		}
		if !slices.Equal(card.parameters[r], host.parameters[r]) || !slices.Equal(card.parameters[r], card.parameters[0]) {
			t.Errorf("rank %d: parameters differ: %.3g between the two ways, %.3g between ranks", r,
				devicetest.Distance(card.parameters[r], host.parameters[r]), devicetest.Distance(card.parameters[r], card.parameters[0]))
		}
		t.Logf("rank %d: %d bytes left the card in a step, %d with gradients, which are %d", r, card.fromCard[r], host.fromCard[r], gradients)
		if host.fromCard[r]-card.fromCard[r] < gradients*9/10 {
			t.Errorf("rank %d: %d bytes left the card in a step, %d where the gradients do; they are %d", r, card.fromCard[r], host.fromCard[r], gradients)
		}
	}
}
