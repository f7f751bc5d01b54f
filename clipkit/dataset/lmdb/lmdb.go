// Package lmdb reads and writes single LMDB files as datasets need them: entries in key order, and the place of each value in the file.
//
//	err := lmdb.Write(ctx, "imgs", lmdb.Options{}, 1, func(i int) (key, value []byte, err error) { return []byte("7"), jpeg, nil })
//	f, err := lmdb.Open("imgs/data.mdb")
//	err = f.Walk(func(key []byte, offset, length int64) error { … })      // values are not read
//	err = f.Read(value, offset)
//
// # Bytes from outside
//
// The C library maps a file and believes it, so that one wrong offset in it ends the process, beyond the reach of recover; and a map of
// 1 TiB, as the reference makes, is more than some systems give. So files are read by code of this package that checks every number before it
// uses it; what is wrong with a file is [ErrFormat]. Writing is the library's.
//
// # Somebody else writes
//
// A writer of another process uses pages again that a reader still needs, unless the reader holds a slot in the lock file; taking one would write
// to folders that may be read-only. So each read, and each walk, is followed by a look at both meta pages, whose transaction ids every commit changes,
// and at the file's size and time: if one is not as when it was opened, the read fails with [ErrChanged]. A file that is put into the place of
// an open one does not harm: the one that was opened is read on.
package lmdb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"clipnb/clipkit/internal/regular"
)

// ErrFormat is wrapped when a file is no LMDB, or a damaged one.
var ErrFormat = errors.New("lmdb: not a sound file")

// ErrChanged is wrapped when the file is no longer as it was when it was opened.
var ErrChanged = errors.New("lmdb: written to while it is read")

// The layout of an LMDB file, format version 1 as 64-bit little-endian machines write it (mdb.c of LMDB 0.9).
const (
	magicNumber  = 0xBEEFC0DE
	headerSize   = 16  // of a page: number u64, padding u16, flags u16, lower u16, upper u16
	nodeSize     = 8   // of a node: low and high half of the size u16, flags u16, key size u16
	metaSize     = 152 // of a meta page, up to its transaction id
	maxDepth     = 32  // of the C library's cursor
	noRoot       = 1<<64 - 1
	branchPage   = 0x01 // page flags
	leafPage     = 0x02
	overflowPage = 0x04
	metaPage     = 0x08
	valueOnPages = 0x01 // node flag: the value is a page number
	ownDatabase  = 0x02 // node flag: the value describes a database of that name
)

// File is an LMDB file that is read page by page. Safe for concurrent use.
type File struct {
	name    string
	data    io.ReaderAt
	close   func() error
	now     func() (fs.FileInfo, error) // nil for bytes that are no file
	opened  fs.FileInfo
	metas   [2][]byte // both meta pages as they were when the file was opened
	size    int64     // of the file
	page    int64     // size of a page
	root    uint64
	depth   int
	entries uint64
}

// Open opens a data.mdb, which must not change while it is open.
func Open(path string) (*File, error) {
	f, err := regular.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening LMDB: %w", err)
	}
	info, err := f.Stat()
	if err == nil {
		var p *File
		if p, err = NewFile(path, f, info.Size()); err == nil {
			p.close, p.now, p.opened = f.Close, f.Stat, info
			err = p.unchanged() // a commit between the two meta pages
		}
		if err == nil {
			return p, nil
		}
	}
	f.Close()
	return nil, err
}

// Close closes the file.
func (p *File) Close() error { return p.close() }

// ReadAt is io.ReaderAt of the whole file.
func (p *File) ReadAt(b []byte, offset int64) (int, error) {
	n, err := p.data.ReadAt(b, offset)
	if changed := p.unchanged(); changed != nil {
		return 0, changed
	}
	return n, err
}

// unchanged compares the file with how it was when it was opened. It comes after a read: a writer changes pages that were in use only once it
// has committed twice, and each commit writes a meta page after the other pages.
func (p *File) unchanged() error {
	if p.now != nil {
		switch info, err := p.now(); {
		case err != nil:
			return fmt.Errorf("reading %s: %w", p.name, err)
		case info.Size() != p.opened.Size():
			return p.changed("it has %d bytes and had %d", info.Size(), p.opened.Size())
		case !info.ModTime().Equal(p.opened.ModTime()):
			return p.changed("it was written at %v", info.ModTime())
		}
	}
	var page [metaSize]byte
	for i, before := range p.metas {
		if before == nil {
			continue // not read yet
		}
		if n, err := p.data.ReadAt(page[:], int64(i)*p.page); n < len(page) {
			return p.changed("its meta page %d cannot be read (%v)", i, err)
		}
		if !bytes.Equal(page[:], before) {
			return p.changed("meta page %d is of transaction %d and was of %d", i, transaction(page[:]), transaction(before))
		}
	}
	return nil
}

