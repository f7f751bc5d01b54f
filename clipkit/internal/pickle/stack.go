package pickle

import (
	"encoding/binary"
	"fmt"
	"strconv"
)

func (m *machine) push(v any) error {
	m.stack = append(m.stack, v)
	m.left -= slotMemory
	return nil
}

// top is the last value above the last mark.
func (m *machine) top() (any, error) {
	floor := 0
	if n := len(m.marks); n > 0 {
		floor = m.marks[n-1]
	}
	if len(m.stack) == floor {
		return nil, bad("the stack is empty")
	}
	return m.stack[len(m.stack)-1], nil
}

func (m *machine) pop() (any, error) {
	v, err := m.top()
	if err == nil {
		m.stack = m.stack[:len(m.stack)-1]
	}
	return v, err
}

// popMark removes what was pushed since the last mark, and gives a copy of it.
func (m *machine) popMark() ([]any, error) {
	n := len(m.marks)
	if n == 0 {
		return nil, bad("no mark is open")
	}
	from := m.marks[n-1]
	items := append([]any(nil), m.stack[from:]...)
	m.left -= slotMemory * len(items)
	m.stack, m.marks = m.stack[:from], m.marks[:n-1]
	return items, nil
}

// popN removes the last n values, and gives a copy of them.
func (m *machine) popN(n int) ([]any, error) {
	items := make([]any, n)
	m.left -= slotMemory * n
	for i := range n {
		v, err := m.pop()
		if err != nil {
			return nil, err
		}
		items[n-1-i] = v
	}
	return items, nil
}

// container makes tuples, lists, dicts and sets and fills them.
func (m *machine) container(op byte) (err error) {
	var items []any
	switch op {
	case ')', 0x85, 0x86, 0x87: // EMPTY_TUPLE, TUPLE1, TUPLE2, TUPLE3
		items, err = m.popN(map[byte]int{')': 0, 0x85: 1, 0x86: 2, 0x87: 3}[op])
	case 'a': // APPEND
		items, err = m.popN(1)
	case 's': // SETITEM
		items, err = m.popN(2)
	case 't', 'l', 'd', 'e', 'u', 0x90, 0x91: // TUPLE, LIST, DICT, APPENDS, SETITEMS, ADDITEMS, FROZENSET
		items, err = m.popMark()
	}
	if err != nil {
		return err
	}
	m.left -= objectMemory
	switch op {
	case ')', 0x85, 0x86, 0x87, 't':
		return m.push(Tuple(items))
	case ']', 'l':
		return m.push(&List{items})
	case 0x8f, 0x91: // EMPTY_SET, FROZENSET
		return m.push(&Set{items})
	case '}', 'd':
		d := &Dict{}
		if err := m.fill(d, items); err != nil {
			return err
		}
		return m.push(d)
	}
	target, err := m.top()
	if err != nil {
		return err
	}
	switch target := target.(type) {
	case *List:
		if op == 'a' || op == 'e' {
			target.Items = append(target.Items, items...)
			return nil
		}
	case *Set:
		if op == 0x90 {
			target.Items = append(target.Items, items...)
			return nil
		}
	case *Dict:
		if op == 's' || op == 'u' {
			return m.fill(target, items)
		}
	}
	return bad("a %s is filled like a container of another kind", Kind(target))
}

func (m *machine) fill(d *Dict, items []any) error {
	if len(items)%2 != 0 {
		return bad("a key without a value")
	}
	for i := 0; i < len(items); i += 2 {
		if m.left -= entryMemory; d.Len() == 0 {
			m.left -= firstMemory - entryMemory
		}
		if m.left < 0 { // before a long list of entries has taken it
			return errMemory
		}
		if err := d.Set(items[i], items[i+1]); err != nil {
			return err
		}
	}
	return nil
}

// remember stores values in the memo and takes them from it: PUT, BINPUT, LONG_BINPUT, MEMOIZE, GET, BINGET, LONG_BINGET.
func (m *machine) remember(op byte) error {
	var key uint32
	switch op {
	case 'q', 'h', 'r', 'j':
		b, err := m.take(width[op])
		if err != nil {
			return err
		}
		var v [4]byte
		copy(v[:], b)
		key = binary.LittleEndian.Uint32(v[:])
	case 'p', 'g':
		s, err := m.line(20)
		if err != nil {
			return err
		}
		n, err := strconv.ParseUint(s, 10, 32)
		if err != nil {
			return bad("memo number %q", s)
		}
		key = uint32(n)
	default:
		key = uint32(len(m.memo))
	}
	if op == 'g' || op == 'h' || op == 'j' {
		v, ok := m.memo[key]
		if !ok {
			return bad("memo %d is empty", key)
		}
		return m.push(v)
	}
	v, err := m.top()
	if err == nil {
		m.left -= objectMemory
		m.memo[key] = v
	}
	return err
}

// refer is everything that goes through the caller's table: GLOBAL, STACK_GLOBAL, REDUCE, NEWOBJ, BUILD, BINPERSID.
func (m *machine) refer(op byte) error {
	m.left -= callMemory
	switch op {
	case 'c', 0x93:
		return m.global(op)
	case 'Q':
		id, err := m.pop()
		if err != nil {
			return err
		}
		if m.Persistent == nil {
			return bad("a persistent id")
		}
		v, err := m.Persistent(id)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrPickle, err)
		}
		return m.push(v)
	}
	pair, err := m.popN(2)
	if err != nil {
		return err
	}
	if op == 'b' {
		if b, ok := pair[0].(Builder); ok {
			if err := b.Build(pair[1]); err != nil {
				return fmt.Errorf("%w: %w", ErrPickle, err)
			}
		}
		return m.push(pair[0])
	}
	g, ok := pair[0].(*Global)
	args, isTuple := pair[1].(Tuple)
	if !ok || !isTuple || g.call == nil {
		return bad("a %s is called with a %s", Kind(pair[0]), Kind(pair[1]))
	}
	v, err := g.call(args)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrPickle, g.Name, err)
	}
	return m.push(v)
}

func (m *machine) global(op byte) error {
	var module, name string
	if op == 'c' {
		var err error
		if module, err = m.line(maxName); err != nil {
			return err
		}
		if name, err = m.line(maxName); err != nil {
			return err
		}
	} else {
		pair, err := m.popN(2)
		if err != nil {
			return err
		}
		var ok1, ok2 bool
		module, ok1 = pair[0].(string)
		name, ok2 = pair[1].(string)
		if !ok1 || !ok2 || len(module) > maxName || len(name) > maxName {
			return bad("a name is made of a %s and a %s", Kind(pair[0]), Kind(pair[1]))
		}
	}
	full := module + "." + name
	if m.Find != nil {
		if call, ok := m.Find(full); ok {
			return m.push(&Global{full, call})
		}
	}
	return fmt.Errorf("%w: %q", ErrGlobal, full)
}
