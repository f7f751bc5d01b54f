package step

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"clipnb/clipkit/arch"
	"clipnb/clipkit/device"
	"clipnb/clipkit/train/compiled"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	gomodel "github.com/gomlx/gomlx/ml/model"
)

// Several devices of one process (device.Many). Parameters lie on all of them, each takes its rows of a batch, and XLA exchanges what that needs:
// features for the loss, gradients for the update. Micro-batches of several ranks make one batch, a turn, with one loss over all of it; with
// accum_freq the turns are compared with each other as micro-batches are on one device (accumulate.go), and their gradients gather in sums.
//
// What is computed depends on world_size alone, as everywhere (ranks.go), so a ResNet's BatchNorm has the statistics of each rank's pairs, or with
// use_bn_sync those of all ranks'. Only the draws of dropout differ, which are a turn's: a run that goes on with another number of devices draws
// others where world_size is not 1.
//
// A step of one turn is one graph: loss, gradients and AdamW. Where the loss is not a number, or a gradient in float16, parameters and moments stay
// as they are. With shard_moments each device keeps, and updates, a part of the moments (ZeRO-1, Rajbhandari et al. 2020), and of the sums.

// gradientSum is the name, before a parameter's own, of where the turns' gradients gather.
const gradientSum = "gradient.sum/"

// turns are the micro-batches that are computed together: in each the same of every rank, or of as many ranks as there are devices.
func (s *Stepper) turns() (list [][]int) {
	c := s.config
	k, ranks, together := c.accum(), c.ranks(), c.TurnRanks(s.model.Device, s.model.Config)
	for j := range k {
		for first := 0; first < ranks; first += together {
			var turn []int
			for r := first; r < first+together; r++ {
				turn = append(turn, r*k+j)
			}
			list = append(list, turn)
		}
	}
	return list
}

// TurnRanks is of how many ranks a turn has a micro-batch. BatchNorm wants all: they may share statistics, and rank 0's move the running ones.
func (c Config) TurnRanks(dev *device.Device, cfg arch.Config) int {
	if dev.Many == nil {
		return 1
	}
	if n := dev.Count(); c.ranks()%n == 0 && !cfg.IsResNet() {
		return n
	}
	return c.ranks()
}

// CheckOn refuses what cannot be computed on a device, for micro-batches of batchSize pairs.
func (c Config) CheckOn(dev *device.Device, cfg arch.Config, batchSize int) error {
	n, ranks := dev.Count(), c.TurnRanks(dev, cfg)
	switch {
	case n == 1 && c.UseBNSync && cfg.IsResNet() && c.ranks() > 1:
		return bad("use_bn_sync", true, "false on one device: its ranks would have to exchange the statistics of every layer in the middle of a pass, which only one process that drives all devices can (cuda:0-7)")
	case n == 1:
		return nil
	case c.parts() > 1:
		return bad("micro_batch", c.parts(), fmt.Sprintf("0 on %s, whose devices share each batch", dev))
	case c.SkipAggregate && c.ranks() > 1:
		return bad("skip_aggregate", true, fmt.Sprintf("false on %s: its devices make one batch of all ranks, whose pairs are all compared; a process for each device (mpirun) keeps ranks apart", dev))
	case ranks*batchSize%n != 0:
		return fmt.Errorf("%w: batch_size %d of %d ranks makes %d pairs, which do not divide over the %d devices of %s", ErrConfig, batchSize, ranks, ranks*batchSize, n, dev)
	}
	return nil
}

// splits tells whether a parameter's moments are split over the devices.
func (s *Stepper) splits(t arch.Tensor) bool {
	return s.config.ShardMoments && len(t.Shape) > 0 && t.Shape[0]%s.model.Device.Count() == 0
}

// manyGraphs are those of several devices.
type manyGraphs struct {
	step, turn, update compiled.ModelFunction
	sums               bool // there are variables for the gradients
}

func (m *manyGraphs) close(s *Stepper) {
	for _, f := range []*compiled.ModelFunction{&m.step, &m.turn, &m.update} {
		f.Close()
	}
	for _, t := range s.params {
		_ = s.store.DeleteVariable("/" + gradientSum + t.Name)
	}
}

// turnGradients: a turn with the others' features → the numbers of backwardGraph, and the gradients, each micro-batch's share of those that every pass
// sees in full counted.
func (s *Stepper) turnGradients(scope *gomodel.Scope, in []*Node) (numbers *Node, grads []*Node) {
	out := s.backwardGraph(scope, in)
	numbers, grads = out[0], out[1:]
	times := float64(s.config.TurnRanks(s.model.Device, s.model.Config))
	if s.config.GatherWithGrad {
		times /= float64(s.config.ranks())
	}
	for i, t := range s.params {
		if t.Name == "logit_scale" || t.Name == siglipBias.Name {
			grads[i] = MulScalar(grads[i], times)
		}
	}
	return numbers, grads
}

