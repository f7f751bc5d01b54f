package captions

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// jsonLines reads an object on each line.
func (f *file) jsonLines(in *Budget, text *bufio.Reader) error {
	for line := 1; ; line++ {
		in.Left = MaxRecord
		data, err := text.ReadBytes('\n')
		if err != nil && err != io.EOF {
			return f.failed(line, err)
		}
		if len(bytes.TrimSpace(data)) > 0 {
			if problem := NotUTF8(f.Name, data); problem != "" {
				return f.bad(line, "%s", problem)
			}
			f.object(line, data)
		}
		if err == io.EOF {
			return nil
		}
	}
}

// object takes an object with a picture and its captions.
func (f *file) object(line int, data []byte) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		f.Add(line, fmt.Sprintf("not a JSON object: %v", err))
		return
	}
	f.record(line, fields)
}

func (f *file) record(line int, fields map[string]json.RawMessage) {
	var image, split string
	name, raw, err := field(fields, ImageNames)
	if err == nil {
		image, err = stringOf(name, raw)
	}
	var texts []string
	if err == nil {
		if name, raw, err = field(fields, TextNames); err == nil {
			texts, err = stringsOf(name, raw)
		}
	}
	if raw, ok := fields[SplitNames[0]]; ok && err == nil {
		split, err = stringOf(SplitNames[0], raw)
	}
	if err != nil {
		f.Add(line, err.Error())
		return
	}
	f.add(line, image, split, texts)
}

// field finds the first of the names.
func field(fields map[string]json.RawMessage, names []string) (name string, raw json.RawMessage, err error) {
	for _, name := range names {
		if raw, ok := fields[name]; ok {
			return name, raw, nil
		}
	}
	return "", nil, fmt.Errorf("no field %s", strings.Join(names, ", "))
}

func stringOf(name string, raw json.RawMessage) (s string, err error) {
	if err := json.Unmarshal(raw, &s); err != nil || raw[0] != '"' {
		return "", fmt.Errorf("%s must be a string, not %.40s", name, raw)
	}
	return s, nil
}

// stringsOf is a string, or the strings of a list.
func stringsOf(name string, raw json.RawMessage) ([]string, error) {
	if raw[0] != '[' {
		s, err := stringOf(name, raw)
		return []string{s}, err
	}
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		return nil, err
	}
	texts := make([]string, len(items))
	for i, item := range items {
		var err error
		if texts[i], err = stringOf(fmt.Sprintf("%s[%d]", name, i), item); err != nil {
			return nil, err
		}
	}
	return texts, nil
}

// document reads a list of objects, an object of paths and captions, or objects one after the other that are not on lines of their own.
func (f *file) document(in *Budget, text *bufio.Reader) error {
	lines := &lineCounter{r: text, line: 1}
	d := json.NewDecoder(lines)
	d.UseNumber()
	line := func() int { return lines.at(d.InputOffset()) }
	stop := func(err error) error {
		var syntax *json.SyntaxError
		switch {
		case err == io.EOF:
			err = io.ErrUnexpectedEOF
		case !errors.As(err, &syntax) && err != io.ErrUnexpectedEOF:
			return f.failed(line(), err)
		}
		return f.bad(line(), "not JSON: %v", err)
	}
	one := func() (raw json.RawMessage, err error) {
		in.Left = MaxRecord
		if err := d.Decode(&raw); err != nil {
			return nil, stop(err)
		}
		if problem := NotUTF8(f.Name, raw); problem != "" {
			return nil, f.bad(line(), "%s", problem)
		}
		return raw, nil
	}
	for {
		in.Left = MaxRecord
		open, err := d.Token()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return stop(err)
		case open == json.Delim('['):
			for d.More() {
				raw, err := one()
				if err != nil {
					return err
				}
				f.object(line(), raw)
			}
		case open == json.Delim('{'):
			if err := f.entries(d, one, line, stop); err != nil {
				return err
			}
		default:
			return f.bad(line(), `it holds %.40v; want a list of objects, or one object {"a.jpg": "…"} of paths and captions`, open)
		}
		in.Left = MaxRecord
		if _, err := d.Token(); err != nil { // what closes it
			return stop(err)
		}
	}
}

// entries reads an object: a record, or paths and captions. Those are taken one by one, because such an object may be a whole data set.
func (f *file) entries(d *json.Decoder, one func() (json.RawMessage, error), line func() int, stop func(error) error) error {
	start, before := line(), len(f.captions)+f.Total
	fields, other := map[string]json.RawMessage{}, ""
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return stop(err)
		}
		key, _ := token.(string) // the decoder sees to that
		if len(fields) == 0 && (key == "images" || key == "annotations") {
			return f.bad(line(), `%q of COCO's form; want a list of objects {"image": "a.jpg", "caption": "…"}, or one object {"a.jpg": "…"} of paths and captions`, key)
		}
		raw, err := one()
		if err != nil {
			return err
		}
		switch {
		case !utf8.ValidString(key) || strings.ContainsRune(key, utf8.RuneError):
			return f.bad(line(), "a name that is not UTF-8; save the file as UTF-8")
		case slices.Contains(ImageNames, key), slices.Contains(TextNames, key), slices.Contains(SplitNames, key):
			if len(fields) < 3*len(ImageNames) {
				fields[key] = raw
			}
		case len(fields) > 0, raw[0] != '"' && raw[0] != '[', !strings.Contains(key, "."): // of no picture
			other = key
		default:
			texts, err := stringsOf(strconv.Quote(key), raw)
			if err != nil {
				f.Add(line(), err.Error())
				continue
			}
			f.add(line(), key, "", texts)
		}
	}
	if len(fields) > 0 {
		f.record(start, fields)
	} else if len(f.captions)+f.Total == before {
		f.Add(start, fmt.Sprintf(`an object with %.40q that names no picture; want a list of objects with a field image and a field caption, or one object {"a.jpg": "…"}`, other))
	}
	return nil
}

// lineCounter tells on which line an offset is. Offsets are asked for in order.
type lineCounter struct {
	r    io.Reader
	read int64
	line int
	ends []int64 // of lines that have been read and not yet passed
}

func (l *lineCounter) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	for i, c := range p[:n] {
		if c == '\n' {
			l.ends = append(l.ends, l.read+int64(i))
		}
	}
	l.read += int64(n)
	return n, err
}

func (l *lineCounter) at(offset int64) int {
	passed := 0
	for passed < len(l.ends) && l.ends[passed] < offset {
		passed++
	}
	l.line, l.ends = l.line+passed, l.ends[passed:]
	return l.line
}

// list reads ["a", 'b'] as JSON or Python writes it; nil for anything else.
func list(s string) (items []string) {
	s, ok := strings.CutPrefix(strings.TrimSpace(s), "[")
	if ok && json.Unmarshal([]byte("["+s), &items) == nil {
		return items
	}
	items = nil
	for ok {
		s = strings.TrimSpace(s)
		if s == "" || s[0] != '"' && s[0] != '\'' {
			return nil
		}
		quote := s[0]
		var item strings.Builder
		for s = s[1:]; s == "" || s[0] != quote; {
			r, _, tail, err := strconv.UnquoteChar(s, quote)
			if err != nil {
				return nil
			}
			item.WriteRune(r)
			s = tail
		}
		items = append(items, item.String())
		s = strings.TrimSpace(s[1:])
		if s == "]" {
			return items
		}
		s, ok = strings.CutPrefix(s, ",")
	}
	return nil
}
