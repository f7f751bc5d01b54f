package eval

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"clipnb/clipkit/experiment"
	"clipnb/clipkit/internal/atomicfile"
	"clipnb/clipkit/internal/pyjson"
	"clipnb/clipkit/internal/regular"
)

// scored is how many answers the reference wants for each query: no more, no fewer.
const scored = 10

// ScoreError is why the reference's scorer refuses a file of predictions.
type ScoreError struct {
	Message string // in the reference's words, as they stand in its output
	Place   string // file and line
	Hint    string // what to do
}

func (e *ScoreError) Error() string {
	s := "scoring " + e.Place + ": " + e.Message
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// Score is the reference's evaluation.py, or evaluation_tr.py for ImageToText: recall in percent of the predictions in one file,
// by the truth in another. Every query of the truth must be answered with ten different integers, so sets of fewer than ten pictures cannot
// be scored so; Retrieval has no such limit. Queries without a right answer count as missed. The error is a *ScoreError where the reference
// reports one.
func Score(truthPath, predictionsPath string, w Way) (experiment.Recall, error) {
	truth, err := ReadTruth(truthPath, w)
	if err != nil {
		return experiment.Recall{}, err
	}
	predictions, err := readPredicted(predictionsPath, w)
	if err != nil {
		return experiment.Recall{}, err
	}
	var missing []string
	ranks := make([]int, 0, len(truth))
	for _, t := range truth {
		answers, ok := predictions[t.Query]
		if !ok {
			missing = append(missing, fmt.Sprint(t.Query))
		}
		ranks = append(ranks, 1+slices.IndexFunc(answers, func(id int64) bool { return slices.Contains(t.Answers, id) }))
	}
	query, _ := w.fields()
	switch {
	case len(missing) > 0:
		return experiment.Recall{}, &ScoreError{"The following " + query + "s have no prediction in your submission, please check again: " + strings.Join(missing, ", "),
			predictionsPath, "predict for every query of " + truthPath}
	case len(truth) == 0:
		return experiment.Recall{}, &ScoreError{"float division by zero", truthPath, "it has no queries"}
	}
	return Recall(ranks), nil
}

// WriteScore writes the file that the reference's scorer leaves, for the result of Score.
func WriteScore(path string, r experiment.Recall, err error) error {
	return atomicfile.WriteBytes(path, scoreJSON(r, err))
}

func scoreJSON(r experiment.Recall, err error) []byte {
	if err != nil {
		message := err.Error()
		if e := new(ScoreError); errors.As(err, &e) {
			message = e.Message
		}
		s := pyjson.String(message)
		return fmt.Appendf(nil, `{"errorDetail": %s, "errorMsg": %s, "score": 0, "scoreJson": {}, "success": false}`, s, s)
	}
	mean := pyjson.Float(r.Mean)
	return fmt.Appendf(nil, `{"success": true, "score": %s, "scoreJson": {"score": %s, "mean_recall": %s, "r1": %s, "r5": %s, "r10": %s}}`,
		mean, mean, mean, pyjson.Float(r.R1), pyjson.Float(r.R5), pyjson.Float(r.R10))
}

// ReadTruth reads queries with their right answers: a texts file, or for ImageToText the .tr.jsonl made of it. The last of several lines for one
// query counts.
func ReadTruth(path string, w Way) ([]Retrieved, error) {
	query, answers := w.fields()
	var list []Retrieved
	at := map[int64]int{}
	err := eachLine(path, func(place, line string) error {
		fail := func(message, hint string) error { return &ScoreError{message, place, hint} }
		var fields map[string]json.RawMessage
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			return fail(err.Error(), "every line of the truth is a JSON object")
		}
		for _, name := range []string{query, answers} {
			if fields[name] == nil {
				return fail(name, "the truth has no such field: text→image is scored with the texts file, image→text with the .tr.jsonl made of it")
			}
		}
		var t Retrieved
		if err := json.Unmarshal(fields[query], &t.Query); err != nil {
			return fail(fmt.Sprintf("%s is %s", query, fields[query]), "ids are integers")
		}
		if err := json.Unmarshal(fields[answers], &t.Answers); err != nil {
			return fail(fmt.Sprintf("%s is %.80s", answers, fields[answers]), "want a list of integers")
		}
		if i, ok := at[t.Query]; ok {
			list[i] = t
			return nil
		}
		at[t.Query], list = len(list), append(list, t)
		return nil
	})
	return list, err
}

