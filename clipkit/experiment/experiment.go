// Package experiment keeps a run's directory, the one place where everything about a run lies:
//
//	experiments/<name>/
//	  config.json               what decides the run; a run with other settings may not continue here
//	  metrics.jsonl             one Row per logged step or validation: what charts read
//	  out_<UTC time>.log        lines in the reference's format (cn_clip/training/logger.py:15)
//	  params_<UTC time>.txt     name: value, sorted, as the reference writes it
//	  checkpoints/  eval/
//
//	run, err := experiment.Open("experiments", "quickstart", config) // new, or to be continued
//	defer run.Close()
//	err = run.Append(experiment.Row{Kind: "train", Step: 1, …})
//	err = run.Sync() // before a checkpoint is saved: then no power cut takes rows that come before it
//	rows, err := experiment.ReadRows(dir)
//
// Errors: ErrOtherSettings when the directory belongs to a run with another configuration, ErrBusy when another process has it open, which it names,
// ErrNoLocks where nobody could tell.
package experiment

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strings"
	"time"

	"clipnb/clipkit/internal/atomicfile"
	"clipnb/clipkit/internal/regular"

	"github.com/gofrs/flock"
)

var (
	ErrOtherSettings = errors.New("the run exists with other settings")
	ErrBusy          = errors.New("the run is in use by another process")
)

const (
	configFile  = "config.json"
	metricsFile = "metrics.jsonl"
)

// Run is an open run directory; only one process has it open.
type Run struct {
	Dir     string
	New     bool // nothing was here before
	lock    *flock.Flock
	metrics *os.File
	waiting []byte   // rows that a full disk did not take
	log     *os.File // opened by the first line: a run that is only looked at leaves no empty log
	config  []byte
	now     func() time.Time
}

// Checkpoints and Eval are the sub-directories of a run.
func (r *Run) Checkpoints() string { return filepath.Join(r.Dir, "checkpoints") }
func (r *Run) Eval() string        { return filepath.Join(r.Dir, "eval") }

// Open makes root/name or opens it to continue. config is any JSON object; when one is there already it must be equal.
// now is the clock, for file names and log lines.
func Open(root, name string, config any, now func() time.Time) (*Run, error) {
	return open(root, name, config, now, false)
}

// OpenForced is Open that lets the settings differ: they become the run's, and a note in metrics.jsonl has what they were.
func OpenForced(root, name string, config any, now func() time.Time) (*Run, error) {
	return open(root, name, config, now, true)
}

