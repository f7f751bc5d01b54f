package jpeg

import (
	"errors"
	"fmt"
)

// zigzag is the natural place of the coefficients in their order in the file. A run that leads out of the block ends at the last, as in libjpeg.
var zigzag = [64 + 16]uint8{
	0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5,
	12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
	58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
	63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63,
}

// scanState is one pass over the blocks of some channels.
type scanState struct {
	bits        bitReader
	first, last int  // coefficients, in zigzag order
	high, low   int  // bit positions of successive approximation: high 0 in the first pass over a coefficient
	endOfBand   int  // blocks still to come that have no further coefficients
	ended       bool // a marker came before the last block
	block       func(s *scanState, c *component, b *[64]int16)
}

// scan reads the scan header b and the entropy-coded data behind it.
func (d *file) scan(b []byte) error {
	if d.components == nil {
		return errors.New("a scan before the frame header")
	}
	if d.scans++; d.scans > maxScans {
		return fmt.Errorf("more than %d scans", maxScans)
	}
	if len(b) < 1 || b[0] < 1 || b[0] > 4 || len(b) != 4+2*int(b[0]) {
		return fmt.Errorf("a scan header of %d bytes", len(b))
	}
	n := int(b[0])
	s := &scanState{bits: bitReader{data: d.data, at: d.at}, last: 63, block: (*scanState).sequential}
	if tail := b[1+2*n:]; d.progressive {
		s.first, s.last, s.high, s.low = int(tail[0]), int(tail[1]), int(tail[2]>>4), int(tail[2]&15)
		if err := s.chooseProgressive(n); err != nil {
			return err
		}
	}
	if !d.progressive {
		d.standardTables()
	}
	var channels []*component
	blocks := 0
	for i := range n {
		c := d.channel(b[1+2*i])
		dc, ac := b[2+2*i]>>4, b[2+2*i]&15
		if c == nil || dc > 3 || ac > 3 {
			return fmt.Errorf("a scan of channel %d with tables %d and %d", b[1+2*i], dc, ac)
		}
		for _, other := range channels {
			if other == c {
				return fmt.Errorf("a scan that has channel %d twice", c.id)
			}
		}
		if c.dc, c.ac = d.dc[dc], d.ac[ac]; c.dc == nil && s.first == 0 && s.high == 0 || c.ac == nil && s.last > 0 {
			return fmt.Errorf("channel %d has no Huffman table", c.id)
		}
		if c.quant == nil {
			if c.quant = d.quant[c.table]; c.quant == nil {
				return fmt.Errorf("channel %d has no quantisation table", c.id)
			}
		}
		c.predicted = 0
		channels = append(channels, c)
		blocks += c.h * c.v
		d.work += c.blocks() * (s.last - s.first + 1 + blockWork)
	}
	if d.work > max(freeWork, maxPasses*64*d.blockCount) {
		return fmt.Errorf("scan %d goes through the picture once more than %d times; save it again, with fewer scans", d.scans, maxPasses)
	}
	if n > 1 && blocks > 10 { // T.81, B.2.3
		return fmt.Errorf("%d blocks in a unit of a scan, the limit is 10", blocks)
	}
	if d.progressive {
		d.known(s, channels)
	}
	err := d.blocks(s, channels)
	d.at = s.bits.at
	d.complete = err == nil && !d.progressive && n == len(d.components) && s.bits.unread() > 0
	return err
}

func (d *file) channel(id byte) *component {
	for i := range d.components {
		if d.components[i].id == id {
			return &d.components[i]
		}
	}
	return nil
}

// chooseProgressive checks the parameters of a progressive scan of n channels.
func (s *scanState) chooseProgressive(n int) error {
	dc := s.first == 0
	if s.last > 63 || s.first > s.last || dc && s.last != 0 || !dc && n != 1 || s.low > 13 || s.high != 0 && s.high != s.low+1 {
		return fmt.Errorf("a progressive scan of %d channels, coefficients %d to %d, bits %d to %d", n, s.first, s.last, s.high, s.low)
	}
	switch {
	case dc && s.high == 0:
		s.block = (*scanState).firstDC
	case dc:
		s.block = (*scanState).refineDC
	case s.high == 0:
		s.block = (*scanState).firstAC
	default:
		s.block = (*scanState).refineAC
	}
	return nil
}

// blocks decodes the blocks of a scan. One channel alone comes row by row without the blocks that only fill up MCUs.
func (d *file) blocks(s *scanState, channels []*component) error {
	alone := len(channels) == 1
	unitsX, unitsY := d.mcusX, d.mcusY
	if alone {
		unitsX, unitsY = ceilDiv(channels[0].width, 8), ceilDiv(channels[0].height, 8)
	}
	left, number := d.restart, 0
	for y := range unitsY {
		if err := d.ctx.Err(); err != nil {
			return err
		}
		for x := range unitsX {
			if !s.ended {
				if d.lastGood = y; alone {
					d.lastGood = y / channels[0].unit
				}
			}
			if d.restart > 0 && left == 0 {
				if err := s.restart(number, channels); err != nil {
					return err
				}
				left, number = d.restart, (number+1)%8
			}
			left--
			if s.ended { // its blocks keep what they have
				continue
			}
			for _, c := range channels {
				h, v := c.h, c.v
				if alone {
					h, v = 1, 1
				}
				for by := y * v; by < y*v+v; by++ {
					for bx := x * h; bx < x*h+h; bx++ {
						s.block(s, c, (*[64]int16)(c.coefficients[64*(by*c.blocksX+bx):]))
					}
				}
			}
			if s.bits.overrun() {
				if s.ended = true; s.bits.at+1 >= len(s.bits.data) {
					return errTruncated
				}
			}
		}
	}
	return nil
}

