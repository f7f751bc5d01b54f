package pytorch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"

	"clipnb/clipkit/internal/pickle"
	"clipnb/clipkit/weights/tensor"
)

// The container of PyTorch before 1.6: five pickles (a magic number, a version, facts about the machine, the value, the keys of the
// storages), then for each key eight bytes with the number of elements, and the elements.

var legacyMagic, _ = new(big.Int).SetString("1950a86a20f9469cfc6c", 16)

const legacyVersion = 1001

type legacy struct {
	rest     []byte              // of the file
	storages map[string]*storage // by key, without those that are a part of another
}

func readLegacy(data []byte) (any, error) {
	l := &legacy{rest: data, storages: map[string]*storage{}}
	magic, err := l.next(pickle.Reader{}, "the magic number")
	if err != nil {
		return nil, err
	}
	if n, ok := magic.(*big.Int); !ok || n.Cmp(legacyMagic) != 0 {
		return nil, fmt.Errorf("a pickle that torch.save did not write: it begins with a %s", pickle.Kind(magic))
	}
	version, err := l.next(pickle.Reader{}, "the version")
	if err != nil {
		return nil, err
	}
	if version != any(int64(legacyVersion)) {
		return nil, fmt.Errorf("an unknown version of the legacy container, want %d", legacyVersion)
	}
	machine, err := l.next(pickle.Reader{}, "the machine's properties")
	if err != nil {
		return nil, err
	}
	facts, ok := machine.(*pickle.Dict)
	if !ok {
		return nil, fmt.Errorf("the machine's properties are a %s, want a dict", pickle.Kind(machine))
	}
	if little, ok := facts.Get("little_endian"); !ok || little != any(true) {
		return nil, errors.New("it was written on a big-endian machine: only little-endian files are read; load and save it on an ordinary machine")
	}
	value, err := l.next(pickle.Reader{Find: findGlobal(false), Persistent: l.storage}, "the value")
	if err != nil {
		return nil, explain(err)
	}
	keys, err := l.next(pickle.Reader{}, "the keys of the storages")
	if err != nil {
		return nil, err
	}
	list, ok := keys.(*pickle.List)
	if !ok {
		return nil, fmt.Errorf("the keys of the storages are a %s, want a list", pickle.Kind(keys))
	}
	return value, l.fill(list.Items)
}

func (l *legacy) next(r pickle.Reader, what string) (any, error) {
	v, n, err := r.Read(l.rest)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", what, err)
	}
	l.rest = l.rest[n:]
	return v, nil
}

// storage finds what a persistent id stands for: ("storage", type, key, location, number of elements, and either nil or what part of it is
// meant, (key of the part, offset, number of elements)).
func (l *legacy) storage(id any) (any, error) {
	t, ok := id.(pickle.Tuple)
	if !ok || len(t) < 5 || len(t) > 6 {
		return nil, errors.New("a persistent id that is no storage: a whole model was saved; save model.state_dict() instead")
	}
	dtype, key, numel, err := storageID(t)
	if err != nil {
		return nil, err
	}
	s := l.storages[key]
	if s == nil {
		s = &storage{dtype: dtype, numel: numel}
		l.storages[key] = s
	}
	if s.dtype != dtype || s.numel != numel {
		return nil, fmt.Errorf("storage %.40q is described in two ways", key)
	}
	if len(t) == 5 || t[5] == nil {
		return s, nil
	}
	part, ok := t[5].(pickle.Tuple)
	if !ok || len(part) != 3 {
		return nil, errors.New("a part of a storage without (key, offset, size)")
	}
	skip, ok1 := part[1].(int64)
	n, ok2 := part[2].(int64)
	if !ok1 || !ok2 || skip < 0 || n < 0 || skip > int64(numel) || n > int64(numel)-skip {
		return nil, fmt.Errorf("a part of storage %.40q that does not lie in its %d elements", key, numel)
	}
	return &storage{dtype: dtype, numel: int(n), base: s, skip: int(skip)}, nil
}

// fill gives the storages their bytes, which follow the pickle in the order of keys.
func (l *legacy) fill(keys []any) error {
	for _, k := range keys {
		key, _ := k.(string)
		s := l.storages[key]
		if s == nil || s.data != nil {
			return fmt.Errorf("the data of a storage %.40q that no tensor uses, or for the second time", key)
		}
		size := tensor.ElementSize(s.dtype)
		if len(l.rest) < 8 {
			return fmt.Errorf("the file is cut before storage %.40q", key)
		}
		n := binary.LittleEndian.Uint64(l.rest)
		l.rest = l.rest[8:]
		if n != uint64(s.numel) || n > uint64(len(l.rest)/size) {
			return fmt.Errorf("storage %.40q has %d elements of %s, want %d; %d bytes are left in the file", key, n, s.dtype, s.numel, len(l.rest))
		}
		end := s.numel * size
		s.data, l.rest = l.rest[:end:end], l.rest[end:]
	}
	for key, s := range l.storages {
		if s.data == nil {
			return fmt.Errorf("the data of storage %.40q is missing", key)
		}
	}
	if len(l.rest) > 0 {
		return fmt.Errorf("%d bytes follow the last storage", len(l.rest))
	}
	return nil
}
