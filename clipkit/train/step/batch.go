package step

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"clipnb/clipkit/exchange"
	"clipnb/clipkit/model"
	"clipnb/clipkit/model/pixels"
	"clipnb/clipkit/train/batchnorm"
	"clipnb/clipkit/train/loss"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// batch is on the host: what this process has of a step, or the input of one pass.
type batch struct {
	n      int
	first  int // of the step's micro-batches; this process computes own of them
	own    int
	all    int             // micro-batches of the step, of all processes
	pixels int             // values of a picture's side
	images pixels.Pictures // [n,3,pixels,pixels]
	ids    []int32         // [n,T]
	random []uint64        // [3], state of the dropout generator
	scale  float32         // of the loss; 0 = it is not scaled

	visible []int32   // [n,k], the patches that a masked ViT looks at; nil = all
	teacher []float32 // [N,T'], the teacher's features of all N pictures that are compared, in a pass those of its own first; nil = no teacher
	// for multi_positive, of the same pairs: numbers that are equal for equal ones, [N]; nil = all are different
	pictures, captions []int32

	others features // of the other micro-batches of the step

	moved *batchnorm.Passes // of the step; nil = every pass moves them
}

// features are unit vectors [n,D] of n pairs.
type features struct {
	n             int
	images, texts []float32
}

// batchNodes is a batch in a graph.
type batchNodes struct {
	images, ids, random     *Node
	scale                   *Node // of the loss, a scalar; nil = it is not scaled
	visible, teacher        *Node
	positives               *Node // [N,N], which texts are right for which pictures; nil = the diagonal
	otherImages, otherTexts *Node
}

// batch checks what a step was given, shares what all processes have to know of it, and draws what is random in it.
func (s *Stepper) batch(ctx context.Context, images pixels.Pictures, ids []int32, pictures []int64, seed uint64) (batch, error) {
	w := s.world()
	first, own, err := s.config.Share(w)
	if err != nil {
		return batch{}, err
	}
	n, r := len(pictures), s.model.Config.ImageResolution
	if n < 1 || n%own != 0 || images.Len() != n*3*r*r || len(ids)%n != 0 || len(ids) == 0 {
		return batch{}, fmt.Errorf("%d image values and %d ids do not make %d pairs at %d×%d in %d micro-batches", images.Len(), len(ids), n, r, r, own)
	}
	b := batch{n: n, first: first, own: own, all: s.config.MicroBatches(), pixels: r, images: images.On(s.model.Device, n), ids: ids, random: []uint64{seed, uint64(s.steps), 0x9E3779B97F4A7C15}, scale: float32(s.scale.Factor)}
	switch {
	case s.visionFrozen() || b.all == 1: // there is nothing to undo
	case s.model.Device.Many == nil && (s.config.ranks() > 1 || w.Size() > 1):
		b.moved, err = batchnorm.Begin(s.model, w, s.config.accum(), own)
	default: // the passes have the reference's order already
		b.moved, err = batchnorm.UndoOnly(s.model)
	}
	if err != nil {
		return batch{}, err
	}
	longest := longestOf(ids, n)
	sizes, err := exchange.Gather(w, []int64{int64(n), int64(len(ids) / n), int64(longest)})
	if err != nil {
		return batch{}, err
	}
	for rank, size := range slices.Collect(slices.Chunk(sizes, 3)) {
		if !slices.Equal(size[:2], sizes[:2]) {
			return batch{}, fmt.Errorf("process %d has %d pairs of %d tokens, process 0 %d of %d", rank, size[0], size[1], sizes[0], sizes[1])
		}
		longest = max(longest, int(size[2]))
	}
	if s.config.TrimText {
		b.ids = trim(ids, n, longest)
	}
	if s.config.MultiPositive {
		if err := b.numberPairs(w, pictures, ids); err != nil {
			return batch{}, err
		}
	}
	if s.masked() { // noise is drawn for the whole step, so that it is the same for any number of processes
		noise := share(s.noise(seed, n*w.Size()), w.Rank(), w.Size())
		b.visible = model.ChoosePatches(noise, s.patches(), s.config.MaskRatio)
	}
	if s.config.KDLossWeight > 0 {
		if s.Teacher == nil {
			return batch{}, fmt.Errorf("%w: kd_loss_weight is %v, and there is no teacher", ErrConfig, s.config.KDLossWeight)
		}
		if b.teacher, err = s.taught(ctx, images, n, own); err != nil {
			return batch{}, err
		}
	}
	return b, nil
}

// taught are the teacher's features of the whole step's pictures; those of this process are n, in own micro-batches.
func (s *Stepper) taught(ctx context.Context, images pixels.Pictures, n, own int) (all []float32, err error) {
	for j := range own {
		features, err := s.Teacher(ctx, images.Part(j, own).Float32(n/own), n/own)
		switch {
		case err != nil:
			err = fmt.Errorf("asking the teacher: %w", err)
		case len(features) == 0 || len(features)%(n/own) != 0:
			err = fmt.Errorf("the teacher gave %d values for %d pictures", len(features), n/own)
		}
		if err := s.next(ctx, Pass{"teacher", j + 1, own}, err); err != nil {
			return nil, err
		}
		all = append(all, features...)
	}
	return exchange.Gather(s.world(), all)
}

