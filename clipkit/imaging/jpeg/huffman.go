package jpeg

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// bitReader reads the entropy-coded bytes of a scan: 0xff 0 stands for 0xff, and any other 0xff begins a marker, where the bits end.
type bitReader struct {
	data []byte
	at   int
	acc  uint64 // the next bits, the first of them highest
	n    int    // how many of them are valid; those behind the end of the data are 0
	past int    // bits made up behind the end
}

// fill makes at least 32 bits valid.
func (b *bitReader) fill() {
	if b.at+8 <= len(b.data) {
		v := binary.BigEndian.Uint64(b.data[b.at:])
		if (^v-0x0101010101010101)&v&0x8080808080808080 == 0 { // no byte is 0xff
			b.acc |= v >> b.n
			b.at += (63 - b.n) >> 3
			b.n |= 56
			return
		}
	}
	for b.n <= 56 {
		if b.at >= len(b.data) {
			b.past += 8
			b.n += 8
			continue
		}
		v := b.data[b.at]
		if v == 0xff {
			if b.at+1 >= len(b.data) || b.data[b.at+1] != 0 {
				b.past += 8
				b.n += 8
				continue
			}
			b.at++
		}
		b.at++
		b.acc |= uint64(v) << (56 - b.n)
		b.n += 8
	}
}

// take reads 1 to 16 bits.
func (b *bitReader) take(n int) int32 {
	if b.n < 32 {
		b.fill()
	}
	v := int32(b.acc >> (64 - n))
	b.acc <<= n
	b.n -= n
	return v
}

// overrun says whether more bits were read than the scan has.
func (b *bitReader) overrun() bool { return b.n < b.past }

// reset drops the bits that are left in the buffer, to go on at the next byte.
func (b *bitReader) reset() { b.acc, b.n, b.past = 0, 0, 0 }

// fastBits is the length up to which codes are looked up at once.
const fastBits = 10

// huffman is a decoding table. A symbol's low four bits are the number of bits that follow it, the high four a run of zeros.
type huffman struct {
	// fast is indexed by the next bits. Where code and value fit into them: value<<16 | run<<8 | whole | bits of both.
	// Where only the code does: symbol<<8 | bits. Else 0.
	fast   [1 << fastBits]int32
	limit  [17]uint32 // by length: the first 16 bits that are beyond the codes of that length
	offset [17]int32  // by length: what to add to a code for its index in values
	values [256]byte
}

const whole = 0x80

func (d *file) huffmanTables(b []byte) error {
	for len(b) > 0 {
		if len(b) < 17 {
			return errors.New("a damaged Huffman table")
		}
		class, id, counts := b[0]>>4, b[0]&15, b[1:17]
		total := 0
		for _, n := range counts {
			total += int(n)
		}
		if class > 1 || id > 3 || total > 256 || len(b) < 17+total {
			return fmt.Errorf("a damaged Huffman table %d of class %d", id, class)
		}
		h, err := newHuffman(counts, b[17:17+total])
		if err != nil {
			return err
		}
		if class == 0 {
			for _, v := range h.values {
				if v > 15 {
					return fmt.Errorf("a Huffman table for DC values of %d bits", v)
				}
			}
			d.dc[id] = h
		} else {
			d.ac[id] = h
		}
		b = b[17+total:]
	}
	return nil
}

// newHuffman builds a table from the number of codes by length, 1 to 16, and the symbols in order.
func newHuffman(counts, symbols []byte) (*huffman, error) {
	h := &huffman{}
	copy(h.values[:], symbols)
	code, index := 0, 0
	for length := 1; length <= 16; length++ {
		h.offset[length] = int32(index - code)
		for range counts[length-1] {
			if code >= 1<<length {
				return nil, errors.New("a Huffman table with more codes than its lengths allow")
			}
			if length <= fastBits {
				h.enter(code, length, symbols[index])
			}
			code++
			index++
		}
		h.limit[length] = uint32(code) << (16 - length)
		code <<= 1
	}
	return h, nil
}

// enter writes the entries of fast that begin with a code.
func (h *huffman) enter(code, length int, symbol byte) {
	free := fastBits - length
	size := int(symbol & 15)
	for rest := range 1 << free {
		entry := int32(symbol)<<8 | int32(length)
		if size > 0 && size <= free {
			value := signed(int32(rest>>(free-size)), size)
			entry = value<<16 | int32(symbol>>4)<<8 | whole | int32(length+size)
		}
		h.fast[code<<free|rest] = entry
	}
}

// signed gives the value that a number of size bits stands for: those that begin with 0 are negative (T.81, EXTEND).
func signed(v int32, size int) int32 {
	return v + (v>>(size-1)-1)&(1-1<<size)
}

// symbol reads one code. fill must have been called for 32 bits. ok is false where no code matches.
func (h *huffman) symbol(acc uint64) (symbol byte, length int, ok bool) {
	code := uint32(acc >> 48)
	for length := 1; length <= 16; length++ {
		if code < h.limit[length] {
			return h.values[byte(int32(code>>(16-length))+h.offset[length])], length, true
		}
	}
	return 0, 0, false
}

var errCode = errors.New("a Huffman code that its table does not have")

// read reads a code and forgets it.
func (b *bitReader) read(h *huffman) (byte, error) {
	if b.n < 32 {
		b.fill()
	}
	symbol, length, ok := h.symbol(b.acc)
	if !ok {
		return 0, errCode
	}
	b.acc <<= length
	b.n -= length
	return symbol, nil
}

// value reads the signed value behind a symbol.
func (b *bitReader) value(size int) int32 {
	if size == 0 {
		return 0
	}
	return signed(b.take(size), size)
}
