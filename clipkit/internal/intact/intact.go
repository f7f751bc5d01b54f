// Package intact tells whether a downloaded file still has the bytes that arrived. A download leaves their SHA-256 beside the file, as sha256sum writes it:
//
//	pretrained_weights/x.pt
//	pretrained_weights/x.pt.sha256             6a1f…  x.pt
//	pretrained_weights/x.pt.sha256.checked     written here: the file of this size and time has it
//
//	err := intact.Verify("pretrained_weights/x.pt")      // wraps ErrDamaged; a file without a hash beside it passes
//
// A file is read for it once, and again when its size, its time or the hash beside it is another. Where the folder cannot be written it is read each time.
package intact

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"clipnb/clipkit/internal/atomicfile"
	"clipnb/clipkit/internal/regular"
)

// ErrDamaged is wrapped when a file has another hash than the one beside it.
var ErrDamaged = errors.New("damaged file")

const (
	hashEnding    = ".sha256"
	checkedEnding = ".checked"
	maxNote       = 1 << 20 // bytes of a file of hashes
)

// checked is what is kept of a comparison that went well.
type checked struct {
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
	Time   int64  `json:"time"` // nanoseconds since 1970
}

// Verify compares a file with the hash beside it, if there is one.
func Verify(path string) error {
	want, err := Hash(path)
	if err != nil || want == "" {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("comparing %s with its hash: %w", path, err)
	}
	now := checked{want, info.Size(), info.ModTime().UnixNano()}
	record := path + hashEnding + checkedEnding
	var known checked
	if b, err := regular.ReadFile(record, maxNote); err == nil && json.Unmarshal(b, &known) == nil && known == now {
		return nil
	}
	f, err := regular.Open(path)
	if err != nil {
		return fmt.Errorf("comparing %s with its hash: %w", path, err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return fmt.Errorf("comparing %s with its hash: %w", path, err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		return fmt.Errorf("%w: %s has SHA-256 %.12s…, %s says %.12s…: its bytes have changed since it was downloaded; remove both and download it again", ErrDamaged, path, got, path+hashEnding, want)
	}
	if b, err := json.Marshal(now); err == nil {
		_ = atomicfile.WriteBytes(record, b) // without it the file is read again
	}
	return nil
}

// Hash is the SHA-256 that stands beside a file, in hexadecimal; "" when there is none. Of several lines it is the one with the file's name.
func Hash(path string) (string, error) {
	b, err := regular.ReadFile(path+hashEnding, maxNote)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading the hash of %s: %w", path, err)
	}
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		sum := strings.ToLower(fields[0])
		if _, err := hex.DecodeString(sum); err != nil || len(sum) != 2*sha256.Size {
			break
		}
		if len(fields) == 1 || strings.TrimPrefix(strings.Join(fields[1:], " "), "*") == filepath.Base(path) {
			return sum, nil
		}
	}
	return "", fmt.Errorf("%w: %s has no line <SHA-256>  %s; remove it if the file is known to be good", ErrDamaged, path+hashEnding, filepath.Base(path))
}

// Quarantine moves a damaged file out of the way, and removes the hash beside it, so that it can be downloaded again; it says where the file is now.
func Quarantine(path string) (moved string, err error) {
	moved = path + ".damaged"
	if err := os.Rename(path, moved); err != nil {
		return "", fmt.Errorf("moving the damaged file away: %w", err)
	}
	for _, note := range []string{path + hashEnding, path + hashEnding + checkedEnding} {
		if err := os.Remove(note); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return moved, fmt.Errorf("removing the hash of a damaged file: %w", err)
		}
	}
	return moved, nil
}
