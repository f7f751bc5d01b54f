// Package repo says where things lie: runs under experiments/, data sets under datasets/, downloaded weights under pretrained_weights/.
//
//	repo.Root()             // the repository, or the working directory where there is none above it
//	repo.Experiments()      // its folder of runs
//	repo.Weights()          // where published weights are downloaded to
//	repo.Find("MUGE")       // "MUGE", "<root>/MUGE" or "<root>/datasets/MUGE", whichever is there
package repo

import (
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

// Run is the folder of a run that is there.
func Run(name string) (string, error) {
	dir := filepath.Join(Experiments(), name)
	if _, err := os.Stat(dir); err != nil {
		return "", fmt.Errorf("no run %q in %s%s", name, Experiments(), nearest.Hint(name, Runs()))
	}
	return dir, nil
}

// Runs are the names of the runs that are there.
func Runs() (names []string) {
	entries, _ := os.ReadDir(Experiments()) // none yet: no runs
	for _, e := range entries {
		if _, err := os.Stat(filepath.Join(Experiments(), e.Name(), "config.json")); err == nil {
			names = append(names, e.Name())
		}
	}
	return names
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
