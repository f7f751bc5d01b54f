package faults

import (
	"archive/zip"
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"
)

// The worst files known for each reader: small where the reader's work or memory may be large.

// nestedDicts is a .pt whose pickle is n dictionaries, each the value of the one before: three bytes a dictionary.
func nestedDicts(n int) []byte {
	program := bytes.Repeat([]byte("}N"), n)
	program = append(append(program, 'N'), bytes.Repeat([]byte("s"), n)...)
	return ptFile(append(program, '.'), 0)
}

// ptFile is a zip container with this pickle and n empty entries.
func ptFile(program []byte, n int) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	put := func(name string, data []byte) {
		w, err := z.CreateRaw(&zip.FileHeader{Name: name, Method: zip.Store, CRC32: crc32.ChecksumIEEE(data),
			CompressedSize64: uint64(len(data)), UncompressedSize64: uint64(len(data))})
		if err == nil {
			_, err = w.Write(data)
		}
		if err != nil {
			panic(err)
		}
	}
	put("archive/data.pkl", program)
	for i := range n {
		put(fmt.Sprintf("archive/data/%d", i), nil)
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// safetensors is a file of this header and no data.
func safetensors(header string) []byte {
	return append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...)
}

// entries joins n entries of a JSON object, of the form of format with a number in it.
func entries(n int, format string) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// jpegSegment is a marker with its segment.
func jpegSegment(marker byte, data ...byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{0xff, marker}, uint16(2+len(data))), data...)
}

// jpegStart is the part of a JPEG up to the first scan: channels of 8192 × 8192 pixels, tables in which the code 0 stands for dc and for ac.
func jpegStart(marker byte, channels int, dc, ac byte) []byte {
	b := append([]byte{0xff, 0xd8}, jpegSegment(0xdb, append([]byte{0}, bytes.Repeat([]byte{1}, 64)...)...)...)
	frame := []byte{8, 0x20, 0, 0x20, 0, byte(channels)}
	for i := range channels {
		frame = append(frame, byte(i+1), 0x11, 0)
	}
	b = append(b, jpegSegment(marker, frame...)...)
	one := append([]byte{1}, make([]byte, 15)...) // a single code, of one bit
	b = append(b, jpegSegment(0xc4, append(append([]byte{0}, one...), dc)...)...)
	return append(b, jpegSegment(0xc4, append(append([]byte{0x10}, one...), ac)...)...)
}

// manyScans is a progressive JPEG of 64 megapixels in 200 kB: one scan of all DC values, then n that refine every other coefficient, in runs of blocks that
// have none.
func manyScans(n int) []byte {
	b := jpegStart(0xc2, 1, 0, 0xe0)
	b = append(b, jpegSegment(0xda, 1, 1, 0, 0, 0, 0)...)
	b = append(b, make([]byte, 1<<20/8)...)
	var runs []byte // code 0 and 14 ones: the end of the band for 32,767 blocks
	bits, filled := uint32(0), 0
	for range 1<<20/32767 + 1 {
		bits, filled = bits<<15|1<<14-1, filled+15
		for ; filled >= 8; filled -= 8 {
			v := byte(bits >> (filled - 8))
			if runs = append(runs, v); v == 0xff {
				runs = append(runs, 0)
			}
		}
	}
	runs = append(runs, 0)
	for range n {
		b = append(append(b, jpegSegment(0xda, 1, 1, 0, 1, 63, 0x10)...), runs...)
	}
	return append(b, 0xff, 0xd9)
}

// cmykJPEG has 64 megapixels in four inks, two bits a block.
func cmykJPEG() []byte {
	b := jpegStart(0xc0, 4, 0, 0)
	b = append(b, jpegSegment(0xda, 4, 1, 0, 2, 0, 3, 0, 4, 0, 0, 63, 0)...)
	b = append(b, make([]byte, 1<<20)...)
	return append(b, 0xff, 0xd9)
}

// pngChunk is a chunk with its checksum.
func pngChunk(name string, data []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	b = append(append(b, name...), data...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

// png16 is 64 megapixels of 16-bit RGBA, all 0, and greyPNG of 16-bit grey.
func png16() []byte   { return pngOf(8192, 16, 6, deflated(make([]byte, 1+8*8192), 8192), nil) }
func greyPNG() []byte { return pngOf(8192, 16, 0, deflated(make([]byte, 1+2*8192), 8192), nil) }

// deflated is a row, n times.
func deflated(row []byte, n int) []byte {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	for range n {
		if _, err := z.Write(row); err != nil {
			panic(err)
		}
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// pngOf is a picture of side × side pixels with chunks before them.
func pngOf(side uint32, depth, colourType byte, pixels, before []byte) []byte {
	header := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, side), side)
	b := append([]byte("\x89PNG\r\n\x1a\n"), pngChunk("IHDR", append(header, depth, colourType, 0, 0, 0))...)
	b = append(append(b, before...), pngChunk("IDAT", pixels)...)
	return append(b, pngChunk("IEND", nil)...)
}

// gifExtension is an extension of n blocks of one byte each, and no picture.
func gifExtension(n int) []byte {
	b := []byte("GIF89a\x01\x00\x01\x00\x00\x00\x00!\xfe")
	return append(b, bytes.Repeat([]byte{1, 'x'}, n)...)
}

// webpOf is a WebP file of these chunks.
func webpOf(chunks []byte) []byte {
	b := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(4+len(chunks)))
	return append(append(b, "WEBP"...), chunks...)
}

// webpGroups is one lossless pixel with 65,536 groups of five Huffman codes, each of the fewest bits (CVE-2026-46603).
func webpGroups() []byte {
	var w bitWriter
	w.put(0x2f, 8)
	w.put(0, 14) // width and height − 1
	w.put(0, 14)
	w.put(1, 1)    // alpha
	w.put(0, 3)    // version
	w.put(0, 1)    // no transformation
	w.put(0, 1)    // no colour cache
	w.put(1, 1)    // groups by tile
	w.put(0, 3)    // of 4 × 4 pixels
	w.put(0, 1)    // no colour cache for the picture of groups
	w.simple(0xff) // green and red of its pixel: group 0xffff
	w.simple(0xff)
	for range 3 {
		w.simple(0)
	}
	for range 5 * (1 << 16) {
		w.simple(1)
	}
	chunk := binary.LittleEndian.AppendUint32([]byte("VP8L"), uint32(len(w.bytes)))
	chunk = append(chunk, w.bytes...)
	return webpOf(append(chunk, make([]byte, len(chunk)&1)...))
}

// bitWriter writes numbers, lowest bit first.
type bitWriter struct {
	bytes []byte
	n     int
}

func (w *bitWriter) put(v uint32, bits int) {
	for i := range bits {
		if w.n%8 == 0 {
			w.bytes = append(w.bytes, 0)
		}
		w.bytes[len(w.bytes)-1] |= byte(v>>i&1) << (w.n % 8)
		w.n++
	}
}

// simple is a Huffman code of one symbol.
func (w *bitWriter) simple(symbol uint32) {
	w.put(1, 1)
	w.put(0, 1)
	if symbol < 2 {
		w.put(0, 1)
		w.put(symbol, 1)
		return
	}
	w.put(1, 1)
	w.put(symbol, 8)
}
