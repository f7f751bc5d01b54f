package pytorch

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"strings"
	"sync"

	"clipnb/clipkit/internal/pickle"
	"clipnb/clipkit/weights/tensor"
)

// The zip container of PyTorch 1.6 and later: <top>/data.pkl, a pickle whose persistent ids name the storages <top>/data/<key>, which lie
// uncompressed in the archive. A storage is compared with its checksum when it is first used: before, that would read the whole file.

const (
	maxRatio  = 20       // times that a compressed pickle may grow when it is unpacked
	maxPickle = 64 << 20 // bytes that a compressed pickle may unpack to

	maxEntries   = 2 * tensor.MaxCount // of an archive: a file for each tensor, and the code of a TorchScript archive
	maxDirectory = 16 << 20            // bytes of its list of entries
)

// directoryReader ends the list of entries at maxDirectory: the number that the archive announces may be a lie, and 46 bytes of the list take 300 in
// memory.
type directoryReader struct {
	*bytes.Reader
	left int
}

var errDirectory = fmt.Errorf("a zip archive whose list of entries is longer than %d MiB", maxDirectory>>20)

func (d *directoryReader) ReadAt(p []byte, at int64) (int, error) {
	if d.left -= len(p); d.left < 0 {
		return 0, errDirectory
	}
	return d.Reader.ReadAt(p, at)
}

type archive struct {
	data  []byte
	top   string // "archive/"
	files map[string]*zip.File

	storages map[string]*storage // by key, so that each is compared with its checksum once
}

func readZip(data []byte) (any, error) {
	in := &directoryReader{bytes.NewReader(data), maxDirectory}
	z, err := zip.NewReader(in, int64(len(data)))
	if errors.Is(err, errDirectory) {
		return nil, errDirectory
	}
	if err != nil {
		return nil, fmt.Errorf("a zip archive that is damaged or cut: %w", err)
	}
	if len(z.File) > maxEntries {
		return nil, fmt.Errorf("a zip archive of %d entries, want at most %d", len(z.File), maxEntries)
	}
	in.left = math.MaxInt
	a := archive{data: data, files: map[string]*zip.File{}, storages: map[string]*storage{}}
	for _, f := range z.File {
		if a.files[f.Name] != nil {
			return nil, fmt.Errorf("the zip archive has two entries %.100q", f.Name)
		}
		a.files[f.Name] = f
		if top, ok := strings.CutSuffix(f.Name, "data.pkl"); ok && strings.Count(f.Name, "/") == 1 && strings.HasSuffix(top, "/") {
			if a.top != "" {
				return nil, fmt.Errorf("the zip archive has two pickles: %.100q and %.100q", a.top+"data.pkl", f.Name)
			}
			a.top = top
		}
	}
	if a.top == "" {
		first := "nothing"
		if len(z.File) > 0 {
			first = fmt.Sprintf("%.100q", z.File[0].Name)
		}
		return nil, fmt.Errorf("a zip archive that torch.save did not write: no <name>/data.pkl; it begins with %s", first)
	}
	if f := a.files[a.top+"byteorder"]; f != nil {
		order, err := a.small(f)
		if err != nil {
			return nil, err
		}
		if string(order) != "little" {
			return nil, fmt.Errorf("its byte order is %.20q: only little-endian files are read; load and save it on an ordinary machine", order)
		}
	}
	program, err := a.small(a.files[a.top+"data.pkl"])
	if err != nil {
		return nil, err
	}
	script := a.files[a.top+"constants.pkl"] != nil // TorchScript
	r := pickle.Reader{Find: findGlobal(script), Persistent: a.storage}
	v, n, err := r.Read(program)
	if err != nil {
		return nil, explain(err)
	}
	if n != len(program) {
		return nil, fmt.Errorf("%d bytes follow the pickle in data.pkl", len(program)-n)
	}
	return v, nil
}