// readPredicted reads the answers by query; the last of several lines for one query counts.
func readPredicted(path string, w Way) (map[int64][]int64, error) {
	found := map[int64][]int64{}
	before := "" // the id of the line before
	err := eachLine(path, func(place, line string) error {
		id, answers, err := parsePredicted(line, w, before)
		if err != nil {
			hint := ""
			if query, _ := (1 - w).fields(); strings.Contains(line, `"`+query+`"`) {
				hint = "this is a file of the other direction: clipkit score has --tr for image→text"
			}
			return &ScoreError{err.Error(), place, hint}
		}
		before, found[id] = fmt.Sprint(id), answers
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &ScoreError{"The submission file is not found!", path, ""}
	}
	return found, err
}

// parsePredicted makes the reference's checks in its order, and its errors in its words.
func parsePredicted(line string, w Way, before string) (id int64, answers []int64, err error) {
	query, list := w.fields()
	answer, title, kind := list[:len(list)-1], strings.ToUpper(query[:1])+query[1:], "images"
	if w == ImageToText {
		kind = "texts"
	}
	if !json.Valid([]byte(line)) {
		return 0, nil, fmt.Errorf("Cannot parse this line into json object: %s", line)
	}
	var fields map[string]json.RawMessage
	_ = json.Unmarshal([]byte(line), &fields) // JSON that is no object has none of the fields
	if fields[query] == nil {
		return 0, nil, fmt.Errorf("There exists one line not containing %s: %s", query, line)
	}
	if id, err = strconv.ParseInt(string(fields[query]), 10, 64); err != nil {
		bad := plain(fields[query])
		if w == TextToImage { // this scorer names the id of the line before, and on the first line trips over having none
			if bad = before; bad == "" {
				return 0, nil, errors.New("cannot access local variable 'qid' where it is not associated with a value")
			}
		}
		return 0, nil, fmt.Errorf("Found an invalid %s %s, it should be an integer (not string), please check your schema", query, bad)
	}
	if fields[list] == nil {
		return 0, nil, fmt.Errorf("There exists one line not containing the predicted %s: %s", list, line)
	}
	var values []json.RawMessage
	if fields[list][0] != '[' || json.Unmarshal(fields[list], &values) != nil {
		return 0, nil, fmt.Errorf("The %s field of %s %d is not a list, please check your schema", list, query, id)
	}
	if len(values) != scored {
		return 0, nil, fmt.Errorf("%s %d has wrong number of predicted %s! Require %d, but %d founded.", title, id, list, scored, len(values))
	}
	for i, raw := range values {
		a, err := strconv.ParseInt(string(raw), 10, 64)
		if err != nil {
			return 0, nil, fmt.Errorf("%s %d has an invalid predicted %s %s at rank %d, it should be an integer (not string), please check your schema",
				title, id, answer, plain(raw), i+1)
		}
		answers = append(answers, a)
	}
	if len(slices.Compact(slices.Sorted(slices.Values(answers)))) != scored {
		return 0, nil, fmt.Errorf("%s %d has duplicate topk %s in your prediction. Pleace check again!", title, id, kind)
	}
	return id, answers, nil
}

// plain is a JSON value as Python's format prints it, for strings and numbers.
func plain(raw json.RawMessage) string {
	var s string
	if raw[0] == '"' && json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

// eachLine gives visit the lines of a file without surrounding space, and their place for messages.
func eachLine(path string, visit func(place, line string) error) error {
	file, err := regular.Open(path)
	if err != nil {
		return fmt.Errorf("scoring: %w", err)
	}
	defer file.Close()
	r := bufio.NewReaderSize(file, maxLine+1)
	for n := 1; ; n++ {
		place := fmt.Sprintf("%s:%d", path, n)
		data, err := r.ReadSlice('\n')
		switch {
		case err == io.EOF && len(data) == 0:
			return nil
		case err == bufio.ErrBufferFull:
			return fmt.Errorf("scoring %s: a line longer than %d bytes", place, maxLine)
		case err != nil && err != io.EOF:
			return fmt.Errorf("scoring %s: %w", place, err)
		}
		if err := visit(place, string(bytes.TrimSpace(data))); err != nil {
			return err
		}
	}
}
