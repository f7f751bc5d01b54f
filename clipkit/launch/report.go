// Package launch is what a program and the processes that it started for a run tell each other: rank 0 writes a JSON line to its standard output for every
// row of the run and all other progress, and any rank one for the error that it met.
//
//	r := launch.NewReporter(os.Stdout)         // in a rank
//	r.Progress(p); r.Error(err)
//	err := launch.Follow(stdout, tell, say)    // in the program that started them
package launch

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/experiment"
	"clipnb/clipkit/train"
)

// Reporter writes what a rank reports.
type Reporter struct{ to *json.Encoder }

func NewReporter(to io.Writer) Reporter { return Reporter{json.NewEncoder(to)} }

// Progress and Error report; what cannot be written has nobody left to read it.
func (r Reporter) Progress(p train.Progress) { _ = r.to.Encode(report{Progress: &p}) }
func (r Reporter) Error(err error)           { _ = r.to.Encode(newReport(err)) }

// report is a line of what a rank writes to its standard output.
type report struct {
	Progress *train.Progress `json:"progress,omitempty"`
	Error    string          `json:"error,omitempty"`
	Is       int             `json:"is,omitempty"` // 1 + the place in tellable
}

// tellable are the errors that stay themselves on their way from a rank.
var tellable = []error{train.ErrInterrupted, train.ErrMemory, train.ErrDisk, train.ErrConfig, train.ErrDiverged, experiment.ErrOtherSettings, experiment.ErrBusy, dataset.ErrFormat, dataset.ErrNotFound}

func newReport(err error) report {
	r := report{Error: err.Error()}
	for i, known := range tellable {
		if r.Is == 0 && errors.Is(err, known) {
			r.Is = 1 + i
		}
	}
	return r
}

// told is an error of a rank.
type told struct {
	text string
	is   error
}

func (t told) Error() string { return t.text }
func (t told) Unwrap() error { return t.is }

// Follow reads what the ranks report until they end, and gives the error that one of them met. Lines that are no report are said.
func Follow(from io.Reader, tell func(train.Progress), say func(line string)) (err error) {
	lines := bufio.NewReader(from)
	for {
		line, end := lines.ReadString('\n')
		var r report
		switch {
		case json.Unmarshal([]byte(line), &r) != nil:
			if line = strings.TrimRight(line, "\n"); line != "" {
				say(line)
			}
		case r.Progress != nil:
			tell(*r.Progress)
		case r.Error != "" && err == nil:
			t := told{text: r.Error}
			if r.Is > 0 && r.Is <= len(tellable) {
				t.is = tellable[r.Is-1]
			}
			err = t
		}
		if end != nil {
			return err
		}
	}
}
