package jpeg

import "slices"

// Smoothing of unfinished progressive files as libjpeg-turbo does it (jdcoefct.c, decompress_smooth_data): coefficients that no scan has brought are
// guessed from the mean levels of the 5 × 5 blocks around.

// estimate is one guessed coefficient: its places in a block and in zigzag order, the weights of the mean levels, row by row, when no other coefficient
// is known (coarse), and when some are (fine; none for the last four, which are then left alone).
type estimate struct {
	place, zigzag int
	coarse, fine  *[25]int
}

var estimates = []estimate{
	{1, 1, &[25]int{-1, -1, 0, 1, 1, -3, 13, 0, -13, 3, -3, 38, 0, -38, 3, -3, 13, 0, -13, 3, -1, -1, 0, 1, 1},
		&[25]int{10: -7, 11: 50, 13: -50, 14: 7}},
	{8, 2, &[25]int{-1, -3, -3, -3, -1, -1, 13, 38, 13, -1, 0, 0, 0, 0, 0, 1, -13, -38, -13, 1, 1, 3, 3, 3, 1},
		&[25]int{2: -7, 7: 50, 17: -50, 22: 7}},
	{16, 3, &[25]int{2: 1, 6: 2, 7: 7, 8: 2, 11: -5, 12: -14, 13: -5, 16: 2, 17: 7, 18: 2, 22: 1},
		&[25]int{2: -1, 7: 13, 12: -24, 17: 13, 22: -1}},
	{9, 4, &[25]int{0: -1, 4: 1, 6: 9, 8: -9, 16: -9, 18: 9, 20: 1, 24: -1},
		&[25]int{9: 1, 15: 1, 16: -10, 18: 10, 1: -1, 19: -1, 21: 1, 23: -1, 3: 1, 5: -1, 6: 10, 8: -10}},
	{2, 5, &[25]int{6: 2, 7: -5, 8: 2, 10: 1, 11: 7, 12: -14, 13: 7, 14: 1, 16: 2, 17: -5, 18: 2},
		&[25]int{10: -1, 11: 13, 12: -24, 13: 13, 14: -1}},
	{3, 6, &[25]int{6: 1, 8: -1, 11: 2, 13: -2, 16: 1, 18: -1}, nil},
	{10, 7, &[25]int{6: 1, 7: -3, 8: 1, 16: -1, 17: 3, 18: -1}, nil},
	{17, 8, &[25]int{6: 1, 8: -1, 11: -3, 13: 3, 16: 1, 18: -1}, nil},
	{24, 9, &[25]int{6: 1, 7: 2, 8: 1, 16: -1, 17: -2, 18: -1}, nil},
}

// mean is the smoothed mean level, when nothing else is known.
var mean = [25]int{-2, -6, -8, -6, -2, -6, 6, 42, 6, -6, -8, 42, 152, 42, -8, -6, 6, 42, 6, -6, -2, -6, -8, -6, -2}

// known notes what a scan that begins tells about the coefficients (jdphuff.c, start_pass_phuff_decoder).
func (d *file) known(s *scanState, channels []*component) {
	for _, c := range channels {
		for i := min(s.first, 1); i < len(c.bits); i++ {
			if c.before[i] = 0; d.scans > 1 {
				c.before[i] = c.bits[i]
			}
		}
		for i := s.first; i <= min(s.last, len(c.bits)-1); i++ {
			c.bits[i] = int8(s.low)
		}
	}
}

// unfinished says whether the file's scans leave something to smooth, and everything is there that this takes.
func (d *file) unfinished() bool {
	useful := false
	for i := range d.components {
		c := &d.components[i]
		if !d.progressive || c.quant == nil || c.bits[0] < 0 || c.quant[0] == 0 {
			return false
		}
		for _, e := range estimates {
			if c.quant[e.place] == 0 {
				return false
			}
			useful = useful || c.bits[e.zigzag] != 0
		}
	}
	return useful
}

// smooth gives a row of blocks with the guessed coefficients.
func (d *file) smooth(c *component, row int) []int16 {
	size := 64 * c.blocksX
	out := slices.Clone(c.coefficients[row*size:][:size])
	unit, rows := row/c.unit, c.unit // rows of blocks in this row of units
	if last := d.units - 1; unit == last {
		if n := ceilDiv(c.height, 8) % c.unit; n > 0 {
			rows = n
		}
		if row >= last*c.unit+rows {
			return out // it only fills up the unit
		}
	}
	bits := c.bits
	if unit > d.lastGood {
		if bits = c.before; d.scans == 1 {
			for i := range bits {
				bits[i] = -1
			}
		}
	}
	coarse := true
	for _, b := range bits[1:] {
		coarse = coarse && b == -1
	}
	// libjpeg numbers the rows of the last unit by its own count, which matters where there are few.
	number, all := unit*rows+row%c.unit, rows*d.units
	var around [5]int
	for i, step := range [5]int{-2, -1, 0, 1, 2} {
		switch {
		case step < 0:
			around[i] = row - min(-step, number)
		default:
			around[i] = row + min(step, all-1-number)
		}
	}
	columns := ceilDiv(c.width, 8)
	for x := range columns {
		var levels [25]int
		for i, r := range around {
			for j := range 5 {
				levels[5*i+j] = int(c.coefficients[r*size+64*min(max(x+j-2, 0), columns-1)])
			}
		}
		guess(out[64*x:64*x+64], c.quant, bits, coarse, &levels)
	}
	return out
}

// guess fills in the coefficients of one block.
func guess(block []int16, quant *[64]uint16, bits [10]int8, coarse bool, levels *[25]int) {
	for _, e := range estimates {
		weights := e.fine
		if coarse {
			weights = e.coarse
		}
		if weights == nil || bits[e.zigzag] == 0 || block[e.place] != 0 {
			continue
		}
		block[e.place] = int16(predict(weights, levels, quant[0], quant[e.place], bits[e.zigzag]))
	}
	if coarse {
		block[0] = int16(predict(&mean, levels, quant[0], quant[0], 0))
	}
}

// predict weighs the levels, in units of the coefficient's quantisation, and stays below what is known to be 0.
func predict(weights, levels *[25]int, dc, quant uint16, known int8) int {
	sum := 0
	for i, w := range weights {
		sum += w * levels[i]
	}
	sum *= int(dc)
	q := int(quant)
	v := (q<<7 + max(sum, -sum)) / (q << 8)
	if known > 0 {
		v = min(v, 1<<known-1)
	}
	if sum < 0 {
		return -v
	}
	return v
}