// storage finds what a persistent id stands for: ("storage", type, key, location, number of elements).
func (a *archive) storage(id any) (any, error) {
	t, ok := id.(pickle.Tuple)
	if !ok || len(t) != 5 {
		return nil, errors.New("a persistent id that is no storage")
	}
	dtype, key, numel, err := storageID(t)
	if err != nil {
		return nil, err
	}
	f := a.files[a.top+"data/"+key]
	if f == nil {
		return nil, fmt.Errorf("storage %.40q is not in the archive", key)
	}
	if f.Method != zip.Store {
		return nil, fmt.Errorf("storage %.40q is compressed: unpack the archive and pack it without compression, or load and save it with PyTorch", key)
	}
	b, err := a.stored(f)
	if err != nil {
		return nil, err
	}
	if len(b)%tensor.ElementSize(dtype) != 0 || len(b)/tensor.ElementSize(dtype) != numel {
		return nil, fmt.Errorf("storage %.40q has %d bytes, want %d elements of %s", key, len(b), numel, dtype)
	}
	s := a.storages[key]
	if s == nil || s.dtype != dtype {
		s = &storage{dtype: dtype, numel: numel, data: b, check: a.checksum(f, b)}
		a.storages[key] = s
	}
	return s, nil
}

// stored is the bytes of an uncompressed entry, where they lie in the archive.
func (a *archive) stored(f *zip.File) ([]byte, error) {
	at, err := f.DataOffset()
	if err != nil {
		return nil, fmt.Errorf("entry %.100q: %w", f.Name, err)
	}
	size := f.UncompressedSize64
	if at < 0 || at > int64(len(a.data)) || size > uint64(len(a.data))-uint64(at) || size != f.CompressedSize64 {
		return nil, fmt.Errorf("entry %.100q claims %d bytes at byte %d of %d", f.Name, size, at, len(a.data))
	}
	return a.data[at : at+int64(size) : at+int64(size)], nil
}

// checksum gives what compares a storage with its checksum, once. PyTorch writes none, which is 0, where torch.serialization.set_crc32_options(False) says
// so.
func (a *archive) checksum(f *zip.File, data []byte) func() error {
	if f.CRC32 == 0 {
		return nil
	}
	return sync.OnceValue(func() error {
		if got := crc32.ChecksumIEEE(data); got != f.CRC32 {
			return fmt.Errorf("%w: entry %.100q has checksum %08x, the archive says %08x: the file is damaged; copy or download it again", tensor.ErrFormat, f.Name, got, f.CRC32)
		}
		return nil
	})
}

// small reads an entry that may be compressed, and compares it with its checksum.
func (a *archive) small(f *zip.File) ([]byte, error) {
	if f.Method == zip.Store {
		b, err := a.stored(f)
		if err == nil && crc32.ChecksumIEEE(b) != f.CRC32 {
			err = fmt.Errorf("entry %.100q: %w", f.Name, zip.ErrChecksum)
		}
		return b, err
	}
	if f.UncompressedSize64 > maxPickle || f.UncompressedSize64/maxRatio > f.CompressedSize64 {
		return nil, fmt.Errorf("entry %.100q claims to unpack from %d to %d bytes: more than %d-fold or than %d MiB",
			f.Name, f.CompressedSize64, f.UncompressedSize64, maxRatio, maxPickle>>20)
	}
	if f.CompressedSize64 > uint64(len(a.data)) {
		return nil, fmt.Errorf("entry %.100q claims %d bytes of %d", f.Name, f.CompressedSize64, len(a.data))
	}
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("entry %.100q: %w", f.Name, err)
	}
	defer r.Close()
	b := make([]byte, f.UncompressedSize64)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, fmt.Errorf("entry %.100q: %w", f.Name, err)
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		return nil, fmt.Errorf("entry %.100q is longer than it says, or damaged (%v)", f.Name, err)
	}
	return b, nil
}

// explain adds to the error of a forbidden name what it most often means.
func explain(err error) error {
	if errors.Is(err, pickle.ErrGlobal) {
		return fmt.Errorf("%w; a state dict holds tensors and numbers only. If this is the class of a model, the whole model was saved: "+
			"save model.state_dict() instead. Nothing in the file was executed", err)
	}
	return err
}
