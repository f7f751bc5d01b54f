// Package repo says where things lie: runs under experiments/, data sets under datasets/, downloaded weights under pretrained_weights/.
//
//	repo.Root()             // the repository, or the working directory where there is none above it
//	repo.Experiments()      // its folder of runs
//	repo.Weights()          // where published weights are downloaded to
//	repo.Find("MUGE")       // "MUGE", "<root>/MUGE" or "<root>/datasets/MUGE", whichever is there
package repo

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"clipnb/clipkit/internal/nearest"
)

// Root is the repository, as the Jupyter kernel names it in CLIPKIT_ROOT, or the folder at or above the working directory that holds its
// go.mod; else the working directory.
func Root() string {
	if r := os.Getenv("CLIPKIT_ROOT"); r != "" {
		return r
	}
	dir, err := os.Getwd()
	if err != nil {
		return "."
	}
	for d := dir; ; d = filepath.Dir(d) {
		if b, err := os.ReadFile(filepath.Join(d, "go.mod")); err == nil && strings.HasPrefix(string(b), "module clipnb") {
			return d
		}
		if d == filepath.Dir(d) {
			return dir
		}
	}
}

// Experiments is the folder of runs.
func Experiments() string { return filepath.Join(Root(), "experiments") }

// Weights is the folder of downloaded weights.
func Weights() string { return filepath.Join(Root(), "pretrained_weights") }

// Run is the folder of a run that is there: of this name, or at this path if it has a separator.
func Run(name string) (string, error) {
	dir := filepath.Join(Experiments(), name)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if filepath.Base(name) != name && isRun(name) {
		return name, nil
	}
	hint := cmp.Or(nearest.Hint(filepath.Base(name), Runs()), "; there is none yet")
	return "", fmt.Errorf("no run %q in %s%s", name, Experiments(), hint)
}

// Runs are the names of the runs that are there.
func Runs() (names []string) {
	entries, _ := os.ReadDir(Experiments()) // one that cannot be read has no run that can be opened
	for _, e := range entries {
		if isRun(filepath.Join(Experiments(), e.Name())) {
			names = append(names, e.Name())
		}
	}
	return names
}

func isRun(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "config.json"))
	return err == nil
}

// Find looks a relative path up in the working directory, in the repository and in its datasets/ folder. What is in none of them stays as it is.
func Find(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	for _, p := range []string{path, filepath.Join(Root(), path), filepath.Join(Root(), "datasets", path)} {
		if _, err := os.Stat(p); err == nil {
			return p
		}
	}
	return path
}
