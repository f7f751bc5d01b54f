package gif

import (
	"errors"

	"clipnb/clipkit/imaging/raster"
)

// maxBits is the greatest length of a code.
const maxBits = 12

var errCode = errors.New("a code that its table does not have")

// blocks reads codes from blocks that each begin with their length. As in Pillow, an empty block ends nothing while pixels are missing.
type blocks struct {
	data []byte
	left int // of the current block
	acc  uint32
	n    int
}

func (b *blocks) code(size int) (int, error) {
	for b.n < size {
		if b.left == 0 {
			if len(b.data) == 0 || len(b.data) < 1+int(b.data[0]) {
				return 0, raster.ErrTruncated
			}
			b.left, b.data = int(b.data[0]), b.data[1:]
			continue
		}
		b.acc |= uint32(b.data[0]) << b.n
		b.data, b.left, b.n = b.data[1:], b.left-1, b.n+8
	}
	code := int(b.acc & (1<<size - 1))
	b.acc >>= size
	b.n -= size
	return code, nil
}

// decompress writes the frame's pixels. Beyond them it reads nothing, and a code for the end is passed over, as in Pillow.
func (h header) decompress(p *raster.Picture) error {
	in := blocks{data: h.data}
	clear := 1 << h.bits
	var link [1 << maxBits]int    // by code: the code before its last byte
	var last [1 << maxBits]byte   // and that byte
	var text [1<<maxBits + 1]byte // of a code, filled from behind
	next, size := clear+2, h.bits+1
	previous := -1 // the last code; −1 behind a clearing
	var first byte // of the last text
	rows := h.rows()
	frame := func(row int) []byte { return p.Row(h.top + row)[h.left : h.left+h.w] }
	out := frame(rows[0])
	for {
		code, err := in.code(size)
		switch {
		case err != nil:
			return err
		case code == clear:
			next, size, previous = clear+2, h.bits+1, -1
			continue
		case code == clear+1:
			continue
		case previous < 0 && code > clear || code > next:
			return errCode
		}
		at := len(text)
		c := code
		if previous >= 0 && code == next {
			at--
			text[at], c = first, previous
		}
		for ; c >= clear; c = link[c] {
			if at == 0 || c >= len(link) {
				return errCode
			}
			at--
			text[at] = last[c]
		}
		if at == 0 {
			return errCode
		}
		at--
		first = byte(c)
		text[at] = first
		if previous >= 0 && next < len(link) {
			link[next], last[next] = previous, first
			if next == 1<<size-1 && size < maxBits {
				size++
			}
			next++
		}
		previous = code
		for part := text[at:]; len(part) > 0; {
			n := copy(out, part)
			if out, part = out[n:], part[n:]; len(out) == 0 {
				if rows = rows[1:]; len(rows) == 0 {
					return nil
				}
				out = frame(rows[0])
			}
		}
	}
}
