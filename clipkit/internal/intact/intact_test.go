package intact

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// fault 9, 19.4
func TestVerify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "模型 b.pt")
	put(t, path, "weights")
	if err := Verify(path); err != nil {
		t.Errorf("without a hash: %v", err)
	}
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte("weights")))
	other := fmt.Sprintf("%x", sha256.Sum256(nil))
	for note, good := range map[string]bool{
		sum + "  模型 b.pt\n":                               true,
		sum + " *模型 b.pt\n":                               true,
		strings.ToUpper(sum) + "\n":                       true,
		other + "  config.json\n" + sum + "  模型 b.pt\r\n": true,
		other + "  模型 b.pt\n":                             false,
		sum + "  c.pt\n":                                  false,
		"":                                                false,
		"<html>" + sum:                                    false,
		sum[:60] + "  模型 b.pt\n":                          false,
	} {
		put(t, path+hashEnding, note)
		if err := Verify(path); (err == nil) != good || err != nil && (!errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), path)) {
			t.Errorf("%q: error %v", note, err)
		}
	}
}

// A file that was found good is not read again until its size, its time or its hash is another; a flipped bit is found once.
// fault 9, 19.4
func TestVerifyOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.pt")
	put(t, path, "weights")
	put(t, path+hashEnding, fmt.Sprintf("%x  x.pt\n", sha256.Sum256([]byte("weights"))))
	then := time.Now().Add(-time.Hour)
	if err := errors.Join(os.Chtimes(path, then, then), Verify(path)); err != nil {
		t.Fatal(err)
	}
	put(t, path, "weightz")
	if err := os.Chtimes(path, then, then); err != nil {
		t.Fatal(err)
	}
	if err := Verify(path); err != nil {
		t.Errorf("the file was read again though nothing but its bytes tells: %v", err)
	}
	if err := os.Chtimes(path, then, then.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := Verify(path); !errors.Is(err, ErrDamaged) {
		t.Errorf("a flipped bit: %v", err)
	}
	moved, err := Quarantine(path)
	if err != nil {
		t.Fatal(err)
	}
	left, _ := os.ReadDir(filepath.Dir(path))
	if len(left) != 1 || filepath.Join(filepath.Dir(path), left[0].Name()) != moved {
		t.Errorf("moved to %s, left %v", moved, left)
	}
	if err := Verify(path); err != nil {
		t.Errorf("a file that is not there has no hash: %v", err)
	}
}
