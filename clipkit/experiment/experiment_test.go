package experiment

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func clock() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

type settings struct {
	LR    float64 `json:"lr"`
	Model struct {
		Width int `json:"width"`
	} `json:"model"`
}

// fault 28, 29
func TestRunIsContinuedOnlyWithTheSameSettings(t *testing.T) {
	root := t.TempDir()
	r, err := Open(root, "a", settings{LR: 1}, clock)
	if err != nil || !r.New {
		t.Fatal(err)
	}
	for i := 1; i <= 3; i++ {
		if err := r.Append(Row{Kind: "train", Step: i, Loss: float64(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Sync(); err != nil {
		t.Error(err)
	}
	r.Log("Global Steps: %d/%d", 1, 3)
	if _, err := Open(root, "a", settings{LR: 1}, clock); !errors.Is(err, ErrBusy) {
		t.Errorf("a second process got in: %v", err)
	}
	r.Close()

	r, err = Open(root, "a", settings{LR: 1}, clock)
	if err != nil || r.New {
		t.Fatal(err)
	}
	if err := r.Rewind(2); err != nil {
		t.Fatal(err)
	}
	if err := r.Append(Row{Kind: "train", Step: 3, Loss: 30}); err != nil {
		t.Fatal(err)
	}
	rows, err := ReadRows(r.Dir)
	if err != nil || len(rows) != 3 || rows[2].Loss != 30 {
		t.Errorf("%+v, %v", rows, err)
	}
	r.Close()

	other := settings{LR: 2}
	other.Model.Width = 7
	_, err = Open(root, "a", other, clock)
	if !errors.Is(err, ErrOtherSettings) || !strings.Contains(err.Error(), "lr: 1 → 2, model.width: 0 → 7") {
		t.Error(err)
	}
	r, err = OpenForced(root, "a", other, clock)
	if err != nil || r.New {
		t.Fatal(err)
	}
	r.Close()
	rows, err = ReadRows(filepath.Join(root, "a"))
	if last := rows[len(rows)-1]; err != nil || last.Kind != "note" || last.Step != 3 || !strings.Contains(last.Note, "by force: lr: 1 → 2, model.width: 0 → 7") {
		t.Errorf("%+v, %v", rows, err)
	}
	if r, err = Open(root, "a", other, clock); err != nil { // they are the run's now
		t.Fatal(err)
	}
	r.Close()
	log, _ := os.ReadFile(filepath.Join(root, "a", "out_2026-01-02-03-04-05.log"))
	if string(log) != "2026-01-02,03:04:05 | INFO | Rank 0 | Global Steps: 1/3\n" {
		t.Errorf("%q", log)
	}
	params, _ := os.ReadFile(filepath.Join(root, "a", "params_2026-01-02-03-04-05.txt"))
	if string(params) != "lr: 1\nmodel.width: 0\n" {
		t.Errorf("%q", params)
	}
}

// The second process is told who has the run; the lock of a dead process is free.
// fault 29, 19.8
func TestLockNamesItsProcess(t *testing.T) {
	root := t.TempDir()
	r, err := Open(root, "a", settings{}, clock)
	if err != nil {
		t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(root, "a", settings{}, clock)
	if want := fmt.Sprintf("(process %d on %s)", os.Getpid(), host); !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %q in it", err, want)
	}
	r.Close()
	for _, left := range []string{"", "process 1 on elsewhere\n", "\x1b[2Jprocess", strings.Repeat("x", 10000)} { // of another process, dead, or damaged
		path := filepath.Join(root, "a", ".lock")
		if err := os.WriteFile(path, []byte(left), 0o644); err != nil {
			t.Fatal(err)
		}
		if r, err = Open(root, "a", settings{}, clock); err != nil {
			t.Fatalf("%.20q: %v", left, err)
		}
		r.Close()
		if err := os.WriteFile(path, []byte(left), 0o644); err != nil {
			t.Fatal(err)
		}
		if text := holder(path); strings.ContainsAny(text, "\x1b\n") || len(text) > 5000 {
			t.Errorf("%.20q is shown as %.40q", left, text)
		}
	}
}

// fault 40
func TestACutLineIsForgivenAndDamageIsNot(t *testing.T) {
	root := t.TempDir()
	r, err := Open(root, "a", settings{}, clock)
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Append(Row{Kind: "train", Step: 1})
	path := filepath.Join(r.Dir, metricsFile)
	r.Close()
	b, _ := os.ReadFile(path)
	if err := os.WriteFile(path, append(b, `{"kind":"tr`...), 0o644); err != nil {
		t.Fatal(err)
	}
	if rows, err := ReadRows(r.Dir); err != nil || len(rows) != 1 {
		t.Errorf("%v, %v", rows, err)
	}
	if r, err = Open(root, "a", settings{}, clock); err != nil {
		t.Fatal(err)
	}
	_ = r.Append(Row{Kind: "train", Step: 2})
	if rows, err := ReadRows(r.Dir); err != nil || len(rows) != 2 || rows[1].Step != 2 {
		t.Errorf("after the cut line: %v, %v", rows, err)
	}
	r.Close()
	if err := os.WriteFile(path, []byte("{}\nnonsense\n{}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadRows(r.Dir); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Error(err)
	}
}

// fault 45
func TestOpenWhereNothingCanBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file, "a", settings{}, clock); err == nil || !strings.Contains(err.Error(), "opening run") {
		t.Error(err)
	}
}

// Rows that a full disk does not take wait in memory, in their order, until it takes them; a checkpoint's Sync fails as long as one waits.
func TestRowsWaitWhileTheDiskIsFull(t *testing.T) {
	r, err := Open(t.TempDir(), "run", map[string]any{}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no device that is always full: ", err)
	}
	defer full.Close()
	steps := func() (list []int) {
		rows, err := ReadRows(r.Dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			list = append(list, row.Step)
		}
		return list
	}
	if err := r.Append(Row{Kind: "train", Step: 1}); err != nil {
		t.Fatal(err)
	}
	file := r.metrics
	r.metrics = full
	for step := 2; step < 4; step++ {
		if err := r.Append(Row{Kind: "train", Step: step}); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("step %d: %v", step, err)
		}
	}
	if err := r.Sync(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Sync: %v", err)
	}
	r.metrics = file
	if got := steps(); !slices.Equal(got, []int{1}) {
		t.Errorf("rows of steps %v", got)
	}
	if err := errors.Join(r.Append(Row{Kind: "train", Step: 4}), r.Sync()); err != nil {
		t.Fatal(err)
	}
	if got := steps(); !slices.Equal(got, []int{1, 2, 3, 4}) {
		t.Errorf("rows of steps %v", got)
	}
}