// numberPairs finds equal pictures and equal captions in the whole step.
func (b *batch) numberPairs(w exchange.World, pictures []int64, ids []int32) error {
	pictures, err := exchange.Gather(w, pictures)
	if err != nil {
		return err
	}
	ids, err = exchange.Gather(w, ids)
	if err != nil {
		return err
	}
	rows := make([]string, 0, len(pictures))
	for row := range slices.Chunk(ids, len(ids)/len(pictures)) {
		rows = append(rows, fmt.Sprint(row))
	}
	b.pictures, b.captions = loss.Numbers(pictures), loss.Numbers(rows)
	return nil
}

// allDifferent are ids of n pictures that are not the same.
func allDifferent(n int) []int64 {
	ids := make([]int64, max(n, 0))
	for i := range ids {
		ids[i] = int64(i)
	}
	return ids
}

// longestOf is how many columns of ids [n,T] are not padding in every row.
func longestOf(ids []int32, n int) (longest int) {
	for row := range slices.Chunk(ids, len(ids)/n) {
		longest = max(longest, model.TextLength(row))
	}
	return longest
}

// trim leaves out the columns of ids [n,T] that are padding in every row of the step, whose longest text has so many: each length is a graph to
// compile. Padded tokens get no attention and no gradient (cn_clip/clip/modeling_bert.py:458 and 67), so the loss is the same.
func trim(ids []int32, n, longest int) []int32 {
	out := make([]int32, 0, n*longest)
	for row := range slices.Chunk(ids, len(ids)/n) {
		out = append(out, row[:longest]...)
	}
	return out
}

func (s *Stepper) patches() int { return s.model.Config.Grid() * s.model.Config.Grid() }

// masked tells whether FLIP is on; a ResNet has no patches to leave out.
func (s *Stepper) masked() bool { return s.config.MaskRatio > 0 && !s.model.Config.IsResNet() }

// patchNoise is [n,patches] uniform values, keyed by the seed and the step.
func (s *Stepper) patchNoise(seed uint64, n int) []float32 {
	rng := rand.New(rand.NewPCG(seed, uint64(s.steps)))
	noise := make([]float32, n*s.patches())
	for i := range noise {
		noise[i] = rng.Float32()
	}
	return noise
}

// part is the j-th of this process's micro-batches, with what is known of those beside it. Its dropout differs from the others' and is the same in
// every pass over it.
func (b batch) part(j int, beside []int) batch {
	k, m := b.own, b.first+j
	p := batch{n: b.n / k, pixels: b.pixels, scale: b.scale, images: b.images.Part(j, k), ids: share(b.ids, j, k), visible: share(b.visible, j, k)}
	p.random = []uint64{b.random[0], b.random[1], b.random[2] + uint64(m)}
	which := append([]int{m}, beside...)
	if b.teacher != nil {
		p.teacher = joined(b.teacher, b.all, which...)
	}
	if b.pictures != nil {
		p.pictures, p.captions = joined(b.pictures, b.all, which...), joined(b.captions, b.all, which...)
	}
	return p
}

// share is the j-th of k equal parts.
func share[T any](x []T, j, k int) []T { return x[j*len(x)/k : (j+1)*len(x)/k] }

// tensors of a batch, in the order in which batchOf reads them.
func (b batch) tensors() []*tensors.Tensor {
	in := []*tensors.Tensor{
		b.images.Tensor(b.n, b.pixels),
		tensors.FromFlatDataAndDimensions(b.ids, b.n, len(b.ids)/b.n),
		tensors.FromFlatDataAndDimensions(b.random, 3),
	}
	if b.scale != 0 {
		in = append(in, tensors.FromScalar(b.scale))
	}
	if len(b.visible) > 0 {
		in = append(in, tensors.FromFlatDataAndDimensions(b.visible, b.n, len(b.visible)/b.n))
	}
	if rows := b.n + b.others.n; b.teacher != nil {
		in = append(in, tensors.FromFlatDataAndDimensions(b.teacher, rows, len(b.teacher)/rows))
	}
	for _, x := range [][]int32{b.pictures, b.captions} {
		if x != nil {
			in = append(in, tensors.FromFlatDataAndDimensions(x, len(x)))
		}
	}
	if o := b.others; o.n > 0 {
		for _, x := range [][]float32{o.images, o.texts} {
			in = append(in, tensors.FromFlatDataAndDimensions(x, o.n, len(x)/o.n))
		}
	}
	return in
}

// batchOf reads a batch's nodes.
func (s *Stepper) batchOf(in []*Node) batchNodes {
	b := batchNodes{images: in[0], ids: in[1], random: in[2]}
	in = in[3:]
	next := func() (x *Node) {
		x, in = in[0], in[1:]
		return x
	}
	if s.scaled() {
		b.scale = next()
	}
	if s.masked() {
		b.visible = next()
	}
	if s.config.KDLossWeight > 0 {
		b.teacher = next()
	}
	if s.config.MultiPositive {
		b.positives = loss.PositivesOf(next(), next())
	}
	if len(in) > 0 {
		b.otherImages, b.otherTexts = next(), next()
	}
	return b
}