func open(root, name string, config any, now func() time.Time, force bool) (r *Run, err error) {
	r = &Run{Dir: filepath.Join(root, name), now: now}
	opened := r
	defer func() {
		if err != nil {
			opened.Close()
			r, err = nil, fmt.Errorf("opening run %s: %w", filepath.Join(root, name), err)
		}
	}()
	if err := os.MkdirAll(r.Eval(), 0o777); err != nil {
		return nil, err
	}
	if r.lock, err = takeLock(filepath.Join(r.Dir, ".lock")); err != nil {
		return nil, err
	}
	changed, err := r.matchConfig(config, force)
	if err != nil {
		return nil, err
	}
	if err := repairTail(filepath.Join(r.Dir, metricsFile)); err != nil {
		return nil, err
	}
	if r.metrics, err = regular.OpenFile(filepath.Join(r.Dir, metricsFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666); err != nil {
		return nil, err
	}
	if len(changed) > 0 {
		if err := r.noteForced(changed); err != nil {
			return nil, err
		}
	}
	r.config, err = json.Marshal(config)
	return r, err
}

// noteForced keeps what was forced, behind the rows that there are, before the new settings become the run's.
func (r *Run) noteForced(changed []string) error {
	rows, err := ReadRows(r.Dir)
	if err != nil {
		return err
	}
	row := Row{Kind: "note", Note: "settings changed by force: " + strings.Join(changed, ", ")}
	if n := len(rows); n > 0 {
		row.Step, row.Epoch, row.Samples = rows[n-1].Step, rows[n-1].Epoch, rows[n-1].Samples
	}
	return errors.Join(r.Append(row), r.Sync())
}

// matchConfig writes config.json, or compares it with the one that is there, which it replaces by force; changed is what was other in that.
func (r *Run) matchConfig(config any, force bool) (changed []string, err error) {
	want, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(r.Dir, configFile)
	have, err := regular.ReadFile(path, 1<<30)
	if errors.Is(err, os.ErrNotExist) {
		r.New = true
		return nil, atomicfile.WriteBytes(path, append(want, '\n'))
	}
	if err != nil {
		return nil, err
	}
	var a, b map[string]any
	if err := json.Unmarshal(have, &a); err != nil {
		return nil, fmt.Errorf("%s is not JSON (%v): remove the run or choose another name", path, err)
	}
	if err := json.Unmarshal(want, &b); err != nil {
		return nil, err
	}
	changed = difference("", a, b)
	if len(changed) == 0 {
		return nil, nil
	}
	if force {
		return changed, atomicfile.WriteBytes(path, append(want, '\n'))
	}
	if len(changed) > 5 {
		changed = append(changed[:5], fmt.Sprintf("and %d more", len(changed)-5))
	}
	return nil, fmt.Errorf("%w (%s): choose another name, or remove %s", ErrOtherSettings, strings.Join(changed, ", "), r.Dir)
}

// difference lists "key: old → new" of two JSON objects.
func difference(at string, a, b map[string]any) []string {
	keys := map[string]bool{}
	for k := range a {
		keys[k] = true
	}
	for k := range b {
		keys[k] = true
	}
	var sorted []string
	for k := range keys {
		sorted = append(sorted, k)
	}
	sort.Strings(sorted)
	var diff []string
	for _, k := range sorted {
		va, vb := a[k], b[k]
		ma, isA := va.(map[string]any)
		mb, isB := vb.(map[string]any)
		switch {
		case isA && isB:
			diff = append(diff, difference(at+k+".", ma, mb)...)
		case !reflect.DeepEqual(va, vb):
			diff = append(diff, fmt.Sprintf("%s%s: %v → %v", at, k, va, vb))
		}
	}
	return diff
}

// writeParams writes "name: value" lines, sorted, nested objects flattened.
func (r *Run) writeParams(path string) error {
	var m map[string]any
	if err := json.Unmarshal(r.config, &m); err != nil {
		return err
	}
	var lines []string
	var flatten func(at string, m map[string]any)
	flatten = func(at string, m map[string]any) {
		for k, v := range m {
			if sub, ok := v.(map[string]any); ok {
				flatten(at+k+".", sub)
				continue
			}
			lines = append(lines, fmt.Sprintf("%s%s: %v", at, k, v))
		}
	}
	flatten("", m)
	sort.Strings(lines)
	return atomicfile.WriteBytes(path, []byte(strings.Join(lines, "\n")+"\n"))
}

// Append adds a row to metrics.jsonl, in one write: a process that is killed afterwards loses nothing of it. A power cut may take the rows since
// the last Sync, or cut the last line, which ReadRows forgives. After an error the row waits in memory, to be written with the next one. (Waiting for the disk at every row took 0.1 to 1.7 ms on a virtual disk, a thousand
// times the write, and takes tens of milliseconds on a rotating or a network one.)
func (r *Run) Append(row Row) error {
	b, err := json.Marshal(row)
	if err != nil {
		return fmt.Errorf("recording step %d: %w", row.Step, err)
	}
	r.waiting = append(append(r.waiting, b...), '\n')
	if err := r.flush(); err != nil {
		return fmt.Errorf("recording step %d: %w", row.Step, err)
	}
	return nil
}

// flush writes the rows that wait. Those that a full disk does not take go on waiting, and nothing of them is in the file.
func (r *Run) flush() error {
	if len(r.waiting) == 0 {
		return nil
	}
	n, err := r.metrics.Write(r.waiting)
	if err == nil {
		r.waiting = r.waiting[:0]
		return nil
	}
	if info, statErr := r.metrics.Stat(); n > 0 && statErr == nil {
		err = errors.Join(err, r.metrics.Truncate(info.Size()-int64(n)))
	}
	return err
}

// Sync puts the rows so far on the disk.
func (r *Run) Sync() error {
	err := r.flush()
	if err == nil {
		err = r.metrics.Sync()
	}
	if err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	return nil
}

// Log writes a line with the reference's prefix, "2026-01-02,15:04:05 | INFO | Rank 0 | ". The first one makes this session's log and
// params file.
func (r *Run) Log(format string, a ...any) error {
	if r.log == nil {
		stamp := r.now().UTC().Format("2006-01-02-15-04-05")
		if err := r.writeParams(filepath.Join(r.Dir, "params_"+stamp+".txt")); err != nil {
			return fmt.Errorf("logging: %w", err)
		}
		f, err := regular.OpenFile(filepath.Join(r.Dir, "out_"+stamp+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
		if err != nil {
			return fmt.Errorf("logging: %w", err)
		}
		r.log = f
	}
	if _, err := fmt.Fprintf(r.log, "%s | INFO | Rank 0 | %s\n", r.now().Format("2006-01-02,15:04:05"), fmt.Sprintf(format, a...)); err != nil {
		return fmt.Errorf("logging: %w", err)
	}
	return nil
}

// Rewind drops the rows after step: what an interrupted run logged past its last checkpoint is trained, and logged, again.
func (r *Run) Rewind(step int) error {
	rows, err := ReadRows(r.Dir)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	for _, row := range rows {
		if row.Step <= step {
			line, err := json.Marshal(row)
			if err != nil {
				return err
			}
			b.Write(append(line, '\n'))
		}
	}
	path := filepath.Join(r.Dir, metricsFile)
	if err := atomicfile.WriteBytes(path, b.Bytes()); err != nil {
		return err
	}
	r.metrics.Close()
	r.waiting = nil
	r.metrics, err = regular.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0o666)
	return err
}

// Close frees the directory for others. It may be called more than once.
func (r *Run) Close() {
	for _, f := range []**os.File{&r.metrics, &r.log} {
		if *f != nil {
			(*f).Close()
			*f = nil
		}
	}
	if r.lock != nil {
		_ = r.lock.Unlock() // it closes the file
		r.lock = nil
	}
}

// ReadConfig reads into v what decided the run in dir.
func ReadConfig(dir string, v any) error {
	path := filepath.Join(dir, configFile)
	b, err := regular.ReadFile(path, 1<<30)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		return fmt.Errorf("reading a run's settings from %s: %w", path, err)
	}
	return nil
}

// maxRows of a metrics.jsonl: a row in memory takes sixty times the three bytes of the shortest line.
const maxRows = 1 << 20

// ReadRows reads a run's metrics.jsonl, of a million rows at most. A last line that was cut by a crash is left out; any other damage is an error
// with its line.
func ReadRows(dir string) ([]Row, error) {
	path := filepath.Join(dir, metricsFile)
	b, err := regular.ReadFile(path, 1<<30)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading metrics: %w", err)
	}
	var rows []Row
	for line, rest, whole := bytes.Cut(b, []byte("\n")); whole; line, rest, whole = bytes.Cut(rest, []byte("\n")) { // what follows the last newline is empty or cut
		var row Row
		if err := json.Unmarshal(line, &row); err != nil {
			return nil, fmt.Errorf("reading metrics: %s line %d: %w", path, len(rows)+1, err)
		}
		if rows = append(rows, row); len(rows) > maxRows {
			return nil, fmt.Errorf("reading metrics: %s has more than %d rows: keep every tenth, or log more seldom", path, maxRows)
		}
	}
	return rows, nil
}

// repairTail removes a last line without its newline, so that the next row does not join it.
func repairTail(path string) error {
	b, err := regular.ReadFile(path, 1<<30)
	if errors.Is(err, os.ErrNotExist) || (err == nil && (len(b) == 0 || b[len(b)-1] == '\n')) {
		return nil
	}
	if err != nil {
		return err
	}
	return os.Truncate(path, int64(bytes.LastIndexByte(b, '\n')+1))
}