func (p *File) changed(format string, args ...any) error {
	return fmt.Errorf("%w: %s: somebody writes it: %s; wait until it is written, and open it again", ErrChanged, p.name, fmt.Sprintf(format, args...))
}

// transaction is the id of the one that wrote a meta page.
func transaction(meta []byte) uint64 { return binary.LittleEndian.Uint64(meta[144:]) }

// NewFile reads an LMDB of size bytes: the newer of its two meta pages says where its entries are.
func NewFile(name string, data io.ReaderAt, size int64) (*File, error) {
	p := &File{name: name, data: data, close: func() error { return nil }, size: size, page: 4096}
	first, err := p.meta(0)
	if err != nil {
		return nil, err
	}
	// Every meta page holds the page size, where the padding of the free list's record would be.
	if p.page = int64(binary.LittleEndian.Uint32(first[40:])); p.page < 256 || p.page > 1<<16 || p.page&(p.page-1) != 0 {
		return nil, p.bad("the page size is %d, want a power of two from 256 to 65536", p.page)
	}
	newest, err := p.meta(p.page)
	if err != nil {
		return nil, err
	}
	p.metas = [2][]byte{first, newest}
	if transaction(first) >= transaction(newest) {
		newest = first
	}
	if flags := binary.LittleEndian.Uint16(newest[92:]); flags != 0 {
		return nil, p.bad("the database has flags %#x, want a plain one", flags)
	}
	p.depth = int(binary.LittleEndian.Uint16(newest[94:]))
	p.entries = binary.LittleEndian.Uint64(newest[120:])
	p.root = binary.LittleEndian.Uint64(newest[128:])
	if p.depth > maxDepth {
		return nil, p.bad("the tree is %d levels deep, want at most %d", p.depth, maxDepth)
	}
	return p, nil
}

func (p *File) bad(format string, args ...any) error {
	return fmt.Errorf("%w: %s: %s; copy the file again, or build it again", ErrFormat, p.name, fmt.Sprintf(format, args...))
}

func (p *File) meta(offset int64) ([]byte, error) {
	page := make([]byte, metaSize)
	if err := p.read(page, offset); err != nil {
		return nil, err
	}
	switch flags, magic, version := binary.LittleEndian.Uint16(page[10:]), binary.LittleEndian.Uint32(page[16:]), binary.LittleEndian.Uint32(page[20:]); {
	case magic != magicNumber || flags&metaPage == 0:
		return nil, p.bad("no LMDB meta page at byte %d: not an LMDB file, or one of a 32-bit or big-endian machine", offset)
	case version != 1:
		return nil, p.bad("LMDB format version %d, want 1", version)
	}
	return page, nil
}

// Read fills b from the file, which must have that many bytes there.
func (p *File) Read(b []byte, offset int64) error {
	err := p.read(b, offset)
	if changed := p.unchanged(); changed != nil {
		return changed
	}
	return err
}

// read is Read for those that look at the end whether somebody wrote meanwhile.
func (p *File) read(b []byte, offset int64) error {
	if offset > p.size || int64(len(b)) > p.size-offset {
		return p.bad("%d bytes at %d lie outside the file, which has %d; it is cut off or damaged", len(b), offset, p.size)
	}
	if n, err := p.data.ReadAt(b, offset); n < len(b) {
		return fmt.Errorf("reading %s: %w", p.name, err)
	}
	return nil
}

// Walk visits the entries in key order with the place of their values. key is valid during the visit.
func (p *File) Walk(visit func(key []byte, offset, length int64) error) error {
	if p.root == noRoot {
		if p.entries != 0 {
			return p.bad("an empty tree that claims %d entries", p.entries)
		}
		return nil
	}
	w := walk{File: p, visit: visit}
	err := w.descend(p.root, 1)
	if changed := p.unchanged(); changed != nil {
		return changed // and that is why the rest looked damaged, if it did
	}
	if err != nil {
		return err
	}
	if w.seen != p.entries {
		return p.bad("%d entries, but the header claims %d", w.seen, p.entries)
	}
	return nil
}

