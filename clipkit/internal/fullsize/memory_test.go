package fullsize_test

import (
	"fmt"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"clipnb/clipkit"
	"clipnb/clipkit/arch"
)

// The tasks of TestMemoryOfViTH14's processes, which CLIPKIT_FULLSIZE names: what one allocates must not count for the other.
const (
	memoryTask = "CLIPKIT_FULLSIZE"
	memoryFile = "CLIPKIT_FULLSIZE_FILE"
)

// Loading the largest model from a .pt in float16, its fingerprint, four pictures and four texts take at most 1.35 times its float32 weights of
// host memory: what is above them is the engine's activations and compiler, and no second copy of the weights.
func TestMemoryOfViTH14(t *testing.T) {
	ctx, path := t.Context(), os.Getenv(memoryFile)
	switch os.Getenv(memoryTask) {
	case "write":
		m := clipkit.Must(clipkit.New(ctx, "ViT-H-14", 1))
		clipkit.Check(m.Save(path, true))
		return
	case "load":
		m := clipkit.Must(clipkit.Load(ctx, path))
		is := clipkit.Must(m.Identity())
		pictures := make([]image.Image, 4)
		for i := range pictures {
			pictures[i] = image.NewRGBA(image.Rect(0, 0, 300+i, 200))
		}
		clipkit.Must(m.EncodeImages(ctx, pictures))
		clipkit.Must(m.EncodeTexts(ctx, []string{"一只猫", "两只狗", "红色的心", "飞机"}))
		fmt.Printf("fingerprint %.12s\npeak %.3f GiB\n", is.Fingerprint, peakGiB(t))
		return
	}
	if !*full {
		t.Skip("asked for by -full: takes 2 GB of disk and 8 of memory")
	}
	path = filepath.Join(t.TempDir(), "ViT-H-14.pt")
	run := func(task string) string {
		program, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		c := exec.CommandContext(ctx, program, "-test.run=^TestMemoryOfViTH14$")
		c.Env = append(os.Environ(), memoryTask+"="+task, memoryFile+"="+path)
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", task, err, out)
		}
		return string(out)
	}
	run("write")
	said := run("load")
	cfg, err := arch.Lookup("ViT-H-14")
	if err != nil {
		t.Fatal(err)
	}
	var sum string
	var peak float64
	if _, err := fmt.Sscanf(said, "fingerprint %s\npeak %f GiB", &sum, &peak); err != nil {
		t.Fatalf("%v in %q", err, said)
	}
	weights := 4 * float64(cfg.NumParams()) / (1 << 30)
	t.Logf("peak %.2f GiB, %.2f times the %.2f GiB of float32 weights", peak, peak/weights, weights)
	if peak > 1.35*weights {
		t.Errorf("peak %.2f GiB, want at most 1.35 × %.2f", peak, weights)
	}
}
