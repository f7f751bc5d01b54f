package dataset

import "clipnb/clipkit/dataset/randperm"

// Order returns the pairs that process rank of world reads in an epoch, as indexes into [Pairs]; batch k is elements k*batch to (k+1)*batch.
// It is the reference's order (cn_clip/training/data.py:118 and :166): the epoch is padded to a multiple of batch*world, its positions are
// shuffled by seed+epoch, position i reads pair i mod pairs, and rank takes positions rank, rank+world, ….
//
// batch is per process; one process of batch 8 and two of batch 4 see the same pairs in step k. Validation always uses epoch 0.
// Arguments that describe no epoch (pairs, batch or world below 1, rank outside the world) give nil.
func Order(seed uint64, epoch, pairs, batch, world, rank int) []int {
	return order(pairs, batch, world, rank, func(n int) []int { return randperm.Of(seed+uint64(epoch), n) })
}

// FileOrder is [Order] without the shuffle.
func FileOrder(pairs, batch, world, rank int) []int {
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