// wholeStep: the scalars of AdamW of each parameter [P,3], then a turn → the numbers of backwardGraph.
func (s *Stepper) wholeStep(scope *gomodel.Scope, in []*Node) []*Node {
	numbers, grads := s.turnGradients(scope, in[1:])
	s.updateVariables(scope, in[0], numbers, grads)
	return []*Node{numbers}
}

// addTurn: a turn → the numbers of backwardGraph; the gradients are added to the sums.
func (s *Stepper) addTurn(scope *gomodel.Scope, in []*Node) []*Node {
	numbers, grads := s.turnGradients(scope, in)
	for i, t := range s.params {
		sum := scope.Store().GetVariable("/" + gradientSum + t.Name)
		sum.SetNodeValue(Add(sum.NodeValue(numbers), grads[i]))
	}
	return []*Node{numbers}
}

// updateFromSums: the scalars of AdamW and the numbers of all turns together; the sums are empty afterwards.
func (s *Stepper) updateFromSums(scope *gomodel.Scope, in []*Node) []*Node {
	grads := make([]*Node, len(s.params))
	for i, t := range s.params {
		sum := scope.Store().GetVariable("/" + gradientSum + t.Name)
		grads[i] = sum.NodeValue(in[0])
		sum.SetNodeValue(ZerosLike(grads[i]))
	}
	s.updateVariables(scope, in[0], in[1], grads)
	return []*Node{in[1]}
}

// updateVariables is AdamW where the numbers are finite, and adds LoRA's additions to the model.
func (s *Stepper) updateVariables(scope *gomodel.Scope, scalars, numbers *Node, grads []*Node) {
	finite := IsFinite(ReduceAllSum(numbers))
	replace := func(name string, value *Node) {
		v := scope.Store().GetVariable("/" + name)
		v.SetNodeValue(Where(finite, value, v.NodeValue(value)))
	}
	in, names := []*Node{scalars}, []string(nil)
	for i, t := range s.params {
		for _, name := range []string{t.Name, MomentPrefixes[0] + t.Name, MomentPrefixes[1] + t.Name} {
			in, names = append(in, s.value(scope, numbers.Graph(), name)), append(names, name)
		}
		in = append(in, grads[i])
	}
	for i, value := range s.updateGraph(in) {
		replace(names[i], value)
	}
	for _, ad := range s.adapters {
		var parts []*Node
		for _, name := range []string{loraBase + ad.Matrix.Name, ad.A.Name, ad.B.Name} {
			parts = append(parts, s.value(scope, numbers.Graph(), name))
		}
		replace(ad.Matrix.Name, s.sumGraph(parts)[0])
	}
}

// stepOnMany computes a step and, where its numbers are finite, updates. It gives what backpropagate does.
func (s *Stepper) stepOnMany(ctx context.Context, b batch, lr float64) (out []float32, err error) {
	if err := s.checkOn(b); err != nil {
		return nil, err
	}
	var all []float32
	for i := range s.params {
		scalars := s.scalarsOf(i, lr)
		all = append(all, scalars[:]...)
	}
	scalars := tensors.FromFlatDataAndDimensions(all, len(s.params), 3)
	if turns := s.turns(); len(turns) == 1 {
		out, err = s.runTurn(ctx, &s.many.step, s.wholeStep, b.turn(turns[0], nil), scalars)
		return out, s.next(ctx, Pass{"gradients", 1, 1}, err)
	}
	if out, err = s.sumTurns(ctx, b); err != nil {
		return nil, err
	}
	s.many.update.Build, s.many.update.Split = s.updateFromSums, []bool{false, false}
	done, err := s.many.update.Run(context.WithoutCancel(ctx), s.model.Device, s.store, scalars, tensors.FromFlatDataAndDimensions(slices.Clone(out), len(out)))
	if err != nil {
		return nil, err
	}
	_, err = compiled.TakeValues(done[0])
	return out, err
}

// gradientsOnMany is backpropagate.
func (s *Stepper) gradientsOnMany(ctx context.Context, b batch) (out []float32, grads []*tensors.Tensor, err error) {
	if err := s.checkOn(b); err != nil {
		return nil, nil, err
	}
	if out, err = s.sumTurns(ctx, b); err != nil {
		return nil, nil, err
	}
	for _, t := range s.params {
		_, values, err := s.model.Get(gradientSum + t.Name)
		if err != nil {
			return nil, nil, err
		}
		grads = append(grads, tensors.FromFlatDataAndDimensions(values, t.Shape...))
	}
	return out, grads, s.emptySums()
}

func (s *Stepper) emptySums() error {
	for _, t := range s.params {
		if err := s.model.Set(gradientSum+t.Name, t.Shape, make([]float32, t.Size())); err != nil {
			return err
		}
	}
	return nil
}

func (s *Stepper) checkOn(b batch) error {
	if s.world().Size() > 1 {
		return fmt.Errorf("%w: %d processes share the run, and this one has the devices of %s: give each process one", ErrConfig, s.world().Size(), s.model.Device)
	}
	return s.config.CheckOn(s.model.Device, s.model.Config, b.n/b.all)
}

