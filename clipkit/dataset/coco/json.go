package coco

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"clipnb/clipkit/dataset/captions"
	"clipnb/clipkit/dataset/shape"

	"golang.org/x/text/encoding"
	"golang.org/x/text/transform"
)

// Limits on a file: what one picture or caption takes with all that a file says of it, and how deep the rest is nested.
const (
	maxElement = 1 << 20
	maxNesting = 64
)

// element is a member of any of the lists: a picture of COCO or Karpathy, an annotation of COCO, a caption with its picture.
type element struct {
	ID        json.RawMessage `json:"id"`
	ImageID   json.RawMessage `json:"image_id"`
	CocoID    json.RawMessage `json:"cocoid"`
	ImgID     json.RawMessage `json:"imgid"`
	FileName  string          `json:"file_name"` // COCO
	Filename  string          `json:"filename"`  // Karpathy, in Filepath
	Filepath  string          `json:"filepath"`
	Image     string          `json:"image"` // a path, in lists
	Caption   json.RawMessage `json:"caption"`
	Split     string          `json:"split"`
	Sentences []struct {
		Raw    string          `json:"raw"`
		SentID json.RawMessage `json:"sentid"`
	} `json:"sentences"`
}

// captions are a string or a list of them.
func (e *element) captions() ([]string, error) {
	var one string
	var many []string
	switch {
	case len(e.Caption) == 0:
		return nil, errors.New("no field caption")
	case json.Unmarshal(e.Caption, &one) == nil:
		return []string{one}, nil
	case json.Unmarshal(e.Caption, &many) == nil:
		return many, nil
	}
	return nil, fmt.Errorf("caption must be a string or a list of them, not %.40s", e.Caption)
}

// number reads an id; ok is false for what is no integer.
func number(raw json.RawMessage) (id int64, ok bool) {
	id, err := strconv.ParseInt(string(raw), 10, 64)
	return id, err == nil
}

var errLong = fmt.Errorf("an element longer than %d MiB; a bracket or quotation mark is probably not closed", maxElement>>20)

// read passes the elements of a file's lists to take, one at a time: those of the file itself if it is a list (list ""), else those of its fields.
func read(in io.Reader, take func(list string, e *element) error) error {
	text := bufio.NewReader(transform.NewReader(in, encoding.UTF8Validator))
	if start, _ := text.Peek(3); bytes.Equal(start, []byte("\xef\xbb\xbf")) {
		text.Discard(3)
	}
	b := &captions.Budget{R: text, Left: maxElement, Err: errLong}
	r := &reader{Decoder: json.NewDecoder(b), budget: b, take: take}
	err := r.file()
	if err == nil {
		if _, err = r.next(); err == io.EOF {
			return nil
		}
		err = errors.New("there is more after the end of its JSON")
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return shape.Wrong(fmt.Errorf("byte %d: %w", r.InputOffset(), err))
}

type reader struct {
	*json.Decoder
	budget *captions.Budget
	take   func(list string, e *element) error
}

func (r *reader) next() (json.Token, error) {
	r.budget.Left = maxElement
	return r.Token()
}

func (r *reader) file() error {
	switch first, err := r.next(); {
	case err != nil:
		return err
	case first == json.Delim('['):
		return r.list("")
	case first != json.Delim('{'):
		return errors.New("want a JSON object or list")
	}
	for r.More() {
		key, err := r.next()
		if err != nil {
			return err
		}
		value, err := r.next()
		switch {
		case err != nil:
			return err
		case value == json.Delim('[') && (key == "images" || key == "annotations"):
			err = r.list(key.(string))
		case value == json.Delim('[') || value == json.Delim('{'):
			err = r.pass()
		}
		if err != nil {
			return err
		}
	}
	_, err := r.next()
	return err
}

func (r *reader) list(name string) error {
	for i := 1; r.More(); i++ {
		r.budget.Left = maxElement
		var e element
		err := r.Decode(&e)
		if err == nil {
			err = r.take(name, &e)
		}
		if err != nil {
			return fmt.Errorf("element %d of its %s: %w", i, map[bool]string{true: "list", false: name}[name == ""], err)
		}
		if i == shape.MaxSamples {
			return fmt.Errorf("more than %d %s", i, name)
		}
	}
	_, err := r.next()
	return err
}

// pass reads to the end of an object or list that is not needed.
func (r *reader) pass() error {
	for nesting := 1; nesting > 0; {
		t, err := r.next()
		switch {
		case err != nil:
			return err
		case t == json.Delim('[') || t == json.Delim('{'):
			if nesting++; nesting > maxNesting {
				return fmt.Errorf("nested more than %d deep", maxNesting)
			}
		case t == json.Delim(']') || t == json.Delim('}'):
			nesting--
		}
	}
	return nil
}
