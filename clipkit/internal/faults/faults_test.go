package faults

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"clipnb/clipkit/internal/limit"
)

func TestMain(m *testing.M) { limit.Main(m) }

var update = flag.Bool("update", false, "write README.md anew")

var marker = regexp.MustCompile(`^// fault ([0-9., ]+)$`)

const root = "../../.."

// README.md is the table that the comments of the tests make, and each fault has a test.
func TestTable(t *testing.T) {
	tests := markedTests(t)
	var b strings.Builder
	b.WriteString("# Faults, and the tests that show what happens\n\nA test makes this table of comments such as `// fault 4, 19.9` above tests: `go test ./clipkit/internal/faults -update`.\n")
	known := map[string]bool{}
	for _, s := range sections {
		fmt.Fprintf(&b, "\n## %s\n\n| | Fault | What is to happen | Tests |\n|---|---|---|---|\n", s.heading)
		for _, f := range s.faults {
			known[f.number] = true
			links := "**no test**"
			if len(tests[f.number]) > 0 {
				links = strings.Join(tests[f.number], "<br>")
			} else {
				t.Errorf("fault %s, %s, has no test", f.number, f.what)
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", f.number, f.what, f.then, links)
		}
	}
	for number, list := range tests {
		if !known[number] {
			t.Errorf("%s: fault %s is not in the list of this package", strings.Join(list, ", "), number)
		}
	}
	if *update {
		if err := os.WriteFile("README.md", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if have, err := os.ReadFile("README.md"); err != nil || string(have) != b.String() {
		t.Errorf("README.md is not the table that the tests' comments make (%v): go test ./clipkit/internal/faults -update", err)
	}
}

// markedTests gives links to the tests of each fault, in the order of their files.
func markedTests(t *testing.T) map[string][]string {
	tests := map[string][]string{}
	for _, top := range []string{"clipkit", "kernels"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".")) {
				return filepath.SkipDir
			}
			if !strings.HasSuffix(path, "_test.go") {
				return nil
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			name, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			name = filepath.ToSlash(name)
			for _, d := range file.Decls {
				f, ok := d.(*ast.FuncDecl)
				if !ok || f.Doc == nil {
					continue
				}
				for _, line := range f.Doc.List {
					m := marker.FindStringSubmatch(line.Text)
					if m == nil {
						if strings.HasPrefix(line.Text, "// fault ") {
							t.Errorf("%s: %s has %q: only numbers make a line of the table", name, f.Name.Name, line.Text)
						}
						continue
					}
					if !strings.HasPrefix(f.Name.Name, "Test") && !strings.HasPrefix(f.Name.Name, "Fuzz") {
						t.Errorf("%s: %s carries a fault's number and is no test", name, f.Name.Name)
					}
					for number := range strings.SplitSeq(m[1], ",") {
						number = strings.TrimSpace(number)
						link := fmt.Sprintf("[%s](../../../%s)", f.Name.Name, name)
						if !slices.Contains(tests[number], link) {
							tests[number] = append(tests[number], link)
						}
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return tests
}
