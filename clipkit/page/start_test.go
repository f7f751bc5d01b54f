package page

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// heard is what was written, for two goroutines.
type heard struct {
	mu   sync.Mutex
	text strings.Builder
}

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.Write(p)
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.String()
}

// Of a page that takes long to start one reads what its process says, once and in order; of one that starts at once nothing.
func TestFollow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.log")
	if err := os.WriteFile(path, []byte("warming up 1/5"), 0o600); err != nil {
		t.Fatal(err)
	}
	var quick, slow heard
	follow(path, &quick, time.Hour)()
	if quick.String() != "" {
		t.Errorf("%q", quick.String())
	}
	stop := follow(path, &slow, time.Millisecond)
	for !strings.Contains(slow.String(), "1/5") {
		time.Sleep(time.Millisecond)
	}
	log, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = log.WriteString("\rwarming up 5/5")
		log.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	for !strings.Contains(slow.String(), "5/5") {
		time.Sleep(time.Millisecond)
	}
	stop()
	if slow.String() != "warming up 1/5\rwarming up 5/5\n" {
		t.Errorf("%q", slow.String())
	}
}
