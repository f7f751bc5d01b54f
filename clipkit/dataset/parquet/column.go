package parquet

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// Limits on a page: the library makes room for what a page's header promises.
const (
	maxPage       = 1 << 30
	largePage     = 64 << 20 // from here on no page unpacks to more than maxRatio times its bytes: pictures, which make large pages, are packed already
	maxRatio      = 256
	maxPageValues = 1 << 22
	maxHeader     = 1 << 20
)

// page is one of a column's, by where it stands in the file with its header.
type page struct {
	offset  int64
	length  int32
	header  int32 // length of the header
	size    int32 // when it is unpacked
	levels  int32 // bytes before what is packed (version 2)
	values  int32 // with those that are null
	indexed bool  // values are numbers of the dictionary's
	plain   bool  // not packed, whatever the column is
}

// column is what a row group has of one column.
type column struct {
	chunk      *pq.FileColumnChunk
	codec      format.CompressionCodec
	base       int64 // where the library begins to read
	dictionary page  // length 0: none
	pages      []page
}

// indexColumn finds the pages by their headers; only these are read.
func indexColumn(in io.ReaderAt, size int64, chunk *pq.FileColumnChunk, meta *format.ColumnMetaData) (*column, error) {
	c := &column{chunk: chunk, codec: meta.Codec, base: meta.DataPageOffset}
	if meta.DictionaryPageOffset != 0 {
		c.base = meta.DictionaryPageOffset
	}
	if c.base < 4 || meta.TotalCompressedSize < 0 || c.base > size-meta.TotalCompressedSize {
		return nil, fmt.Errorf("a column lies at byte %d with %d bytes, the file has %d", c.base, meta.TotalCompressedSize, size)
	}
	end := c.base + meta.TotalCompressedSize
	values := int64(0)
	for at := c.base; at < end && values < meta.NumValues; {
		p, kind, err := readHeader(in, at, end)
		if err != nil {
			return nil, fmt.Errorf("page at byte %d: %w", at, err)
		}
		at += int64(p.length)
		switch kind {
		case format.DictionaryPage:
			if c.dictionary.length > 0 {
				return nil, fmt.Errorf("page at byte %d: a second dictionary", p.offset)
			}
			c.dictionary = p
		case format.DataPage, format.DataPageV2:
			c.pages = append(c.pages, p)
			values += int64(p.values)
		}
	}
	if values != meta.NumValues {
		return nil, fmt.Errorf("the pages of a column hold %d values, want %d", values, meta.NumValues)
	}
	return c, nil
}

// readHeader reads a page's header, which has no length of its own.
func readHeader(in io.ReaderAt, at, end int64) (p page, kind format.PageType, err error) {
	var head []byte
	n := 0
	for room := int64(512); ; room *= 8 {
		room = min(room, end-at, maxHeader)
		head = make([]byte, room)
		if _, err := io.ReadFull(io.NewSectionReader(in, at, room), head); err != nil {
			return p, 0, err
		}
		if n, err = structEnd(head); err == nil {
			break
		}
		if room == min(end-at, maxHeader) {
			return p, 0, err
		}
	}
	var h format.PageHeader
	if err := thrift.Unmarshal(&thrift.CompactProtocol{}, head[:n], &h); err != nil {
		return p, 0, err
	}
	length := int64(n) + int64(h.CompressedPageSize)
	switch {
	case h.CompressedPageSize < 0 || at+length > end:
		return p, 0, fmt.Errorf("%d bytes, and the column ends after %d", length, end-at)
	case h.UncompressedPageSize < 0 || h.UncompressedPageSize > maxPage || h.CompressedPageSize > maxPage:
		return p, 0, fmt.Errorf("%d bytes unpacked, want at most %d; write smaller row groups", h.UncompressedPageSize, maxPage)
	case h.UncompressedPageSize > largePage && int64(h.UncompressedPageSize) > maxRatio*int64(h.CompressedPageSize):
		return p, 0, fmt.Errorf("%d bytes unpack to %d, want at most %d times as many; write smaller row groups", h.CompressedPageSize, h.UncompressedPageSize, maxRatio)
	}
	p = page{offset: at, length: int32(length), header: int32(n), size: h.UncompressedPageSize}
	encoding := format.Plain
	switch {
	case h.Type == format.DataPage && h.DataPageHeader.Valid:
		p.values, encoding = h.DataPageHeader.V.NumValues, h.DataPageHeader.V.Encoding
	case h.Type == format.DataPageV2 && h.DataPageHeaderV2.Valid:
		v := h.DataPageHeaderV2.V
		p.values, encoding = v.NumValues, v.Encoding
		p.plain = v.IsCompressed.Valid && !v.IsCompressed.V
		if p.levels = v.RepetitionLevelsByteLength + v.DefinitionLevelsByteLength; v.RepetitionLevelsByteLength < 0 || v.DefinitionLevelsByteLength < 0 || p.levels < 0 || p.levels > h.CompressedPageSize {
			return p, 0, fmt.Errorf("%d bytes of levels in %d", p.levels, h.CompressedPageSize)
		}
	case h.Type == format.DictionaryPage && h.DictionaryPageHeader.Valid:
		p.values = h.DictionaryPageHeader.V.NumValues
	case h.Type != format.IndexPage:
		return p, 0, fmt.Errorf("a page of type %d without its header", h.Type)
	}
	if p.values < 0 || p.values > maxPageValues {
		return p, 0, fmt.Errorf("%d values, want at most %d; write smaller row groups", p.values, maxPageValues)
	}
	p.indexed = encoding == format.PlainDictionary || encoding == format.RLEDictionary
	return p, h.Type, nil
}

