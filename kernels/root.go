package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

var errNoRoot = errors.New("not inside the clipkit repository")

var moduleLine = regexp.MustCompile(`(?m)^module\s+clipnb\s*$`)

// findRoot walks up from dir to the folder whose go.mod says "module clipnb".
func findRoot(dir string) (string, error) {
	for at := dir; ; at = filepath.Dir(at) {
		data, err := os.ReadFile(filepath.Join(at, "go.mod"))
		if err == nil && moduleLine.Match(data) {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("%w: no go.mod with \"module clipnb\" in %s or above; cd into the repository first", errNoRoot, dir)
		}
	}
}

// jupyterEnv is the environment of everything Jupyter: its kernels are those of root, and its settings, logs and signatures stay in root/.tools.
func jupyterEnv(root string, environ []string) []string {
	own := filepath.Join(root, ".tools", "jupyter")
	return append(environ[:len(environ):len(environ)],
		"JUPYTER_PATH="+root,
		"JUPYTER_DATA_DIR="+filepath.Join(own, "data"),
		"JUPYTER_RUNTIME_DIR="+filepath.Join(own, "runtime"),
		"JUPYTER_CONFIG_DIR="+filepath.Join(own, "config"),
		"IPYTHONDIR="+filepath.Join(own, "ipython"),
		"CLIPKIT_CHARTS=served", // outputs need not carry the chart library: lab and exec give it to whoever opens the notebook
	)
}

func python(root string) string { return filepath.Join(root, ".venv", "bin", "python") }
