package faults

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	pq "github.com/parquet-go/parquet-go"
)

// bmpRuns is a bitmap of side × side pixels of 8 bits in run lengths: these, and the end.
func bmpRuns(side uint32, runs []byte) []byte {
	b := append([]byte("BM"), make([]byte, 8)...)
	b = binary.LittleEndian.AppendUint32(b, 54+4*256) // where runs begin
	for _, v := range []uint32{40, side, side, 1 | 8<<16, 1, 0, 0, 0, 256, 0} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	for i := range 256 { // a palette that is no grey scale
		b = append(b, byte(i), 0, 0, 0)
	}
	return append(append(b, runs...), 0, 1)
}

// plainPNM is side × side levels of one digit, of up to 65535.
func plainPNM(side int) []byte {
	return append(fmt.Appendf(nil, "P2 %d %d 65535\n", side, side), bytes.Repeat([]byte("1 "), side*side)...)
}

// tsvLines are two million pictures of a byte.
func tsvLines() []byte {
	var b bytes.Buffer
	for i := range 2_000_000 {
		fmt.Fprintf(&b, "%d\tAA==\n", i)
	}
	return b.Bytes()
}

// parquetOf has so many rows of a picture and a caption of so many bytes, all alike, which take next to no bytes; so many that nobody reads follow.
func parquetOf(rows, caption, unread int) []byte {
	type row struct {
		Image []byte `parquet:"image,dict,zstd"`
		Text  string `parquet:"text,dict,zstd"`
	}
	var b bytes.Buffer
	w := pq.NewGenericWriter[row](&b, pq.MaxRowsPerRowGroup(1<<20), pq.SkipPageBounds("image"), pq.SkipPageBounds("text"), pq.SkipPageStatistics("image"), pq.SkipPageStatistics("text"))
	some := make([]row, min(rows, 1<<16))
	for i := range some {
		some[i] = row{[]byte("x"), strings.Repeat("a", caption)}
	}
	for left := rows; left > 0; left -= len(some) {
		if _, err := w.Write(some[:min(left, len(some))]); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	file := b.Bytes()
	at := len(file) - 8 - int(binary.LittleEndian.Uint32(file[len(file)-8:])) // of the metadata
	return append(append(bytes.Clone(file[:at]), make([]byte, unread)...), file[at:]...)
}

// tarOf has so many empty pictures.
func tarOf(members int) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := range members {
		if err := w.WriteHeader(&tar.Header{Name: fmt.Sprintf("%d.jpg", i), Mode: 0o644}); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}
