package faults

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var dependencies = flag.Bool("dependencies", false, "compare the modules with go.sum, and ask govulncheck, which needs the network")

// repaired are the first versions of modules that have no fault that is known to touch us.
var repaired = map[string][2]int{
	"golang.org/x/image":      {0, 45}, // CVE-2026-46603: a WebP of one pixel takes 1.4 GB
	"github.com/jackc/pgx/v5": {5, 9},
}

// No go.mod goes back behind a repair. With -dependencies, as in CI, the modules are those of go.sum, and govulncheck knows of nothing that is called; where
// its database cannot be reached, the test says so.
// fault 19.10
func TestDependencies(t *testing.T) {
	found := 0
	for _, file := range []string{"go.mod", "clipkit/index/milvus/go.mod"} {
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
	if !*dependencies {
		return
	}
	ask := func(arguments ...string) (string, error) {
		cmd := exec.Command("go", arguments...)
		cmd.Dir = root
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := ask("mod", "verify"); err != nil {
		t.Errorf("go mod verify: %v\n%s", err, out)
	}
	out, err := ask("run", "golang.org/x/vuln/cmd/govulncheck", "./...")
	switch {
	case err == nil:
	case strings.Contains(out, "dial tcp"), strings.Contains(out, "no such host"), strings.Contains(out, "fetching vulnerabilities"):
		t.Logf("govulncheck's database cannot be reached, so nothing was asked of it:\n%s", out)
	default:
		t.Errorf("govulncheck: %v\n%s", err, out)
	}
}
