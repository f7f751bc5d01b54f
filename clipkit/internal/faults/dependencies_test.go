package faults

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	dependencies = flag.Bool("dependencies", false, "compare the modules with go.sum, and ask govulncheck, which needs the network")
	database     = flag.String("vulndb", "https://vuln.go.dev", "the vulnerability database that -dependencies asks; file:///… is a copy of it in a folder")
)

// repaired are the first versions of modules that have no fault that is known to touch us.
var repaired = map[string][2]int{
	"golang.org/x/image":      {0, 45}, // CVE-2026-46603: a WebP of one pixel takes 1.4 GB
	"github.com/jackc/pgx/v5": {5, 9},
}

// modules are the folders that have a go.mod.
var modules = []string{".", "clipkit/index/milvus"}

// No go.mod goes back behind a repair.
// fault 19.10
func TestDependencies(t *testing.T) {
	found := 0
	for _, module := range modules {
		file := filepath.Join(module, "go.mod")
		b, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
			if len(fields) < 2 {
				continue
			}
			least, ok := repaired[fields[0]]
			if !ok {
				continue
			}
			found++
			var major, minor int
			if _, err := fmt.Sscanf(fields[1], "v%d.%d", &major, &minor); err != nil || major < least[0] || major == least[0] && minor < least[1] {
				t.Errorf("%s has %s %s, want at least v%d.%d: go get %s@latest", file, fields[0], fields[1], least[0], least[1], fields[0])
			}
		}
	}
	if found < len(repaired) {
		t.Errorf("only %d of %d modules were found in go.mod", found, len(repaired))
	}
}

// unreachable is what govulncheck says where nobody answers for its database.
var unreachable = regexp.MustCompile(`fetching vulnerabilities: .*(dial tcp|no such host|Forbidden|Proxy|Timeout|timeout|connection re)`)

// thisCheckout is what "go mod verify" says of this repository where a module of it requires it by a folder, for which there is no sum.
var thisCheckout = regexp.MustCompile(`(?m)^clipnb v0\.0\.0: missing ziphash: .*\n?`)

// With -dependencies, as in CI, the modules on this machine are those of go.sum, and govulncheck knows of no fault in what is called. Where its database
// cannot be reached that part is skipped, by name.
// fault 19.10
func TestKnownFaults(t *testing.T) {
	if !*dependencies {
		t.Skip("without -dependencies, which needs the network")
	}
	ask := func(arguments ...string) (string, error) {
		cmd := exec.Command("go", arguments...)
		cmd.Dir = root
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for _, module := range modules {
		t.Run("go.sum of "+module, func(t *testing.T) {
			out, err := ask("-C", module, "mod", "verify")
			if complaints := strings.TrimSpace(thisCheckout.ReplaceAllString(out, "")); err != nil && complaints != "" {
				t.Errorf("go mod verify: %v\n%s", err, complaints)
			}
		})
		t.Run("govulncheck of "+module, func(t *testing.T) {
			out, err := ask("tool", "govulncheck", "-C", module, "-db", *database, "./...")
			switch {
			case err == nil:
				t.Logf("%s", out)
			case unreachable.MatchString(out):
				t.Skipf("NOT CHECKED: the vulnerability database %s cannot be reached: %s", *database, out)
			default:
				t.Errorf("govulncheck: %v\n%s", err, out)
			}
		})
	}
}

// What is skipped is a database out of reach, and nothing else.
// fault 19.10
func TestUnreachable(t *testing.T) {
	for out, want := range map[string]bool{
		"govulncheck: fetching vulnerabilities: Get \"https://vuln.go.dev/index/modules.json.gz\": dial tcp: lookup vuln.go.dev on 127.0.0.1:53: no such host": true,
		"govulncheck: fetching vulnerabilities: Get \"https://vuln.go.dev/index/modules.json.gz\": Forbidden":                                                  true,
		"govulncheck: loading packages: \nThere are errors with the provided package patterns":                                                                 false,
		"=== Symbol Results ===\n\nVulnerability #1: GO-2026-0001\n    fetching a page: dial tcp":                                                              false,
	} {
		if unreachable.MatchString(out) != want {
			t.Errorf("%q is taken for a database out of reach: %v", out, !want)
		}
	}
}
