package clipkit_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit"
	"clipnb/clipkit/internal/limit"
)

func TestMain(m *testing.M) { limit.Main(m) }

// The façade is verbs: what a notebook says. Whatever else a user wants is in the package that it belongs to.
func TestFacadeIsSmall(t *testing.T) {
	var names []string
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil {
					names = append(names, d.Name.Name)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch spec := spec.(type) {
					case *ast.TypeSpec:
						names = append(names, spec.Name.Name)
					case *ast.ValueSpec:
						for _, name := range spec.Names {
							names = append(names, name.Name)
						}
					}
				}
			}
		}
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !ast.IsExported(name) })
	if len(names) > 40 || !slices.Contains(names, "Finetune") {
		t.Errorf("%d exported names, at most 40 are a façade: %v", len(names), names)
	}
}

// An option that a verb has no use for is refused, not passed over.
func TestOptionsBelongToVerbs(t *testing.T) {
	if _, err := clipkit.Load(ctx, "emoji", clipkit.Keep("run")); err == nil || !strings.Contains(err.Error(), "Load does not take the option Keep") {
		t.Errorf("Load with Keep: %v", err)
	}
	if _, err := clipkit.BuildIndex(ctx, nil, emoji(t).Test, clipkit.On("cpu")); err == nil || !strings.Contains(err.Error(), "BuildIndex does not take the option On") {
		t.Errorf("BuildIndex with On: %v", err)
	}
}

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
	here, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
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
