package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// errGoNB says that GoNB is not what this command knows how to build.
var errGoNB = errors.New("unexpected GoNB")

// patience is how long an interrupted cell may take to save: a micro-batch to its end, and the checkpoint (ViT-H-14's state in training has 11 GB). Processes
// that a cell started have ten minutes of it (exchange/mpi).
const patience = 12 * time.Minute

const gonbModule = "github.com/janpfeifer/gonb"

var toolVersion = regexp.MustCompile(`(?m)^\s*(?:require\s+)?(github\.com/janpfeifer/gonb|golang\.org/x/tools)\s+(v\S+)`)

// toolsStamp tells one build of .tools/bin from another: the tools' versions in go.mod, the Go version, the changes above.
func toolsStamp(goMod []byte, goVersion string) string {
	stamp := "go " + goVersion + "\n"
	for _, m := range toolVersion.FindAllSubmatch(goMod, -1) {
		stamp += string(m[1]) + " " + string(m[2]) + "\n"
	}
	return stamp + changed()
}

// toolsProblem says why .tools/bin cannot be used as it is, or "".
func (s *setup) toolsProblem(ctx context.Context, want string) string {
	bin := filepath.Join(s.root, ".tools", "bin")
	if _, err := os.Stat(bin); err != nil {
		return "not there"
	}
	stamp, err := os.ReadFile(filepath.Join(bin, "clipkit-stamp"))
	if err != nil {
		return "unfinished"
	}
	if string(stamp) != want {
		return "out of date"
	}
	if _, err := os.Stat(filepath.Join(bin, "goimports")); err != nil {
		return "broken (no goimports)"
	}
	if err := s.run(ctx, command{argv: []string{filepath.Join(bin, "gonb"), "-V"}, dir: s.root, out: io.Discard}); err != nil {
		return "broken (gonb: " + err.Error() + ")"
	}
	return ""
}

func (s *setup) ensureTools(ctx context.Context) error {
	goMod, err := os.ReadFile(filepath.Join(s.root, "go.mod"))
	if err != nil {
		return fmt.Errorf("reading the tools' versions: %w", err)
	}
	stamp := toolsStamp(goMod, s.goVersion)
	problem := s.toolsProblem(ctx, stamp)
	if problem == "" {
		return nil
	}
	if problem != "not there" {
		fmt.Fprintf(s.out, ".tools/bin is %s: making it again\n", problem)
	}
	fmt.Fprintln(s.out, "setting up .tools/bin (GoNB, the Go kernel, and goimports), about 1 minute …")
	bin := filepath.Join(s.root, ".tools", "bin")
	if err := os.RemoveAll(bin); err != nil {
		return fmt.Errorf("%s: cannot remove the old .tools/bin: %w", because(err.Error()), err)
	}
	work, err := os.MkdirTemp(filepath.Join(s.root, ".tools"), "gonb-")
	if err != nil {
		return fmt.Errorf("%s: cannot build in .tools: %w", because(err.Error()), err)
	}
	defer os.RemoveAll(work)
	if err := s.changedGoNB(ctx, goMod, work, changes, additions); err != nil {
		return err
	}
	install := command{
		argv: []string{"go", "install", "-modfile=" + filepath.Join(work, "go.mod"), "-v", gonbModule, "golang.org/x/tools/cmd/goimports"},
		env:  []string{"GOBIN=" + bin, "GOWORK=off"},
	}
	compiled := &watched{part: regexp.MustCompile(`^[\w./@-]+$`)} // -v names the packages that are compiled
	if err := s.logged(ctx, "go install", compiled, install); err != nil {
		return err
	}
	return writeStamp(filepath.Join(bin, "clipkit-stamp"), stamp)
}

// changedGoNB puts a copy of GoNB's source with changes and additions into work/gonb, and a go.mod that uses it beside it.
func (s *setup) changedGoNB(ctx context.Context, goMod []byte, work string, changes []change, additions map[string][]byte) error {
	var out bytes.Buffer
	download := command{argv: []string{"go", "mod", "download", "-json", gonbModule}, dir: s.root, env: []string{"GOWORK=off"}, out: &out}
	failed := s.run(ctx, download)
	var module struct{ Dir, Error string }
	_, answer, _ := strings.Cut(out.String(), "{") // remarks may come first
	if err := json.Unmarshal([]byte("{"+answer), &module); err != nil || module.Dir == "" {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		said := module.Error
		if said == "" {
			said = lastLine(out.String(), fmt.Sprint(failed))
		}
		return fmt.Errorf("%s: downloading %s: %s", because(said), gonbModule, said)
	}
	source := filepath.Join(work, "gonb")
	if err := os.CopyFS(source, os.DirFS(module.Dir)); err != nil {
		return fmt.Errorf("%s: copying GoNB's source: %w", because(err.Error()), err)
	}
	if err := rewrite(source, changes, additions); err != nil {
		return err
	}
	goSum, err := os.ReadFile(filepath.Join(s.root, "go.sum"))
	if err != nil {
		return fmt.Errorf("reading go.sum: %w", err)
	}
	replaced := fmt.Appendf(goMod[:len(goMod):len(goMod)], "\nreplace %s => %q\n", gonbModule, source)
	if err := os.WriteFile(filepath.Join(work, "go.mod"), replaced, 0o644); err != nil {
		return fmt.Errorf("writing the tools' go.mod: %w", err)
	}
	return os.WriteFile(filepath.Join(work, "go.sum"), goSum, 0o644)
}

// rewrite makes changes and additions in a copy of GoNB's source.
func rewrite(source string, changes []change, additions map[string][]byte) error {
	for _, c := range changes {
		path := filepath.Join(source, c.file)
		code, err := os.ReadFile(path)
		if err != nil || strings.Count(string(code), c.was) != 1 {
			return fmt.Errorf("%w: its %s has not once %q; the GoNB version in go.mod and kernels/gonb.go must change together", errGoNB, c.file, strings.TrimSpace(c.was))
		}
		if err := os.WriteFile(path, []byte(strings.Replace(string(code), c.was, c.is, 1)), 0o644); err != nil {
			return fmt.Errorf("changing GoNB's source: %w", err)
		}
	}
	for name, code := range additions {
		path := filepath.Join(source, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("changing GoNB's source: %w", err)
		}
		if err := os.WriteFile(path, code, 0o644); err != nil {
			return fmt.Errorf("changing GoNB's source: %w", err)
		}
	}
	return nil
}
