package tensor

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrNotFinite is wrapped for a tensor that has NaN or an infinity among its values.
var ErrNotFinite = errors.New("weights: NaN or infinite values")

// exponent has, for each type of floating-point numbers, the bits of one number's exponent, the lowest of them and its size in bytes. All of the first are
// set in NaN and in the infinities, and in no other number.
var exponent = map[string]struct {
	bits, lowest uint64
	size         int
}{
	"F64":  {0x7ff << 52, 1 << 52, 8},
	"F32":  {0xff << 23, 1 << 23, 4},
	"F16":  {0x1f << 10, 1 << 10, 2},
	"BF16": {0xff << 7, 1 << 7, 2},
}

// CheckFinite looks through a tensor's bytes. Whole numbers are finite.
func (t Tensor) CheckFinite(data []byte) error {
	e, ok := exponent[t.DType]
	if !ok {
		return nil
	}
	var all, one uint64 // the same in each number of a word
	for at := 0; at < 64; at += 8 * e.size {
		all, one = all|e.bits<<at, one|e.lowest<<at
	}
	// A number's exponent that is all ones overflows into its sign, whose own bit is masked out, when one is added to it.
	sign := all + one
	var over uint64
	rest := data
	for ; len(rest) >= 32; rest = rest[32:] {
		over |= binary.LittleEndian.Uint64(rest)&all + one
		over |= binary.LittleEndian.Uint64(rest[8:])&all + one
		over |= binary.LittleEndian.Uint64(rest[16:])&all + one
		over |= binary.LittleEndian.Uint64(rest[24:])&all + one
	}
	if over&sign == 0 && len(rest) == 0 {
		return nil
	}
	count, first := 0, -1
	var number [8]byte
	for i := 0; i+e.size <= len(data); i += e.size {
		copy(number[:], data[i:i+e.size])
		if binary.LittleEndian.Uint64(number[:])&e.bits == e.bits {
			if count++; first < 0 {
				first = i / e.size
			}
		}
	}
	if count == 0 {
		return nil
	}
	return fmt.Errorf("%w: %d of the %d values of %s are, the first is number %d", ErrNotFinite, count, t.Size(), t.Name, first)
}
