package experiment

import (
	"os"
	"path/filepath"

	"clipnb/clipkit/internal/regular"
)

// openedVariable is the environment's name for a file to which the folder of each run that is opened is added, a line each: "kernels exec" learns there which
// runs a notebook makes, as a notebook may compute their names.
const openedVariable = "CLIPKIT_OPENED_RUNS"

// tellOpened adds a run's folder to that file, where somebody asks for it. No run fails for it.
func tellOpened(dir string) {
	path := os.Getenv(openedVariable)
	if path == "" {
		return
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return
	}
	f, err := regular.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0) // whoever asks has made it
	if err != nil {
		return
	}
	defer f.Close()
	_, _ = f.WriteString(dir + "\n")
}
