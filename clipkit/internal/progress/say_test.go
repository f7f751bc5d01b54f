package progress

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is said while a line of progress stands begins a line of its own, and nothing but a line of progress is ended.
func TestSay(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	was := os.Stderr
	os.Stderr = file
	defer func() { os.Stderr = was }()
	Say("before")
	l := New(os.Stderr, "encoding", 2)
	l.Of(2, 0)
	Say("left out: 1.jpg")
	Say("left out: 2.jpg")
	l.Finish()
	l = New(os.Stderr, "encoding more", 1)
	l.Of(1, 0)
	l.Finish()
	Say("after")
	b, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, line := range strings.Split(strings.TrimSuffix(string(b), "\n"), "\n") {
		lines = append(lines, strings.TrimSpace(line[strings.LastIndex(line, "\r")+1:]))
	}
	text := strings.Join(lines, "\n")
	want := []string{"before", "encoding 100%", "left out: 1.jpg", "left out: 2.jpg", "encoding more 100%", "after"}
	for i, line := range want {
		if len(lines) != len(want) || !strings.HasPrefix(lines[i], line) {
			t.Fatalf("lines\n%s\nwant\n%s", text, strings.Join(want, "\n"))
		}
	}
}
