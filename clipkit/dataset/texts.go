package dataset

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"clipnb/clipkit/dataset/captions"
)

// maxTextLine bounds a line of a jsonl, which is one caption with its image ids.
const maxTextLine = 1 << 20

// marked tells what a file is by its first bytes, when that is not the plain UTF-8 that the reference reads too; "" when it may be.
func marked(name string, start []byte) string {
	if bytes.HasPrefix(start, []byte("\xef\xbb\xbf")) {
		return "a byte order mark; save the file as UTF-8 without one"
	}
	return captions.UTF16(name, start[:min(len(start), 64)])
}

// readTexts reads captions in file order. Fields that the layout does not name are ignored.
func readTexts(name string, r io.Reader) ([]Text, error) {
	in := bufio.NewReaderSize(r, maxTextLine+1)
	var texts []Text
	lines := make(map[int64]int) // text id → line
	for line := 1; ; line++ {
		data, err := in.ReadSlice('\n')
		switch {
		case err == io.EOF && len(data) == 0:
			if len(texts) == 0 {
				return nil, fmt.Errorf(`%w: %s is empty; want lines of {"text_id": 1, "text": "…", "image_ids": [1]}`, ErrFormat, name)
			}
			return texts, nil
		case err == bufio.ErrBufferFull:
			return nil, fmt.Errorf("%w: %s:%d: line longer than %d MiB; every line is one caption", ErrFormat, name, line, maxTextLine>>20)
		case err != nil && err != io.EOF:
			return nil, fmt.Errorf("reading %s:%d: %w", name, line, err)
		case line == 1 && marked(name, data) != "":
			return nil, fmt.Errorf("%w: %s:1: %s", ErrFormat, name, marked(name, data))
		}
		if problem := captions.NotUTF8(name, data); problem != "" {
			return nil, fmt.Errorf("%w: %s:%d: %s", ErrFormat, name, line, problem)
		}
		text, err := parseText(data)
		if err != nil {
			return nil, fmt.Errorf("%w: %s:%d: %w", ErrFormat, name, line, err)
		}
		if first, ok := lines[text.ID]; ok {
			return nil, fmt.Errorf("%w: %s:%d: text_id %d is already on line %d; give every caption its own text_id", ErrFormat, name, line, text.ID, first)
		}
		lines[text.ID] = line
		texts = append(texts, text)
	}
}

// parseText reads one line. Field names are compared exactly, as the reference does, hence the map.
func parseText(line []byte) (text Text, err error) {
	if len(bytes.TrimSpace(line)) == 0 {
		return Text{}, errors.New("blank line; every line is one JSON object")
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(line, &fields); err != nil {
		return Text{}, fmt.Errorf(`not a JSON object: %w; want {"text_id": 1, "text": "…", "image_ids": [1]}`, err)
	}
	for _, name := range []string{"text_id", "text", "image_ids"} {
		if fields[name] == nil {
			return Text{}, fmt.Errorf("no field %s; want text_id, text and image_ids ([] where the answers are hidden)", name)
		}
	}
	if text.ID, err = parseID(fields["text_id"]); err != nil {
		return Text{}, fmt.Errorf("text_id %w", err)
	}
	if raw := fields["text"]; raw[0] != '"' {
		return Text{}, fmt.Errorf("text must be a string, not %.40s", raw)
	}
	if err := json.Unmarshal(fields["text"], &text.Text); err != nil {
		return Text{}, fmt.Errorf("text: %w", err)
	}
	var ids []json.RawMessage
	if raw := fields["image_ids"]; raw[0] != '[' {
		return Text{}, fmt.Errorf("image_ids must be a list of integers, not %.40s", raw)
	} else if err := json.Unmarshal(raw, &ids); err != nil {
		return Text{}, fmt.Errorf("image_ids: %w", err)
	}
	text.ImageIDs = make([]int64, len(ids))
	for i, raw := range ids {
		if text.ImageIDs[i], err = parseID(raw); err != nil {
			return Text{}, fmt.Errorf("image_ids[%d] %w", i, err)
		}
	}
	return text, nil
}

func parseID(raw json.RawMessage) (int64, error) {
	id, err := strconv.ParseInt(string(raw), 10, 64)
	if err == nil {
		return id, nil
	}
	if raw[0] == '"' {
		return 0, fmt.Errorf("must be an integer, not the string %.40s; evaluation compares numbers, so number the captions and pictures", raw)
	}
	return 0, fmt.Errorf("must be an integer, not %.40s", raw)
}
