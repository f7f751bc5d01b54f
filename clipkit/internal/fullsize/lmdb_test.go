package fullsize_test

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Flickr30k-CN's train split.
const (
	flickrPictures = 29_783
	flickrCaptions = 5 // of each
)

// TestLMDB prints what "clipkit lmdb" takes to build the LMDB of a split of Flickr30k-CN's size: seconds of both cores together, and peak memory.
// Where CN_CLIP is a checkout of Chinese-CLIP and CLIPKIT_LMDB_PYTHON names a python with lmdb and tqdm, the reference's
// cn_clip/preprocess/build_lmdb_dataset.py builds it too, in turns, and must not have taken less of either.
func TestLMDB(t *testing.T) {
	if !*full {
		t.Skip("asked for by -full: takes 5 GB of disk")
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "clipkit")
	if said, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "clipnb/clipkit/cmd/clipkit").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	writeFlickrSized(t, dir)
	out := filepath.Join(dir, "lmdb")
	flags := []string{"--data_dir", dir, "--splits", "train", "--lmdb_dir", out}
	ours := func() cost {
		return taken(t, out, exec.CommandContext(t.Context(), program, append([]string{"lmdb"}, flags...)...))
	}
	checkout, python := os.Getenv("CN_CLIP"), os.Getenv("CLIPKIT_LMDB_PYTHON")
	if checkout == "" || python == "" {
		t.Logf("clipkit lmdb: %v; CN_CLIP and CLIPKIT_LMDB_PYTHON are not set, so nothing to compare with", ours())
		return
	}
	script := filepath.Join(checkout, "cn_clip", "preprocess", "build_lmdb_dataset.py")
	var own, theirs []cost
	for range 3 {
		theirs = append(theirs, taken(t, out, exec.CommandContext(t.Context(), python, append([]string{script}, flags...)...)))
		own = append(own, ours())
		t.Logf("build_lmdb_dataset.py: %v; clipkit lmdb: %v", theirs[len(theirs)-1], own[len(own)-1])
	}
	a, b := least(own), least(theirs)
	t.Logf("least of three: build_lmdb_dataset.py %v; clipkit lmdb %v", b, a)
	if a.cpu > b.cpu || a.peakMB > b.peakMB {
		t.Errorf("clipkit lmdb takes more than the reference's script")
	}
}

type cost struct {
	cpu    time.Duration // user and system
	peakMB int
}

func (c cost) String() string { return fmt.Sprintf("%.1f CPU-s, %d MB", c.cpu.Seconds(), c.peakMB) }

func least(costs []cost) cost {
	least := costs[0]
	for _, c := range costs {
		least.cpu, least.peakMB = min(least.cpu, c.cpu), min(least.peakMB, c.peakMB)
	}
	return least
}

// taken runs a program that writes out, which is taken away before. A process that exec made counts the peak of the one that it was made by in its own
// (getrusage), so the peak is asked of the kernel while it runs.
func taken(t *testing.T, out string, c *exec.Cmd) (took cost) {
	if err := os.RemoveAll(out); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	c.Stdout, c.Stderr = &said, &said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	for {
		select {
		case err := <-ended:
			if err != nil {
				t.Fatalf("%v: %v\n%s", c, err, said.String())
			}
			took.cpu = c.ProcessState.UserTime() + c.ProcessState.SystemTime()
			return took
		case <-time.After(20 * time.Millisecond):
			status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.Process.Pid)) // nothing once it has ended
			if _, after, ok := strings.Cut(string(status), "VmHWM:"); ok {
				var kB int
				fmt.Sscan(after, &kB)
				took.peakMB = max(took.peakMB, kB/1024)
			}
		}
	}
}

// writeFlickrSized writes train_imgs.tsv with random bytes for pictures, of the size of Flickr30k's and no two alike, and train_texts.jsonl.
func writeFlickrSized(t *testing.T, dir string) {
	rng := rand.NewChaCha8([32]byte{1})
	create := func(name string, line func(w *bufio.Writer, i int)) {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		w := bufio.NewWriterSize(f, 1<<20)
		for i := range flickrPictures {
			line(w, i)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var encoded []byte
	create("train_imgs.tsv", func(w *bufio.Writer, i int) {
		picture := make([]byte, 30_000+rng.Uint64()%13_000)
		rng.Read(picture)
		picture[0] = 0xff // as a JPEG begins; two random bytes may be those of a Python literal, which is refused
		encoded = base64.StdEncoding.AppendEncode(encoded[:0], picture)
		fmt.Fprintf(w, "%d\t%s\n", 1_000_000_007*uint64(i+1), encoded)
	})
	create("train_texts.jsonl", func(w *bufio.Writer, i int) {
		for k := range flickrCaptions {
			fmt.Fprintf(w, `{"text_id": %d, "text": "第%d张照片里，两个人在公园的长椅上坐着看书（%d）", "image_ids": [%d]}`+"\n", flickrCaptions*i+k, i, k, 1_000_000_007*uint64(i+1))
		}
	})
}
