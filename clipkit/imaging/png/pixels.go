package png

import (
	"bufio"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"

	"clipnb/clipkit/imaging/raster"
)

// pass is one of the sparse pictures of an interlaced file: from x, y on every dx-th pixel of every dy-th row.
type pass struct{ x, y, dx, dy int }

var (
	whole      = []pass{{0, 0, 1, 1}}
	interlaced = []pass{{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}}
)

// pixels decompresses the rows, undoes their filters and spreads them.
func (h header) pixels(ctx context.Context, p *raster.Picture) error {
	stream, err := zlib.NewReader(bufio.NewReader(&stream{rest: h.rest}))
	if err != nil {
		return fmt.Errorf("the stream of pixels: %w", cut(err))
	}
	passes := whole
	if h.interlaced {
		passes = interlaced
	}
	step := max(1, h.format.bits()/8) // bytes between numbers that a filter relates
	size := p.Mode.Bytes()
	line := make([]byte, h.w*size)
	for _, a := range passes {
		across := (h.w - a.x + a.dx - 1) / a.dx
		if across < 1 {
			continue
		}
		n := (across*h.format.bits() + 7) / 8
		row, above := make([]byte, 1+n), make([]byte, n)
		for y := a.y; y < h.h; y += a.dy {
			if err := ctx.Err(); err != nil {
				return err
			}
			if _, err := io.ReadFull(stream, row); err != nil {
				return fmt.Errorf("row %d: %w", y, cut(err))
			}
			if err := unfilter(row[0], row[1:], above, step); err != nil {
				return fmt.Errorf("row %d: %w", y, err)
			}
			copy(above, row[1:])
			out := p.Row(h.y + y)[h.x*size:]
			if a.dx == 1 {
				h.spread(out[:across*size], row[1:])
				continue
			}
			h.spread(line[:across*size], row[1:])
			for i := range across {
				copy(out[(a.x+i*a.dx)*size:], line[i*size:][:size])
			}
		}
	}
	if _, err := stream.Read(make([]byte, 1)); errors.Is(err, zlib.ErrChecksum) { // more pixels, or no sum, are passed over
		return err
	}
	return nil
}

// cut turns an early end into one of the decoders' errors.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return raster.ErrTruncated
	}
	return err
}

// spread turns the bytes of a row into pixels.
func (h header) spread(dst, src []byte) {
	depth := int(h.format.depth)
	switch {
	case h.format == format{16, 0}:
		for i := 0; i < len(dst); i += 2 {
			dst[i], dst[i+1] = src[i+1], src[i]
		}
	case h.format == format{16, 4}:
		for ; len(dst) > 0; dst, src = dst[4:], src[4:] {
			dst[0], dst[1], dst[2], dst[3] = src[0], src[0], src[0], src[2]
		}
	case depth == 16:
		for i := range dst {
			dst[i] = src[2*i]
		}
	case depth == 8:
		copy(dst, src)
	case h.format.colourType == 3:
		raster.Unpack(dst, src, depth, 1)
	default:
		raster.Unpack(dst, src, depth, byte(255/(1<<depth-1)))
	}
}

// unfilter adds to each byte of a row what its filter predicts from the byte step before it and the row above.
func unfilter(filter byte, row, above []byte, step int) error {
	switch filter {
	case 0:
	case 1:
		for i := step; i < len(row); i++ {
			row[i] += row[i-step]
		}
	case 2:
		for i := range row {
			row[i] += above[i]
		}
	case 3:
		for i := range min(step, len(row)) {
			row[i] += above[i] / 2
		}
		for i := step; i < len(row); i++ {
			row[i] += byte((int(row[i-step]) + int(above[i])) / 2)
		}
	case 4:
		for i := range min(step, len(row)) {
			row[i] += above[i]
		}
		for i := step; i < len(row); i++ {
			row[i] += paeth(int(row[i-step]), int(above[i]), int(above[i-step]))
		}
	default:
		return fmt.Errorf("filter %d", filter)
	}
	return nil
}

// paeth is the one of the three neighbours that is nearest to left + above − corner.
func paeth(left, above, corner int) byte {
	toLeft, toAbove := above-corner, left-corner
	toCorner := toLeft + toAbove
	toLeft, toAbove, toCorner = max(toLeft, -toLeft), max(toAbove, -toAbove), max(toCorner, -toCorner)
	switch {
	case toLeft <= toAbove && toLeft <= toCorner:
		return byte(left)
	case toAbove <= toCorner:
		return byte(above)
	}
	return byte(corner)
}
