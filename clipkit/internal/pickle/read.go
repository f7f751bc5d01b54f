package pickle

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"unicode/utf8"
)

const (
	maxMarks = 1000 // containers that are begun and not finished
	maxName  = 512  // bytes of a global's name
	maxLine  = 1024 // bytes of a number in protocol 0

	maxMemory = 128 << 20 // bytes that the values of one pickle may take; a checkpoint of the largest model takes about 5 MB
)

// What values take, in bytes, with what their growth leaves behind.
const (
	slotMemory   = 32  // a place on the stack, in a tuple or a list
	objectMemory = 64  // a container without what is in it, a name, an entry of the memo
	firstMemory  = 400 // the first entry of a dictionary, which makes room for eight
	entryMemory  = 112 // any other
	callMemory   = 256 // what the caller's functions make
)

// width in bytes of the number, or of the length, that follows an opcode.
var width = [256]int{
	'K': 1, 'M': 2, 'J': 4, 'G': 8, // BININT1, BININT2, BININT, BINFLOAT
	0x8a: 1, 0x8b: 4, // LONG1, LONG4
	'C': 1, 'B': 4, 0x8e: 8, 0x96: 8, // SHORT_BINBYTES, BINBYTES, BINBYTES8, BYTEARRAY8
	0x8c: 1, 'X': 4, 0x8d: 8, // SHORT_BINUNICODE, BINUNICODE, BINUNICODE8
	0x95: 8,                         // FRAME
	'q':  1, 'h': 1, 'r': 4, 'j': 4, // BINPUT, BINGET, LONG_BINPUT, LONG_BINGET
}

// Reader says what a pickle may refer to. The zero value reads plain data.
type Reader struct {
	Find       func(name string) (Call, bool) // the table of allowed names; one with a nil Call may occur, but not be called
	Persistent func(id any) (any, error)      // what a persistent id stands for
}

// Read interprets the pickle that data begins with and returns its value and its length in bytes.
func (r Reader) Read(data []byte) (value any, n int, err error) {
	m := machine{Reader: r, data: data, memo: map[uint32]any{}, left: maxMemory}
	value, err = m.run()
	if err != nil {
		return nil, 0, fmt.Errorf("%w (byte %d)", err, m.start)
	}
	return value, m.at, nil
}

type machine struct {
	Reader
	data  []byte
	at    int // of the next byte
	start int // of the current opcode
	stack []any
	marks []int // for each open MARK, how many values the stack had
	memo  map[uint32]any
	left  int // bytes of maxMemory
}

func bad(format string, a ...any) error {
	return fmt.Errorf("%w: %s", ErrPickle, fmt.Sprintf(format, a...))
}

func (m *machine) run() (any, error) {
	for {
		m.start = m.at
		if m.at == len(m.data) {
			return nil, bad("it ends without STOP")
		}
		op := m.data[m.at]
		m.at++
		if op == '.' {
			if len(m.stack) != 1 || len(m.marks) != 0 {
				return nil, bad("STOP with %d values and %d marks on the stack", len(m.stack), len(m.marks))
			}
			return m.stack[0], nil
		}
		if err := m.step(op); err != nil {
			return nil, err
		}
		if m.left < 0 {
			return nil, errMemory
		}
	}
}

var errMemory = bad("its values take more than %d MiB of memory; a state dict's take a few", maxMemory>>20)

func (m *machine) step(op byte) error {
	switch op {
	case 0x80: // PROTO
		p, err := m.take(1)
		if err == nil && p[0] > 5 {
			err = bad("protocol %d, want at most 5", p[0])
		}
		return err
	case 0x95: // FRAME
		_, err := m.length(op)
		return err

	case 'N':
		return m.push(nil)
	case 0x88:
		return m.push(true)
	case 0x89:
		return m.push(false)
	case 'K', 'M', 'J', 'G':
		return m.number(op)
	case 0x8a, 0x8b:
		b, err := m.counted(op)
		if err != nil {
			return err
		}
		m.left -= 3 * len(b)
		return m.push(long(b))
	case 'I', 'L', 'F':
		return m.text(op)

	case 0x8c, 'X', 0x8d, 'V':
		return m.unicode(op)
	case 'C', 'B', 0x8e, 0x96:
		b, err := m.counted(op)
		if err != nil {
			return err
		}
		return m.push(b)

	case '(':
		if len(m.marks) == maxMarks {
			return bad("more than %d marks are open", maxMarks)
		}
		m.marks = append(m.marks, len(m.stack))
		return nil
	case '0': // POP takes a mark as well
		if n := len(m.marks); n > 0 && m.marks[n-1] == len(m.stack) {
			m.marks = m.marks[:n-1]
			return nil
		}
		_, err := m.pop()
		return err
	case '1': // POP_MARK
		_, err := m.popMark()
		return err
	case '2': // DUP
		v, err := m.top()
		if err != nil {
			return err
		}
		return m.push(v)

	case ')', 0x85, 0x86, 0x87, 't', ']', 'l', '}', 'd', 'a', 'e', 's', 'u', 0x8f, 0x90, 0x91:
		return m.container(op)
	case 'p', 'q', 'r', 0x94, 'g', 'h', 'j':
		return m.remember(op)
	case 'c', 0x93, 'R', 0x81, 'b', 'Q':
		return m.refer(op)
	}
	return bad("opcode %#02x is not one that state dicts use", op)
}