// restart looks for the restart marker of a number. As in libjpeg (jdmarker.c, jpeg_resync_to_restart), a marker of the recent past is passed over, one
// of the near future waits for its time while blocks are left out, and any other is taken for the one that was expected.
func (s *scanState) restart(number int, channels []*component) error {
	b := &s.bits
	b.reset()
	s.endOfBand = 0
	for _, c := range channels {
		c.predicted = 0
	}
	for at := b.at; ; at++ {
		for at+1 < len(b.data) && (b.data[at] != 0xff || b.data[at+1] == 0 || b.data[at+1] == 0xff) {
			at++
		}
		if at+1 >= len(b.data) {
			return errTruncated
		}
		ahead := (int(b.data[at+1]) - markerRST0 - number) & 7
		switch marker := b.data[at+1]; {
		case marker < markerSOF0: // no marker at all
			continue
		case marker < markerRST0 || marker >= markerSOI || ahead == 1 || ahead == 2:
			b.at = at
			return nil
		case ahead == 6 || ahead == 7:
			continue
		}
		b.at, s.ended = at+2, false
		return nil
	}
}

// sequential decodes a block of a baseline or extended file.
func (s *scanState) sequential(c *component, block *[64]int16) {
	b := &s.bits
	s.firstDC(c, block)
	acc, n := b.acc, b.n
	for k := 1; k < 64; k++ {
		if n < 32 {
			b.acc, b.n = acc, n
			b.fill()
			acc, n = b.acc, b.n
		}
		e := c.ac.fast[acc>>(64-fastBits)]
		if e&whole != 0 {
			k += int(e>>8) & 15
			acc <<= e & 15
			n -= int(e & 15)
			block[zigzag[k]&63] = int16(e >> 16)
			continue
		}
		symbol, length := byte(e>>8), int(e&15)
		if length == 0 {
			symbol, length = c.ac.symbol(acc)
		}
		acc <<= length
		n -= length
		run, size := int(symbol>>4), int(symbol&15)
		if size == 0 {
			if run < 15 {
				break
			}
			k += 15
			continue
		}
		k += run
		block[zigzag[k]&63] = int16(signed(int32(acc>>(64-size)), size))
		acc <<= size
		n -= size
	}
	b.acc, b.n = acc, n
}

// firstDC reads the first coefficient, or its high bits.
func (s *scanState) firstDC(c *component, block *[64]int16) {
	b := &s.bits
	if b.n < 32 {
		b.fill()
	}
	if e := c.dc.fast[b.acc>>(64-fastBits)]; e&whole != 0 {
		b.acc <<= e & 15
		b.n -= int(e & 15)
		c.predicted += e >> 16
	} else {
		c.predicted += b.value(int(b.read(c.dc)))
	}
	block[0] = int16(c.predicted << s.low)
}

// refineDC reads one more bit of the first coefficient.
func (s *scanState) refineDC(_ *component, block *[64]int16) {
	block[0] |= int16(s.bits.take(1) << s.low)
}

// firstAC reads the high bits of some of the other coefficients.
func (s *scanState) firstAC(c *component, block *[64]int16) {
	if s.endOfBand > 0 {
		s.endOfBand--
		return
	}
	for k := s.first; k <= s.last; k++ {
		symbol := s.bits.read(c.ac)
		run, size := int(symbol>>4), int(symbol&15)
		if size == 0 && run < 15 {
			s.endOfBand = s.bandLength(run) - 1
			return
		}
		k += run
		if size > 0 {
			block[zigzag[k]&63] = int16(s.bits.value(size) << s.low)
		}
	}
}

// bandLength is the number of blocks, this one included, that an end-of-band code is about.
func (s *scanState) bandLength(run int) int {
	if run == 0 {
		return 1
	}
	return 1<<run + int(s.bits.take(run))
}

// refineAC reads one more bit of coefficients that are known to be other than 0, and the first bit of others that now become so.
func (s *scanState) refineAC(c *component, block *[64]int16) {
	one := int16(1) << s.low
	k := s.first
	for s.endOfBand == 0 && k <= s.last {
		symbol := s.bits.read(c.ac)
		run, fresh := int(symbol>>4), int16(0)
		switch size := symbol & 15; {
		case size == 0 && run < 15:
			s.endOfBand = s.bandLength(run)
			continue
		case size != 0: // always 1 in a sound file
			if fresh = one; s.bits.take(1) == 0 {
				fresh = -one
			}
		}
		k = s.refine(block, k, run, one)
		if fresh != 0 { // in a damaged file beyond the band's end, as in libjpeg
			block[zigzag[k]&63] = fresh
		}
		k++
	}
	if s.endOfBand > 0 {
		s.refine(block, k, 64, one)
		s.endOfBand--
	}
}

// refine reads a bit for each coefficient other than 0 from k on, until it has passed zeros coefficients that are 0 and stands before another.
func (s *scanState) refine(block *[64]int16, k, zeros int, one int16) int {
	for ; k <= s.last; k++ {
		v := &block[zigzag[k]]
		switch {
		case *v == 0 && zeros == 0:
			return k
		case *v == 0:
			zeros--
		case s.bits.take(1) == 0 || *v&one != 0:
		case *v > 0:
			*v += one
		default:
			*v -= one
		}
	}
	return k
}
