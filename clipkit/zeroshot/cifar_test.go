package zeroshot

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var fineNames = func() (names []string) {
	for i := range cifarClasses {
		names = append(names, fmt.Sprintf("class %d", i))
	}
	return names
}()

// cifarPicture is red from left to right, green from top to bottom, blue the class.
func cifarPicture(class byte) []byte {
	record := []byte{class / 5, class}
	for plane := range 3 {
		for y := range cifarSide {
			for x := range cifarSide {
				record = append(record, [3]byte{byte(x), byte(y), class}[plane])
			}
		}
	}
	return record
}

func TestCIFAR100(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("test.bin", append(cifarPicture(99), cifarPicture(7)...))
	write("fine_label_names.txt", []byte(strings.Join(fineNames, "\n")+"\n"))
	set, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	if set.Len() != 2 || set.Class(0) != 99 || set.Class(1) != 7 || set.Labels()[7] != "class 7" || !strings.HasSuffix(set.Name(), "/test.bin") {
		t.Error(set.Len(), set.Class(0), set.Class(1), set.Name())
	}
	p, err := set.Picture(1)
	if err != nil {
		t.Fatal(err)
	}
	if at := (3*cifarSide + 5) * 3; p.Width != 32 || p.Height != 32 || !bytes.Equal(p.Pix[at:at+3], []byte{5, 3, 7}) {
		t.Error(p.Width, p.Height, p.Pix[at:at+3])
	}
	// Chinese names replace the English ones.
	write("label_cn.txt", []byte(strings.Repeat("类\n", cifarClasses)))
	cn, err := Open(dir)
	if err != nil || cn.Labels()[7] != "类" {
		t.Fatal(err)
	}
	cn.Close()
	write("label_cn.txt", []byte("苹果\n鱼\n"))
	if _, err := Open(dir); !errors.Is(err, ErrInput) || !strings.Contains(err.Error(), "2 labels for the 100 fine classes") {
		t.Error(err)
	}
}

func TestBrokenCIFAR100(t *testing.T) {
	whole := cifarPicture(1)
	for what, x := range map[string]struct {
		data []byte
		says string
	}{
		"cut off":  {whole[:len(whole)-1], "has 3073 bytes, want a multiple of 3074"},
		"empty":    {nil, "has 0 bytes"},
		"cifar-10": {bytes.Repeat(whole[1:], 2), "want a multiple of 3074"},
		"class":    {cifarPicture(100), "picture 0 has the fine class 100"},
	} {
		_, err := newCIFAR100("test.bin", bytes.NewReader(x.data), int64(len(x.data)), fineNames)
		if !errors.Is(err, ErrInput) || !strings.Contains(err.Error(), x.says) {
			t.Errorf("%s: %v; want %q", what, err, x.says)
		}
	}
	if _, err := newCIFAR100("test.bin", nil, cifarRecord*(cifarLimit+1), fineNames); !errors.Is(err, ErrInput) {
		t.Error(err)
	}
	// The file became shorter after it was opened.
	s, err := newCIFAR100("test.bin", bytes.NewReader(whole), int64(len(whole)), fineNames)
	if err != nil {
		t.Fatal(err)
	}
	s.data = bytes.NewReader(whole[:1000])
	if _, err := s.Picture(0); err == nil || !strings.Contains(err.Error(), "picture 0 of test.bin") {
		t.Error(err)
	}
}

func FuzzCIFAR100(f *testing.F) {
	f.Add(cifarPicture(3))
	f.Add(cifarPicture(255))
	f.Add([]byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := newCIFAR100("test.bin", bytes.NewReader(data), int64(len(data)), fineNames)
		if err != nil {
			return
		}
		for i := range s.Len() {
			p, err := s.Picture(i)
			if err != nil || len(p.Pix) != 3*cifarPlane || s.Class(i) >= cifarClasses {
				t.Fatalf("picture %d: %v", i, err)
			}
			if again := append([]byte{data[i*cifarRecord], byte(s.Class(i))}, planesOf(p.Pix)...); !bytes.Equal(again, data[i*cifarRecord:(i+1)*cifarRecord]) {
				t.Errorf("picture %d came back otherwise", i)
			}
		}
	})
}

func planesOf(pix []byte) (planes []byte) {
	for plane := range 3 {
		for at := plane; at < len(pix); at += 3 {
			planes = append(planes, pix[at])
		}
	}
	return planes
}