// number is BININT1, BININT2, BININT and BINFLOAT.
func (m *machine) number(op byte) error {
	b, err := m.take(width[op])
	if err != nil {
		return err
	}
	switch op {
	case 'K':
		return m.push(int64(b[0]))
	case 'M':
		return m.push(int64(binary.LittleEndian.Uint16(b)))
	case 'J':
		return m.push(int64(int32(binary.LittleEndian.Uint32(b))))
	}
	return m.push(math.Float64frombits(binary.BigEndian.Uint64(b)))
}

// text is INT, LONG and FLOAT of protocol 0.
func (m *machine) text(op byte) error {
	line, err := m.line(maxLine)
	if err != nil {
		return err
	}
	if op == 'F' {
		v, err := strconv.ParseFloat(line, 64)
		if err != nil {
			return bad("%q is no float", line)
		}
		return m.push(v)
	}
	switch {
	case op == 'I' && (line == "00" || line == "01"):
		return m.push(line == "01")
	case op == 'L' && len(line) > 0 && line[len(line)-1] == 'L':
		line = line[:len(line)-1]
	}
	if v, err := strconv.ParseInt(line, 10, 64); err == nil {
		return m.push(v)
	}
	v, ok := new(big.Int).SetString(line, 10)
	if !ok {
		return bad("%q is no integer", line)
	}
	return m.push(v)
}

// unicode is SHORT_BINUNICODE, BINUNICODE, BINUNICODE8 and UNICODE.
func (m *machine) unicode(op byte) error {
	if op == 'V' {
		s, err := m.line(len(m.data))
		if err != nil {
			return err
		}
		if s, err = unescape(s); err != nil {
			return err
		}
		m.left -= 8 * len(s)
		return m.push(s)
	}
	b, err := m.counted(op)
	if err != nil {
		return err
	}
	if !utf8.Valid(b) {
		return bad("a str is not UTF-8")
	}
	m.left -= len(b)
	return m.push(string(b))
}

// long is Python's integer of any size: two's complement, little-endian.
func long(b []byte) any {
	if len(b) <= 8 {
		var v [8]byte
		copy(v[:], b)
		if len(b) > 0 && b[len(b)-1]&0x80 != 0 {
			for i := len(b); i < 8; i++ {
				v[i] = 0xff
			}
		}
		return int64(binary.LittleEndian.Uint64(v[:]))
	}
	bigEndian := make([]byte, len(b))
	for i, c := range b {
		bigEndian[len(b)-1-i] = c
	}
	v := new(big.Int).SetBytes(bigEndian)
	if b[len(b)-1]&0x80 != 0 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	if v.IsInt64() {
		return v.Int64()
	}
	return v
}

// unescape undoes \uXXXX, \UXXXXXXXX and \\ of protocol 0; other bytes are Latin-1.
func unescape(s string) (string, error) {
	var out []rune
	for i := 0; i < len(s); i++ {
		digits := 0
		if s[i] == '\\' && i+1 < len(s) {
			digits = map[byte]int{'u': 4, 'U': 8}[s[i+1]]
		}
		if digits == 0 {
			out = append(out, rune(s[i]))
			continue
		}
		if i+2+digits > len(s) {
			return "", bad("a str ends inside an escape")
		}
		v, err := strconv.ParseUint(s[i+2:i+2+digits], 16, 32)
		if err != nil || v > utf8.MaxRune {
			return "", bad("a str holds the escape %q", s[i:i+2+digits])
		}
		out = append(out, rune(v))
		i += 1 + digits
	}
	return string(out), nil
}

// take gives the next n bytes.
func (m *machine) take(n int) ([]byte, error) {
	if n > len(m.data)-m.at {
		return nil, bad("%d bytes are announced, %d are left", n, len(m.data)-m.at)
	}
	b := m.data[m.at : m.at+n : m.at+n]
	m.at += n
	return b, nil
}

// length reads the size that follows op; it must not exceed what is left.
func (m *machine) length(op byte) (int, error) {
	b, err := m.take(width[op])
	if err != nil {
		return 0, err
	}
	var v [8]byte
	copy(v[:], b)
	n := binary.LittleEndian.Uint64(v[:])
	if n > uint64(len(m.data)-m.at) {
		return 0, bad("%d bytes are announced, %d are left", n, len(m.data)-m.at)
	}
	return int(n), nil
}

// counted gives the bytes that follow op: first their number, then they.
func (m *machine) counted(op byte) ([]byte, error) {
	n, err := m.length(op)
	if err != nil {
		return nil, err
	}
	return m.take(n)
}

// line takes what stands before the next line feed, at most limit bytes.
func (m *machine) line(limit int) (string, error) {
	rest := m.data[m.at:]
	rest = rest[:min(len(rest), limit+1)]
	n := bytes.IndexByte(rest, '\n')
	if n < 0 {
		return "", bad("a line does not end within %d bytes", len(rest))
	}
	m.at += n + 1
	return string(rest[:n]), nil
}
