package dataset

// Order returns the pairs that process rank of world reads in an epoch, as indexes into [Pairs]; batch k is elements
// k*batch to (k+1)*batch. It is the reference's order (SPEC §4.5): the epoch is padded to a multiple of batch*world, its positions
// are shuffled by seed+epoch, position i reads pair i mod pairs, and rank takes positions rank, rank+world, ….
//
// batch is per process; one process of batch 8 and two of batch 4 see the same pairs in step k. Validation always uses epoch 0.
// Arguments that describe no epoch (pairs, batch or world below 1, rank outside the world) give nil.
func Order(seed uint64, epoch, pairs, batch, world, rank int) []int {
	return order(pairs, batch, world, rank, func(n int) []int { return Permutation(seed+uint64(epoch), n) })
}

// fileOrder is Order without the shuffle.
func fileOrder(pairs, batch, world, rank int) []int {
	return order(pairs, batch, world, rank, func(n int) []int {
		positions := make([]int, n)
		for i := range positions {
			positions[i] = i
		}
		return positions
	})
}

func order(pairs, batch, world, rank int, permute func(n int) []int) []int {
	if pairs < 1 || batch < 1 || world < 1 || rank < 0 || rank >= world {
		return nil
	}
	global := batch * world
	positions := permute((pairs + global - 1) / global * global)
	mine := make([]int, len(positions)/world)
	for i := range mine {
		mine[i] = positions[i*world+rank] % pairs
	}
	return mine
}

// Permutation is torch.randperm(n) with a generator seeded with seed, for n below 2³²/20 (214 million), where PyTorch draws 32 bits
// an element. Only the low 32 bits of seed count, as in PyTorch.
func Permutation(seed uint64, n int) []int {
	p := make([]int, max(n, 0))
	for i := range p {
		p[i] = i
	}
	g := newMersenne(uint32(seed))
	for i := 0; i < n-1; i++ {
		j := i + int(g.next()%uint32(n-i))
		p[i], p[j] = p[j], p[i]
	}
	return p
}

// mersenne is MT19937 of Matsumoto and Nishimura (1998), PyTorch's CPU generator.
type mersenne struct {
	state [624]uint32
	used  int
}

func newMersenne(seed uint32) *mersenne {
	g := &mersenne{used: 624}
	g.state[0] = seed
	for i := uint32(1); i < 624; i++ {
		last := g.state[i-1]
		g.state[i] = 1812433253*(last^last>>30) + i
	}
	return g
}

func (g *mersenne) next() uint32 {
	if g.used == 624 {
		for i := range g.state {
			y := g.state[i]&0x80000000 | g.state[(i+1)%624]&0x7fffffff
			g.state[i] = g.state[(i+397)%624] ^ y>>1 ^ (y&1)*0x9908b0df
		}
		g.used = 0
	}
	y := g.state[g.used]
	g.used++
	y ^= y >> 11
	y ^= y << 7 & 0x9d2c5680
	y ^= y << 15 & 0xefc60000
	return y ^ y>>18
}
