package eval

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"clipnb/clipkit/exchange"
	"clipnb/clipkit/weights"
)

// killedTo makes this test program, started as another process, extract to the file that it names until it is killed.
const killedTo = "CLIPKIT_EVAL_EXTRACT_TO"

// TestExtractionSurvivesKill kills the process without warning (SIGKILL) while it extracts; the next one continues and gives the same features.
func TestExtractionSurvivesKill(t *testing.T) {
	if path := os.Getenv(killedTo); path != "" {
		_, _ = ExtractTo(context.Background(), exchange.Alone, path, tiny(t), "sum", manyOf(fixtureSplit(t, "train"), 960), 52, nil, nil)
		return
	}
	m, s := tiny(t), manyOf(fixtureSplit(t, "train"), 960)
	path := filepath.Join(t.TempDir(), "f")
	child := exec.Command(os.Args[0], "-test.run", "^TestExtractionSurvivesKill$")
	child.Env = append(os.Environ(), killedTo+"="+path)
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	written := func() int64 {
		info, err := os.Stat(path + ".part")
		if err != nil {
			return 0
		}
		return info.Size()
	}
	for deadline := time.Now().Add(time.Minute); written() < 64*32*4*3; time.Sleep(time.Millisecond) { // three batches
		if time.Now().After(deadline) {
			_ = child.Process.Kill()
			t.Fatal("the child wrote nothing in a minute")
		}
	}
	_ = child.Process.Kill()
	_ = child.Wait()

	f, err := newFeatures(m.Config.EmbedDim, s)
	if err != nil {
		t.Fatal(err)
	}
	p, err := openPart(path+".part", OriginOf(m, "sum", s, 52), f)
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
	done := len(f.Images) / f.Dim
	if done < 128 || done%batch != 0 {
		t.Fatalf("%d of %d pictures were kept", done, len(f.ImageIDs))
	}
	got, err := ExtractTo(context.Background(), exchange.Alone, path, m, "sum", s, 52, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if looked := int(s.looked.Load()); looked != len(s.ids)-done {
		t.Errorf("%d pictures were decoded after %d had been kept of %d", looked, done, len(s.ids))
	}
	want, err := Extract(context.Background(), exchange.Alone, m, s, 52, nil, nil)
	if err != nil || !slices.Equal(got.Images, want.Images) || !slices.Equal(got.Texts, want.Texts) {
		t.Errorf("not the features of an undisturbed extraction: %v", err)
	}
	if f, err := weights.Open(path); err != nil {
		t.Error(err)
	} else {
		f.Close()
	}
}
