package clipkit_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit"
	"clipnb/clipkit/chart"
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
	if _, err := clipkit.New(ctx, "emoji", 1, clipkit.As("emoji")); err == nil || !strings.Contains(err.Error(), "New does not take the option As") {
		t.Errorf("New with As: %v", err)
	}
	if _, err := load(t, "emoji").Features(ctx, emoji(t).Test, clipkit.ReferenceFiles(t.TempDir())); err == nil || !strings.Contains(err.Error(), "Features does not take the option ReferenceFiles") {
		t.Errorf("Features with ReferenceFiles: %v", err)
	}
	if _, err := clipkit.BuildIndex(ctx, nil, emoji(t).Test, clipkit.On("cpu")); err == nil || !strings.Contains(err.Error(), "BuildIndex does not take the option On") {
		t.Errorf("BuildIndex with On: %v", err)
	}
}

// Outside a notebook Show says what to do instead, and writes nothing.
func TestShowLeavesNoFile(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("GONB_TMP_DIR", "")
	clipkit.Show(chart.Loss(nil), chart.Table([]string{"a"}, nil))
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
