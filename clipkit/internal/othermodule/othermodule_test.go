// Package othermodule_test uses the library as a program in somebody's own module does.
package othermodule_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/internal/limit"
	"clipnb/clipkit/internal/repo"
)

func TestMain(m *testing.M) { limit.Main(m) }

// elsewhere is a program in a module of its own, as README.md describes it.
const elsewhere = `package main

import (
	"context"
	"fmt"

	"clipnb/clipkit"
)

func main() {
	ctx := context.Background()
	data := clipkit.Must(clipkit.OpenDataset(ctx, "emoji"))
	m := clipkit.Must(clipkit.Load(ctx, "emoji"))
	defer m.Close()
	v := clipkit.Must(m.EncodeTexts(ctx, []string{"一只猫"}))
	ix := clipkit.Must(clipkit.BuildIndex(ctx, m, data.Valid))
	fmt.Println(len(v[0]), len(clipkit.Must(ix.SearchText(ctx, "狗", 3))))
}
`

// Another module uses the library through replace or through a workspace. Its program keeps libc's own allocator unless it asks for ours.
func TestUsedFromAnotherModule(t *testing.T) {
	here, dir := repo.Root(), t.TempDir()
	sum, err := os.ReadFile(filepath.Join(here, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"main.go": elsewhere, "go.sum": string(sum)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run := func(name string, args ...string) string {
		t.Helper()
		c := exec.CommandContext(t.Context(), name, args...)
		c.Dir = dir
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	run("go", "mod", "init", "example.com/mine")
	run("go", "work", "init", ".", here)
	run("go", "build", "-o", "by-workspace", ".")
	if err := os.Remove(filepath.Join(dir, "go.work")); err != nil {
		t.Fatal(err)
	}
	run("go", "mod", "edit", "-replace=clipnb="+here, "-require=clipnb@v0.0.0")
	run("go", "mod", "tidy")
	run("go", "build", "-o", "mine", ".")
	if said := run("./mine"); !strings.HasSuffix(strings.TrimSpace(said), "256 3") {
		t.Errorf("the program says %q", said)
	}
	for line := range strings.Lines(run("go", "tool", "nm", "mine")) {
		if f := strings.Fields(line); len(f) == 3 && f[1] == "T" && slices.Contains([]string{"free", "realloc", "posix_memalign", "malloc_usable_size"}, f[2]) {
			t.Errorf("the program defines %s", f[2])
		}
	}
}
