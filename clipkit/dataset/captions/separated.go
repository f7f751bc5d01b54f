package captions

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
)

// table reads lines of fields that are separated by one character.
type table struct {
	*file
	budget *Budget
	text   *bufio.Reader
	line   int      // of the last line that next gave
	back   []string // lines that were read ahead, to be given again
	comma  byte
	size   int   // bytes of the present record
	err    error // that reading has ended with
}

// separated reads a file with a header line.
func (f *file) separated(in *Budget, text *bufio.Reader) error {
	t := &table{file: f, budget: in, text: text}
	header, err := t.header()
	if err != nil {
		return err
	}
	image, caption, split := column(header, ImageNames), column(header, TextNames), column(header, SplitNames)
	for {
		line, err := t.next(true)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		start := t.line
		fields, problem := t.fields(line)
		for len(fields) > len(header) && strings.TrimSpace(fields[len(fields)-1]) == "" { // a spreadsheet's empty cells
			fields = fields[:len(fields)-1]
		}
		switch {
		case t.size > MaxRecord:
			return f.bad(start, "%v", errLong)
		case problem != "":
			f.Add(start, problem)
		case !slices.ContainsFunc(fields, func(s string) bool { return strings.TrimSpace(s) != "" }):
		case len(fields) != len(header):
			f.Add(start, fmt.Sprintf("wrong number of fields: %d, the header has %d; put a caption that holds %q in quotation marks", len(fields), len(header), t.comma))
		case split < 0:
			f.add(start, fields[image], "", cell(fields[caption]))
		default:
			f.add(start, fields[image], fields[split], cell(fields[caption]))
		}
	}
}

// header reads the names of the columns, and by them finds what separates them.
func (t *table) header() ([]string, error) {
	for {
		line, err := t.next(true)
		if err == io.EOF {
			return nil, t.bad(1, "empty; want a header line such as image,caption")
		}
		if err != nil {
			return nil, err
		}
		if strings.Contains(line, "\r") {
			return nil, t.bad(t.line, "its lines end as on old Macs, in CR alone; save the file as CSV UTF-8")
		}
		commas := []byte(",\t;|")
		if rest, ok := strings.CutPrefix(line, "sep="); ok && len(rest) == 1 { // by which Excel is told
			commas = []byte(rest)
			if line, err = t.next(true); err != nil && err != io.EOF {
				return nil, err
			}
		}
		if strings.TrimSpace(line) == "" {
			continue
		}
		names := []string{line} // by the separator that makes most of them
		for _, c := range commas {
			t.comma = c
			header, _ := t.fields(line)
			for i, name := range header {
				header[i] = strings.ToLower(strings.TrimSpace(name))
			}
			for len(header) > 1 && header[len(header)-1] == "" {
				header = header[:len(header)-1]
			}
			if column(header, ImageNames) >= 0 && column(header, TextNames) >= 0 {
				return header, nil
			}
			if len(header) > len(names) {
				names = header
			}
		}
		return nil, t.bad(t.line, "the columns are %.400s; want one of %s and one of %s, separated by commas, tabs or semicolons",
			strings.Join(names, ", "), strings.Join(ImageNames, ", "), strings.Join(TextNames, ", "))
	}
}

func column(header, names []string) int {
	for _, name := range names {
		if i := slices.Index(header, name); i >= 0 {
			return i
		}
	}
	return -1
}

// next gives a line without its end. begins says whether a record begins with it, and not only goes on.
func (t *table) next(begins bool) (string, error) {
	if t.budget.Left = MaxRecord; begins {
		t.size = 0
	}
	if len(t.back) > 0 {
		line := t.back[0]
		t.back = t.back[1:]
		t.line++
		t.size += len(line)
		return line, nil
	}
	if t.err != nil {
		return "", t.err
	}
	line, err := t.text.ReadBytes('\n')
	if err == io.EOF && len(line) == 0 {
		t.err = io.EOF
		return "", t.err
	}
	t.line++
	t.size += len(line)
	if err != nil && err != io.EOF {
		t.err = t.failed(t.line, err)
	} else if problem := NotUTF8(t.Name, line); problem != "" {
		t.err = t.bad(t.line, "%s", problem)
	}
	if t.err != nil {
		return "", t.err
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(line), "\n"), "\r"), nil
}

// fields parts a record that begins with line. problem is what is wrong with it.
func (t *table) fields(line string) (fields []string, problem string) {
	for {
		field, rest, problem := t.field(line)
		if problem != "" {
			return nil, problem
		}
		fields = append(fields, field)
		if rest == "" {
			return fields, ""
		}
		line = rest[1:] // behind the separator
	}
}

// field takes the first field of what is left of a record. rest begins with the separator, or is empty at the end.
func (t *table) field(line string) (field, rest string, problem string) {
	if inside, ok := strings.CutPrefix(strings.TrimLeft(line, " "), `"`); ok {
		switch field, rest, how := t.quoted(inside); how {
		case quoted:
			return field, rest, ""
		case unclosed:
			return "", "", `extraneous or missing " in quoted-field: a quotation mark opens and does not close`
		}
	}
	if i := strings.IndexByte(line, t.comma); i >= 0 {
		return line[:i], line[i:], ""
	}
	return line, "", ""
}

// What a quotation mark at the start of a field is.
const (
	quoted   = iota // the start of a quoted field
	itself          // a character like others
	unclosed        // neither makes sense
)

// quoted reads what follows a quotation mark at the start of a field. In a quoted field it is doubled inside, and what closes it stands before a
// separator or the end of a line. People also write single ones inside: one in a field that closes is an inch mark, two are about a word,
// and then the outer ones are too unless they enclose a separator. A quoted field may go over several lines, but then must be in order, and in a
// file with tabs must hold none: there, writers seldom quote and captions do begin with quotation marks.
func (t *table) quoted(inside string) (field, rest string, how int) {
	text, value := []byte(inside), []byte(nil)
	var ahead []string
	single, at := 0, 0
	again := func(how int) (string, string, int) {
		t.line -= len(ahead)
		t.back = append(ahead, t.back...)
		for _, line := range ahead {
			t.size -= len(line)
		}
		if single > 0 || t.comma == '\t' {
			how = itself
		}
		return "", "", how
	}
	for {
		i := bytes.IndexByte(text[at:], '"')
		if i < 0 { // it goes on in the next line, or never closes
			value = append(value, text[at:]...)
			if single > 0 {
				return again(itself)
			}
			line, err := t.next(false)
			if err != nil || t.size > MaxRecord {
				return again(unclosed)
			}
			ahead = append(ahead, line)
			value = append(value, '\n')
			text, at = []byte(line), 0
			continue
		}
		value = append(value, text[at:at+i]...)
		at += i + 1
		after := bytes.TrimLeft(text[at:], " ")
		switch {
		case len(after) == 0 || after[0] == t.comma:
			switch {
			case len(ahead) > 0 && t.comma == '\t' && bytes.IndexByte(value, '\t') >= 0:
				return again(itself)
			case single > 0 && single%2 == 0 && bytes.IndexByte(value, t.comma) < 0:
				return "", "", itself
			}
			return string(value), string(after), quoted
		case text[at] == '"':
			at++
		case len(ahead) > 0:
			return again(unclosed)
		default:
			single++
		}
		value = append(value, '"')
	}
}

// cell is the captions of a cell: the cell, or the strings of a list in it.
func cell(s string) []string {
	if list := list(s); list != nil {
		return list
	}
	return []string{s}
}
