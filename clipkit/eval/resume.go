package eval

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"
	"unsafe"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/exchange/deal"
	"clipnb/clipkit/internal/regular"
	"clipnb/clipkit/model"

	"github.com/gofrs/flock"
)

// ErrBusy is wrapped when another process extracts to the same file.
var ErrBusy = errors.New("eval: another process is writing these features")

// ExtractTo is Extract that keeps the features in a file. A path that is already complete is only read. While the work lasts, finished batches
// gather in path.part, and an extraction that was killed continues after the last of them, on any number of ranks. Features of another model, split
// or preparation are refused (ErrOtherModel, ErrOtherSplit). Only rank 0 reads and writes the files; they are those of one process to the byte.
// Pictures that were left out are tried again, and those that can be read now are added.
func ExtractTo(ctx context.Context, w exchange.World, path string, m *model.Model, weightsSum string, s dataset.Source, contextLength int, skip *dataset.Skipped, progress func(done, total int)) (*Features, error) {
	origin := OriginOf(m, weightsSum, s, contextLength)
	if err := deal.Same(w, "weights, pictures or captions", origin); err != nil {
		return nil, err
	}
	f, err := newFeatures(m.Config.EmbedDim, s)
	store := func([]float32) error { return nil }
	save := func(bool) error { return nil }
	if w.Rank() == 0 && err == nil {
		kept, missing := loadFor(path, origin)
		if errors.Is(missing, os.ErrNotExist) {
			var part *partFile
			if part, err = openPart(path+".part", origin, f); err == nil {
				defer part.Close()
				store = part.append
				save = func(bool) error {
					if err := f.Save(path, origin); err != nil {
						return err
					}
					return os.Remove(path + ".part")
				}
			}
		} else if f, err = kept, missing; err == nil {
			f.expand(s.ImageIDs())
			save = func(more bool) error {
				if !more {
					return nil
				}
				return f.Save(path, origin)
			}
		}
	}
	if err := exchange.Agree(w, err); err != nil {
		return nil, err
	}
	if err := f.share(w); err != nil {
		return nil, err
	}
	e := extraction{world: w, model: m, source: s, contextLength: contextLength, skip: skip, progress: progress}
	more, err := e.retry(ctx, f)
	if err != nil {
		return nil, err
	}
	if err := e.run(ctx, f, store); err != nil {
		return nil, err
	}
	if err := f.compact(s.Name()); err != nil {
		return nil, err
	}
	if err := exchange.Agree(w, save(more)); err != nil {
		return nil, err
	}
	return f, nil
}

// sharePiece is how many values of features travel at a time.
const sharePiece = 1 << 18

// share gives all ranks the vectors that rank 0 has.
func (f *Features) share(w exchange.World) error {
	have := []int64{int64(len(f.Images)), int64(len(f.Texts))}
	if err := exchange.Share(w, have, 0); err != nil {
		return err
	}
	for i, v := range []*[]float32{&f.Images, &f.Texts} {
		if w.Rank() != 0 {
			*v = make([]float32, have[i])
		}
		for piece := range slices.Chunk(*v, sharePiece) {
			if err := exchange.Share(w, piece, 0); err != nil {
				return err
			}
		}
	}
	return nil
}

func loadFor(path string, want Origin) (*Features, error) {
	f, origin, err := LoadFeatures(path)
	if err != nil {
		return nil, err
	}
	return f, origin.check(path, want)
}

// partFile is an extraction in progress: a line with its Origin, then a record for each batch:
//
//	rows, uint32 · CRC-32C of the values, uint32 · rows × dim float32, all little-endian
//
// Only one process writes it.
type partFile struct {
	file *os.File
	lock *flock.Flock // on the same file
	dim  int
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// openPart opens or creates the file and adds its complete batches to f. What follows the last of them was cut off by a crash and is dropped.
func openPart(path string, origin Origin, f *Features) (*partFile, error) {
	file, err := regular.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		return nil, fmt.Errorf("keeping features: %w", err)
	}
	p := &partFile{file: file, lock: flock.New(path), dim: f.Dim}
	if err := p.resume(path, origin, f); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

func (p *partFile) resume(path string, origin Origin, f *Features) error {
	switch free, err := p.lock.TryLock(); {
	case err != nil:
		return fmt.Errorf("keeping features: locking %s: %w", path, err)
	case !free:
		return fmt.Errorf("%w: %s", ErrBusy, path)
	}
	header, err := json.Marshal(origin)
	if err != nil {
		return err
	}
	found, end, err := readPart(bufio.NewReaderSize(p.file, 1<<20), f)
	switch {
	case err != nil: // a new file, or one that was cut off in its first line
		*f = Features{Dim: f.Dim, ImageIDs: f.ImageIDs, TextIDs: f.TextIDs}
		if err := p.file.Truncate(0); err != nil {
			return fmt.Errorf("keeping features: %w", err)
		}
		if _, err := p.file.WriteAt(append(header, '\n'), 0); err != nil {
			return fmt.Errorf("keeping features: %w", err)
		}
		end = int64(len(header) + 1)
	default:
		if err := found.check(path, origin); err != nil {
			return err
		}
		if err := p.file.Truncate(end); err != nil {
			return fmt.Errorf("keeping features: %w", err)
		}
	}
	_, err = p.file.Seek(end, io.SeekStart)
	return err
}

const maxOrigin = 1 << 16 // bytes of the first line

// readPart adds the whole batches to f and tells where they end. An error means that there is not even a first line.
func readPart(r *bufio.Reader, f *Features) (origin Origin, end int64, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil || len(line) > maxOrigin {
		return origin, 0, fmt.Errorf("%w: no origin in the first line", ErrFeatures)
	}
	if err := json.Unmarshal(line, &origin); err != nil {
		return origin, 0, fmt.Errorf("%w: %v", ErrFeatures, err)
	}
	end = int64(len(line))
	if origin.Dim != f.Dim {
		return origin, end, nil // refused by the caller
	}
	for {
		var head [8]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return origin, end, nil
		}
		rows, sum := int(binary.LittleEndian.Uint32(head[:])), binary.LittleEndian.Uint32(head[4:])
		to, room := &f.Images, min(batch, len(f.ImageIDs)-len(f.Images)/f.Dim)
		if room == 0 {
			to, room = &f.Texts, min(textBatch, len(f.TextIDs)-len(f.Texts)/f.Dim)
		}
		if rows != room || rows == 0 {
			return origin, end, nil
		}
		values := make([]float32, rows*f.Dim)
		data := bytesOf(values)
		if _, err := io.ReadFull(r, data); err != nil || crc32.Checksum(data, castagnoli) != sum {
			return origin, end, nil
		}
		*to = append(*to, values...)
		end += int64(len(head) + len(data))
	}
}

func (p *partFile) append(v []float32) error {
	data := bytesOf(v)
	record := binary.LittleEndian.AppendUint32(nil, uint32(len(v)/p.dim))
	record = binary.LittleEndian.AppendUint32(record, crc32.Checksum(data, castagnoli))
	if _, err := p.file.Write(append(record, data...)); err != nil {
		return fmt.Errorf("keeping features: %w", err)
	}
	return nil
}

func (p *partFile) Close() error { return errors.Join(p.file.Close(), p.lock.Close()) }

// bytesOf is the memory of v: the machines that this runs on are little-endian, as the file is.
func bytesOf(v []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v))
}
