package regular_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"clipnb/clipkit/checkpoint"
	"clipnb/clipkit/dataset"
	"clipnb/clipkit/eval"
	"clipnb/clipkit/index"
	"clipnb/clipkit/internal/regular"
	"clipnb/clipkit/weights"
	"clipnb/clipkit/zeroshot"
)

// A reader that opened the pipe as os.Open does would wait for ever for somebody to write.
// fault 19.11
func TestReadersRefusePipes(t *testing.T) {
	pipe := func(t *testing.T, elements ...string) string {
		t.Helper()
		path := filepath.Join(elements...)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), syscall.Mkfifo(path, 0o600)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	put := func(t *testing.T, text string, elements ...string) string {
		t.Helper()
		path := filepath.Join(elements...)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, read := range map[string]func(t *testing.T, dir string) error{
		"tsv": func(t *testing.T, dir string) error {
			_, err := dataset.OpenTSV("a", pipe(t, dir, "a_imgs.tsv"), put(t, "", dir, "a_texts.jsonl"))
			return err
		},
		"jsonl": func(t *testing.T, dir string) error {
			_, err := dataset.OpenTSV("a", put(t, "1\tAAAA\n", dir, "a_imgs.tsv"), pipe(t, dir, "a_texts.jsonl"))
			return err
		},
		"lmdb": func(t *testing.T, dir string) error {
			pipe(t, dir, "pairs", "data.mdb")
			_, err := dataset.OpenLMDB("a", dir, "")
			return err
		},
		"caption file": func(t *testing.T, dir string) error {
			put(t, "", dir, "1.jpg")
			pipe(t, dir, dataset.CaptionFiles[0])
			_, err := dataset.Open(dir)
			return err
		},
		"weights":  func(t *testing.T, dir string) error { _, err := weights.Open(pipe(t, dir, "a.pt")); return err },
		"manifest": func(t *testing.T, dir string) error { pipe(t, dir, "manifest.json"); return checkpoint.Verify(dir) },
		"state": func(t *testing.T, dir string) error {
			pipe(t, dir, "state.json")
			_, err := checkpoint.Open(dir)
			return err
		},
		"index log": func(t *testing.T, dir string) error {
			pipe(t, dir, "index.log")
			_, err := index.Open(dir, "")
			return err
		},
		"features": func(t *testing.T, dir string) error {
			_, _, _, err := eval.ReadVectors(pipe(t, dir, "a.jsonl"), eval.TextToImage)
			return err
		},
		"order": func(t *testing.T, dir string) error {
			_, err := zeroshot.ReadOrder(pipe(t, dir, "index.json"))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := read(t, t.TempDir()); !errors.Is(err, regular.ErrSpecial) || !strings.Contains(err.Error(), "it is a pipe") {
				t.Error(err)
			}
		})
	}
}

// Without a call of os.Open or os.ReadFile nobody can forget to look: those that are left read what the system or this program made.
// fault 19.11
func TestFilesAreOpenedByThisPackage(t *testing.T) {
	mayOpen := []string{
		"cmd/clipkit/trainflags.go",                                                                                                                                                          // the settings that a user names may be a pipe: -config <(…)
		"exchange/cores.go", "exchange/mpi/find.go", "exchange/mpi/launch.go", "exchange/hccl/hccl.go", "internal/machine/machine.go", "device/cuda.go", "device/peak.go", "page/process.go", // /proc, /sys
		"internal/atomicfile/operations.go", "internal/repo/repo.go", "internal/regular/regular.go",
	}
	tests := regexp.MustCompile(`_test\.go$|/(rastertest|pgserver|lite|npusim|golden|browser|notebook|testdata|fullsize)/`)
	opens := regexp.MustCompile(`\bos\.(Open|OpenFile|ReadFile)\(`)
	seen := 0
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" || tests.MatchString(path) {
			return err
		}
		text, err := os.ReadFile(path)
		if seen++; err == nil && opens.Match(text) && !slices.Contains(mayOpen, filepath.ToSlash(strings.TrimPrefix(path, "../../"))) {
			t.Errorf("%s opens files with package os; use package regular", path)
		}
		return err
	})
	if err != nil || seen < 100 {
		t.Fatalf("%d files seen, error %v", seen, err)
	}
}