// read reads the values of a page, which share its memory. The library believes most of what it reads and may panic at the rest.
func (c *column) read(in io.ReaderAt, p page) (values []pq.Value, err error) {
	defer func() {
		if r := recover(); r != nil {
			values, err = nil, fmt.Errorf("page at byte %d: damaged: %v", p.offset, r)
		}
	}()
	var data []byte
	parts := []page{p}
	if p.indexed {
		if c.dictionary.length == 0 {
			return nil, fmt.Errorf("page at byte %d: its dictionary is missing", p.offset)
		}
		parts = []page{c.dictionary, p}
	}
	for _, part := range parts {
		from := len(data)
		data = append(data, make([]byte, part.length)...)
		if _, err := io.ReadFull(io.NewSectionReader(in, part.offset, int64(part.length)), data[from:]); err != nil {
			return nil, fmt.Errorf("page at byte %d: %w", part.offset, err)
		}
		if packed := data[from+int(part.header)+int(part.levels):]; !part.plain {
			if err := c.checkUnpacked(packed, int64(part.size)); err != nil {
				return nil, fmt.Errorf("page at byte %d: %w", part.offset, err)
			}
		}
	}
	pages := c.chunk.PagesFrom(moved{bytes.NewReader(data), c.base})
	defer pages.Close()
	got, err := pages.ReadPage()
	if err != nil {
		return nil, fmt.Errorf("page at byte %d: %w", p.offset, err)
	}
	values = make([]pq.Value, p.values)
	n, err := got.Values().ReadValues(values)
	if n != len(values) {
		return nil, fmt.Errorf("page at byte %d: %d values, want %d (%v)", p.offset, n, len(values), err)
	}
	return values, nil
}

// moved has its first byte at base: the library reads a column from there on, and so can be given any of its pages first.
type moved struct {
	in   io.ReaderAt
	base int64
}

func (m moved) ReadAt(p []byte, offset int64) (int, error) {
	if offset < m.base {
		return 0, io.EOF
	}
	return m.in.ReadAt(p, offset-m.base)
}

// checkUnpacked refuses what unpacks to more than its header says, since the library unpacks without a limit.
func (c *column) checkUnpacked(packed []byte, size int64) error {
	var unpacked io.Reader
	switch c.codec {
	case format.Uncompressed:
		return nil
	case format.Snappy:
		if n, err := snappy.DecodedLen(packed); err != nil || int64(n) > size {
			return fmt.Errorf("it unpacks to %d bytes, its header says %d (%v)", n, size, err)
		}
		return nil
	case format.Zstd:
		z, err := zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxPage))
		if err != nil {
			return err
		}
		defer z.Close()
		unpacked = z
	case format.Gzip:
		z, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			return err
		}
		unpacked = z
	default:
		return fmt.Errorf("packed as %s; write the file with the compression snappy or zstd", c.codec)
	}
	n, err := io.Copy(io.Discard, io.LimitReader(unpacked, size+1))
	if err != nil || n > size {
		return fmt.Errorf("it unpacks to more than the %d bytes that its header says (%v)", size, err)
	}
	return nil
}

// strings reads a column of strings, or of lists of them, as those of each row. Equal ones of a page share memory: a dictionary has one for millions of rows.
func (c *column) strings(in io.ReaderAt, rows int64) (of [][]string, err error) {
	for _, p := range c.pages {
		known := map[string]string{}
		values, err := c.read(in, p)
		if err != nil {
			return nil, err
		}
		for _, v := range values {
			if v.RepetitionLevel() == 0 {
				of = append(of, nil)
			}
			if v.IsNull() {
				continue
			}
			if len(of) == 0 || int64(len(of)) > rows {
				return nil, fmt.Errorf("page at byte %d: values of no row", p.offset)
			}
			text, ok := known[string(v.ByteArray())]
			if !ok {
				text = string(v.ByteArray())
				known[text] = text
			}
			of[len(of)-1] = append(of[len(of)-1], text)
		}
	}
	if int64(len(of)) != rows {
		return nil, fmt.Errorf("a column of %d rows in a row group of %d", len(of), rows)
	}
	return of, nil
}
