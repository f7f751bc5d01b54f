// Package randperm shuffles as PyTorch does.
package randperm

import "gonum.org/v1/gonum/mathext/prng"

// Of is torch.randperm(n) with a generator seeded with seed, for n below 2³²/20 (214 million), where PyTorch draws 32 bits
// an element. Only the low 32 bits of seed count, as in PyTorch.
func Of(seed uint64, n int) []int {
	p := make([]int, max(n, 0))
	for i := range p {
		p[i] = i
	}
	g := prng.NewMT19937() // PyTorch's generator on the CPU
	g.Seed(seed)
	for i := 0; i < n-1; i++ {
		j := i + int(g.Uint32()%uint32(n-i))
		p[i], p[j] = p[j], p[i]
	}
	return p
}
