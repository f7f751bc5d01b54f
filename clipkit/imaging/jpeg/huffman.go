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
	stop bool   // the next byte is the first of a marker
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
		if b.stop || b.at >= len(b.data) {
			b.past += 8
			b.n += 8
			continue
		}
		v := b.data[b.at]
		if v == 0xff {
			zero := b.at + 1
			for zero < len(b.data) && b.data[zero] == 0xff { // fill bytes
				zero++
			}
			if b.stop = zero >= len(b.data) || b.data[zero] != 0; b.stop {
				continue
			}
			b.at = zero
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
func (b *bitReader) reset() { b.acc, b.n, b.past, b.stop = 0, 0, 0, false }

// unread is the number of whole bytes that were not used.
func (b *bitReader) unread() int { return len(b.data) - b.at + (b.n-b.past)/8 }

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

// standard are the tables of T.81, K.3, for luma and chroma: those of a file that brings none, as the frames of motion JPEG.
var standard = map[byte][]byte{ // by class and number, as in the file: 16 counts, then the symbols
	0x00: append([]byte{0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0}, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11),
	0x01: append([]byte{0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0}, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11),
	0x10: append([]byte{0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7d},
		0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22, 0x71, 0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1,
		0xc1, 0x15, 0x52, 0xd1, 0xf0, 0x24, 0x33, 0x62, 0x72, 0x82, 0x09, 0x0a, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x34, 0x35, 0x36, 0x37,
		0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a,
		0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3,
		0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3,
		0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa),
	0x11: append([]byte{0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77},
		0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71, 0x13, 0x22, 0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1,
		0x09, 0x23, 0x33, 0x52, 0xf0, 0x15, 0x62, 0x72, 0xd1, 0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25, 0xf1, 0x17, 0x18, 0x19, 0x1a, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x35, 0x36,
		0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69,
		0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a,
		0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca,
		0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa),
}

// standardTables fills in the tables that a file leaves out.
func (d *file) standardTables() {
	for id, table := range standard {
		tables := &d.dc
		if id >= 0x10 {
			tables = &d.ac
		}
		if tables[id&15] == nil {
			tables[id&15], _ = newHuffman(table[:16], table[16:])
		}
	}
}

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

// symbol reads one code. fill must have been called for 32 bits. Where no code matches, 17 bits are passed over and the symbol is 0, as in libjpeg.
func (h *huffman) symbol(acc uint64) (symbol byte, length int) {
	code := uint32(acc >> 48)
	for length := 1; length <= 16; length++ {
		if code < h.limit[length] {
			return h.values[byte(int32(code>>(16-length))+h.offset[length])], length
		}
	}
	return 0, 17
}

// read reads a code and forgets it.
func (b *bitReader) read(h *huffman) byte {
	if b.n < 32 {
		b.fill()
	}
	symbol, length := h.symbol(b.acc)
	b.acc <<= length
	b.n -= length
	return symbol
}

// value reads the signed value behind a symbol.
func (b *bitReader) value(size int) int32 {
	if size == 0 {
		return 0
	}
	return signed(b.take(size), size)
}
