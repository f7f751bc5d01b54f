// Package pickle reads Python's pickles as plain values, and writes them. Nothing is imported and nothing is executed: a pickle is a
// program for a small stack machine, and this machine has no way to call anything but the functions of a table that the caller gives.
//
//	v, n, err := pickle.Reader{}.Read(data) // a pair of the LMDB data set: Tuple{int64(1076345), int64(8428), "高级感托特包斜挎"}
//
//	r := pickle.Reader{Find: func(name string) (pickle.Call, bool) { c, ok := table[name]; return c, ok }}
//	v, n, err = r.Read(data)                // table["collections.OrderedDict"] makes one, "os.system" is ErrGlobal
//
// Python's values become:
//
//	None, bool            nil, bool
//	int                   int64, or *big.Int when it does not fit
//	float, str            float64, string
//	bytes, bytearray      []byte, which points into the input
//	tuple, list, dict     Tuple, *List, *Dict (in order; keys are None, bool, int64, float64 or string)
//	set, frozenset        *Set, of protocol 4 and up; before that they are calls of a name
//	a name like os.path   *Global, if it is in the table
//	a call of a name      what the table's function returned
//	a persistent id       what Reader.Persistent returned
//
// Protocols 0 to 5 are understood, without the opcodes that no state dict holds (Python 2's str and instances, extensions, buffers out
// of band): they are errors that name the opcode. Values may be shared and may even contain themselves, so whoever walks them needs a limit.
//
// Limits: every length is compared with the bytes that are left before memory is taken, values are shared and never copied, marks nest
// 1000 deep at most, and each opcode is at least one byte: memory stays below about 200 times the input, whatever the bytes say. What values take is
// counted besides, and ends at 128 MiB; with what Go's collector has not yet taken back, a process grows by at most 300 MB.
// Errors wrap ErrPickle and give the position.
//
// The library for Go, github.com/nlpodyssey/gopickle v0.2.0, allocated 1 GiB for a pickle of 7 bytes, panicked on a frame of 2⁶³−1 bytes,
// could not read Parameters and numpy's scalars, and copies storages instead of mapping them.
package pickle
