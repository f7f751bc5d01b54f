package faults

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"clipnb/clipkit/dataset/lmdb"

	pq "github.com/parquet-go/parquet-go"
	"google.golang.org/protobuf/encoding/protowire"
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

// sharedLMDB are n pairs whose values are one place of the file, a caption of length bytes: 24 bytes a pair. The page is of 64 KiB.
func sharedLMDB(n, length int) []byte {
	const page = 1 << 16
	pickle := binary.LittleEndian.AppendUint32([]byte("\x80\x02K\x01K\x02X"), uint32(length))
	pickle = append(append(pickle, bytes.Repeat([]byte("a"), length)...), "\x87."...)
	const over = 3 // the number of the page on which the value begins
	b := make([]byte, over*page)
	set16 := func(at int, v uint16) { binary.LittleEndian.PutUint16(b[at:], v) }
	set64 := func(at int, v uint64) { binary.LittleEndian.PutUint64(b[at:], v) }
	for i := range 2 { // meta pages
		at := i * page
		set64(at, uint64(i))
		set16(at+10, 0x08)
		binary.LittleEndian.PutUint32(b[at+16:], 0xBEEFC0DE)
		binary.LittleEndian.PutUint32(b[at+20:], 1)
		binary.LittleEndian.PutUint32(b[at+40:], page)
		set16(at+94, 1) // levels
		set64(at+120, uint64(n))
		set64(at+128, 2) // root
		set64(at+144, uint64(i+1))
	}
	leaf, node := 2*page, page
	set64(leaf, 2)
	set16(leaf+10, 0x02)
	set16(leaf+12, uint16(16+2*n))
	for i := range n {
		key := fmt.Sprintf("%05d", 10000+i)
		if i == n-1 {
			key = "num_samples"
		}
		node -= 8 + len(key) + 8 + len(key)%2
		set16(leaf+16+2*i, uint16(node))
		set16(leaf+node, uint16(len(pickle)))
		set16(leaf+node+2, uint16(len(pickle)>>16))
		set16(leaf+node+4, 0x01) // the value is on pages of its own
		set16(leaf+node+6, uint16(len(key)))
		copy(b[leaf+node+8:], key)
		set64(leaf+node+8+len(key), over)
	}
	head := make([]byte, 16)
	binary.LittleEndian.PutUint64(head, over)
	binary.LittleEndian.PutUint16(head[10:], 0x04)
	b = append(append(b, head...), pickle...)
	return append(b, make([]byte, page-len(b)%page)...)
}

// lmdbOf is a whole LMDB of these entries, in the order of their keys.
func lmdbOf(n int, entry func(i int) (key, value string)) []byte {
	dir, err := os.MkdirTemp("", "worst-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = lmdb.Write(context.Background(), dir, lmdb.Options{Sorted: true}, n, func(i int) ([]byte, []byte, error) {
			key, value := entry(i)
			return []byte(key), []byte(value), nil
		})
	}
	var b []byte
	if err == nil {
		b, err = os.ReadFile(filepath.Join(dir, "data.mdb"))
	}
	if err != nil {
		panic(err)
	}
	return b
}

// millionPairs is an LMDB of pairs with the shortest captions.
func millionPairs() []byte {
	const n = 1_000_000
	order := lmdb.ByDigits(n)
	return lmdbOf(n+1, func(i int) (string, string) {
		if i == n {
			return "num_samples", strconv.Itoa(n)
		}
		return strconv.Itoa(int(order[i])), "\x80\x02K\x01K\x02X\x01\x00\x00\x00a\x87."
	})
}

// field is one field of a protobuf message whose value is a message, or text.
func field(number protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), value)
}

// onnxOf is an ONNX file with one graph.
func onnxOf(graph []byte) []byte { return field(7, graph) }

// graphsInside are graphs, each an attribute of the only node of the one before.
func graphsInside(n int) []byte {
	graph := []byte(nil)
	for range n {
		graph = field(1, field(5, field(6, graph)))
	}
	return graph
}

// indexLog is an index's log of no rows, with one more record.
func indexLog(record string) []byte {
	var b []byte
	for _, body := range []string{`{"format":"clipkit index 1","model":"worst","dim":1,"vectors":"vectors-1.f32"}`, record} {
		b = fmt.Appendf(b, "%08x %s\n", crc32.Checksum([]byte(body), crc32.MakeTable(crc32.Castagnoli)), body)
	}
	return b
}