// walk is a Walk in progress. Keys must ascend strictly, so no page counts twice, and keys and values together take no more than the file: a
// hostile tree can neither make it long nor give the same megabyte to a hundred thousand keys.
type walk struct {
	*File
	visit func(key []byte, offset, length int64) error
	last  []byte
	seen  uint64
	taken int64                // bytes of nodes, keys and values
	pages [maxDepth + 1][]byte // a buffer for each level
}

func (w *walk) descend(number uint64, level int) error {
	if level > w.depth {
		return w.bad("page %d is on level %d of a tree of %d", number, level, w.depth)
	}
	if number > uint64(w.size/w.page) {
		return w.bad("page %d lies outside the file, which has %d bytes; it is cut off or damaged", number, w.size)
	}
	if w.pages[level] == nil {
		w.pages[level] = make([]byte, w.page)
	}
	page, start := w.pages[level], int64(number)*w.page
	if err := w.read(page, start); err != nil {
		return err
	}
	flags, lower := binary.LittleEndian.Uint16(page[10:]), int(binary.LittleEndian.Uint16(page[12:]))
	wanted := uint16(branchPage)
	if level == w.depth {
		wanted = leafPage
	}
	if binary.LittleEndian.Uint64(page) != number || flags != wanted || lower <= headerSize || lower > len(page) || lower%2 != 0 {
		return w.bad("page %d is damaged: its header is %x", number, page[:headerSize])
	}
	for at := headerSize; at < lower; at += 2 {
		node := int(binary.LittleEndian.Uint16(page[at:]))
		if node < lower || node > len(page)-nodeSize {
			return w.bad("page %d is damaged: a node at byte %d of the page", number, node)
		}
		size := uint32(binary.LittleEndian.Uint16(page[node:])) | uint32(binary.LittleEndian.Uint16(page[node+2:]))<<16
		flags := binary.LittleEndian.Uint16(page[node+4:])
		value := node + nodeSize + int(binary.LittleEndian.Uint16(page[node+6:]))
		if value > len(page) {
			return w.bad("page %d is damaged: the key at byte %d runs over its end", number, node)
		}
		var err error
		if level < w.depth { // a branch's node is a page number of 48 bits
			err = w.descend(uint64(size)|uint64(flags)<<32, level+1)
		} else {
			err = w.entry(number, page, page[node+nodeSize:value], start, value, size, flags)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// entry visits one node of a leaf, whose value begins at byte value of the page or on pages of its own.
func (w *walk) entry(number uint64, page, key []byte, start int64, value int, size uint32, flags uint16) error {
	if w.seen > 0 && bytes.Compare(key, w.last) <= 0 {
		return w.bad("page %d is damaged: key %.20q follows %.20q", number, key, w.last)
	}
	w.last = append(w.last[:0], key...)
	w.seen++
	offset := start + int64(value)
	switch {
	case flags == ownDatabase:
		return fmt.Errorf("%w: %s: the value of key %.40q is a database of that name: named databases are not read; put the entries into the main one", ErrFormat, w.name, key)
	case flags == 0 && int64(size) > int64(len(page)-value), flags == valueOnPages && value+8 > len(page), flags > valueOnPages:
		return w.bad("page %d is damaged: the value of key %.20q", number, key)
	case flags == valueOnPages:
		first := binary.LittleEndian.Uint64(page[value:])
		if first > uint64(w.size/w.page) {
			return w.bad("the value of key %.20q is on page %d, outside the file of %d bytes; it is cut off or damaged", key, first, w.size)
		}
		header := make([]byte, headerSize)
		if err := w.read(header, int64(first)*w.page); err != nil {
			return err
		}
		if binary.LittleEndian.Uint64(header) != first || binary.LittleEndian.Uint16(header[10:]) != overflowPage {
			return w.bad("page %d, with the value of key %.20q, is damaged: its header is %x", first, key, header)
		}
		offset = int64(first)*w.page + headerSize
	}
	if int64(size) > w.size-offset {
		return w.bad("the value of key %.20q has %d bytes at %d, outside the file of %d; it is cut off or damaged", key, size, offset, w.size)
	}
	if w.taken += nodeSize + int64(len(key)) + int64(size); w.taken > w.size {
		return w.bad("keys and values up to %.20q have %d bytes together, and the file has %d: several keys share a place", key, w.taken, w.size)
	}
	return w.visit(key, offset, int64(size))
}