// sumTurns adds the gradients of all turns to the sums, and gives the numbers of the last turn with the norm of all; what was no number in any turn
// is none.
func (s *Stepper) sumTurns(ctx context.Context, b batch) (out []float32, err error) {
	for _, t := range s.params {
		if !s.many.sums {
			if err := s.newVariable(gradientSum, t, make([]float32, t.Size()), s.splits(t)); err != nil {
				return nil, err
			}
		}
	}
	s.many.sums = true
	defer func() {
		if err != nil {
			err = errors.Join(err, s.emptySums(), b.moved.Undo())
		}
	}()
	turns := s.turns()
	plain, masked, err := s.cachedOnMany(ctx, b, turns)
	if err != nil {
		return nil, err
	}
	for i, turn := range turns {
		var beside []int
		for m := range b.all {
			if !slices.Contains(turn, m) {
				beside = append(beside, m)
			}
		}
		part := b.turn(turn, beside)
		part.others = s.others(turn[0], beside, plain, masked)
		numbers, err := s.runTurn(ctx, &s.many.turn, s.addTurn, part)
		if err := s.next(ctx, Pass{"gradients", i + 1, len(turns)}, err); err != nil {
			return nil, fmt.Errorf("gradients of turn %d of %d: %w", i+1, len(turns), err)
		}
		for k, before := range out {
			if k == 3 || !finite(float64(before)) {
				numbers[k] += before
			}
		}
		out = numbers
	}
	return out, nil
}

// cachedOnMany is cachedFeatures by turns.
func (s *Stepper) cachedOnMany(ctx context.Context, b batch, turns [][]int) (plain, masked features, err error) {
	together := len(turns[0])
	if s.config.accum() > 1 || len(turns) > 1 && !s.masked() {
		plain, err = s.featuresInTurns(ctx, b, turns, false)
	}
	if err == nil && s.masked() && together < s.config.ranks() {
		masked, err = s.featuresInTurns(ctx, b, turns, true)
	}
	return plain, masked, err
}

// featuresInTurns are those of all micro-batches, in their order, with masks or without.
func (s *Stepper) featuresInTurns(ctx context.Context, b batch, turns [][]int, masks bool) (all features, err error) {
	d := s.model.Config.EmbedDim
	all = features{n: b.n, images: make([]float32, b.n*d), texts: make([]float32, b.n*d)}
	for i, turn := range turns {
		part := b.turn(turn, nil)
		part.teacher, part.pictures, part.captions, part.scale = nil, nil, nil, 0
		if !masks {
			part.visible = nil
		}
		s.features.Split = []bool{true, true, false, true} // with masks or without
		f, err := s.features.Run(ctx, s.model.Device, s.store, part.tensors()...)
		if err := s.next(ctx, Pass{"features", i + 1, len(turns)}, err); err != nil {
			return all, fmt.Errorf("features of turn %d of %d: %w", i+1, len(turns), err)
		}
		for j, into := range [][]float32{all.images, all.texts} {
			values, err := compiled.TakeValues(f[j])
			if err != nil {
				return all, err
			}
			for at, m := range turn {
				copy(share(into, m, b.all), share(values, at, len(turn)))
			}
		}
	}
	return all, nil
}

// runTurn runs a graph whose inputs are those before the turn, which every device has, and the turn, and gives its numbers.
func (s *Stepper) runTurn(ctx context.Context, f *compiled.ModelFunction, build func(*gomodel.Scope, []*Node) []*Node, turn batch, before ...*tensors.Tensor) ([]float32, error) {
	in := turn.tensors()
	f.Build, f.Split = build, append(make([]bool, len(before)), turn.split(in)...)
	out, err := f.Run(ctx, s.model.Device, s.store, append(before, in...)...)
	if err != nil {
		return nil, err
	}
	return compiled.TakeValues(out[0])
}

// turn is those micro-batches as one, with what is known of those beside them.
func (b batch) turn(which, beside []int) batch {
	p := batch{n: b.n / b.all * len(which), pixels: b.pixels, scale: b.scale, images: b.images, ids: b.ids, visible: b.visible}
	if len(which) < b.all {
		p.images, p.ids, p.visible = b.images.Parts(b.all, which...), joined(b.ids, b.all, which...), joined(b.visible, b.all, which...)
	}
	p.random = []uint64{b.random[0], b.random[1], b.random[2] + uint64(which[0])}
	compared := slices.Concat(which, beside)
	if b.teacher != nil {
		p.teacher = joined(b.teacher, b.all, compared...)
	}
	if b.pictures != nil {
		p.pictures, p.captions = joined(b.pictures, b.all, compared...), joined(b.captions, b.all, compared...)
	}
	return p
}

// split tells which tensors of a turn have its rows. Wherever a tensor lies, the results are the same.
func (b batch) split(in []*tensors.Tensor) (list []bool) {
	for _, x := range in {
		list = append(list, x.Rank() > 1 && x.Shape().Dim(0) == b.n)
	}
	return list
}
