// Package repository finds the folder in which experiments/, pretrained_weights/ and datasets/ lie.
package repository

import (
	"os"
	"path/filepath"
	"strings"
)

// Root is the repository, as the Jupyter kernel names it (CLIPKIT_ROOT), or the folder at or above the working directory whose go.mod says
// "module clipnb"; else the working directory.
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
