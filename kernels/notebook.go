package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const maxNotebook = 64 << 20 // bytes

var (
	errNotebook = errors.New("not a notebook that can be run")
	errParam    = errors.New("unknown parameter")
	errValue    = errors.New("wrong value")
)

// notebook is what has to be known of an .ipynb file before it runs.
type notebook struct {
	kernel string // metadata.kernelspec.name
	code   string // the code cells, one after the other
}

// openNotebook reads path; where there is none the error names the nearest notebooks of root.
func openNotebook(root, path string) (notebook, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return notebook{}, fmt.Errorf("there is no notebook %s%s", path, didYouMean(root, path))
	case err != nil:
		return notebook{}, fmt.Errorf("opening the notebook: %w", err)
	case !info.Mode().IsRegular():
		return notebook{}, fmt.Errorf("%w: %s is not a file", errNotebook, path)
	case info.Size() > maxNotebook:
		return notebook{}, fmt.Errorf("%w: %s has %d MiB, the limit is %d; remove its outputs", errNotebook, path, info.Size()>>20, maxNotebook>>20)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return notebook{}, fmt.Errorf("reading the notebook: %w", err)
	}
	nb, err := parseNotebook(data)
	if err != nil {
		return notebook{}, fmt.Errorf("%s: %w", path, err)
	}
	return nb, nil
}

// lines is nbformat's multi-line string: one string, or a list of them.
type lines string

func (l *lines) UnmarshalJSON(data []byte) error {
	var many []string
	if err := json.Unmarshal(data, &many); err == nil {
		*l = lines(strings.Join(many, ""))
		return nil
	}
	return json.Unmarshal(data, (*string)(l))
}

func parseNotebook(data []byte) (notebook, error) {
	var file struct {
		Format   int `json:"nbformat"`
		Metadata struct {
			Kernelspec struct {
				Name string `json:"name"`
			} `json:"kernelspec"`
		} `json:"metadata"`
		Cells []struct {
			Type   string `json:"cell_type"`
			Source lines  `json:"source"`
		} `json:"cells"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return notebook{}, fmt.Errorf("%w: broken JSON: %w", errNotebook, err)
	}
	if file.Format != 4 {
		return notebook{}, fmt.Errorf("%w: nbformat is %d, expected 4; open and save it in JupyterLab", errNotebook, file.Format)
	}
	nb := notebook{kernel: file.Metadata.Kernelspec.Name}
	for _, c := range file.Cells {
		if c.Type == "code" {
			nb.code += string(c.Source) + "\n"
		}
	}
	if strings.TrimSpace(nb.code) == "" {
		return notebook{}, fmt.Errorf("%w: it has no code", errNotebook)
	}
	return nb, nil
}

func (nb notebook) usesClipkit() bool { return strings.Contains(nb.code, `"clipnb/`) }

// kernelNames are the folders of root/kernels with a kernel.json, sorted.
func kernelNames(root string) []string {
	found, _ := filepath.Glob(filepath.Join(root, "kernels", "*", "kernel.json")) // the pattern is well-formed
	var names []string
	for _, f := range found {
		names = append(names, filepath.Base(filepath.Dir(f)))
	}
	return names
}

// didYouMean names up to three notebooks of root/notebooks, the nearest first.
func didYouMean(root, path string) string {
	found, _ := filepath.Glob(filepath.Join(root, "notebooks", "*.ipynb")) // the pattern is well-formed
	if len(found) == 0 {
		return ""
	}
	wanted := strings.TrimSuffix(filepath.Base(path), ".ipynb")
	slices.SortStableFunc(found, func(a, b string) int {
		return distance(wanted, strings.TrimSuffix(filepath.Base(a), ".ipynb")) - distance(wanted, strings.TrimSuffix(filepath.Base(b), ".ipynb"))
	})
	found = found[:min(3, len(found))]
	for i, f := range found {
		found[i] = "notebooks/" + filepath.Base(f)
	}
	return "; the nearest are " + strings.Join(found, ", ")
}

// distance is the number of single-byte edits between a and b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
