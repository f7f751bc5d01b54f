package zeroshot

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds on a file of labels.
const (
	maxLabelFile = 16 << 20 // bytes
	maxLabels    = 65_536
)

// ReadLabels reads a label_cn.txt: the name of one class a line, in the order of the classes' numbers, UTF-8. White space around a name is
// dropped, and so are byte order marks. A blank line is an error, because it would shift every class after it; a name may come twice
// (ImageNet's does), and its classes are then told apart by nothing.
func ReadLabels(path string) ([]string, error) {
	data, err := readLimited(path, maxLabelFile)
	if err != nil {
		return nil, fmt.Errorf("reading labels: %w", err)
	}
	return parseLabels(path, data)
}

func parseLabels(name string, data []byte) ([]string, error) {
	around := func(r rune) bool { return unicode.IsSpace(r) || r == '\ufeff' }
	text := strings.TrimRightFunc(string(data), around)
	if text == "" {
		return nil, fmt.Errorf("%w: %s is empty; want the name of one class a line", ErrInput, name)
	}
	var labels []string
	for line := range strings.Lines(text) {
		label := strings.TrimFunc(line, around)
		at := fmt.Sprintf("%s:%d", name, len(labels)+1)
		switch {
		case !utf8.ValidString(label):
			return nil, fmt.Errorf("%w: %s: not UTF-8; save the file as UTF-8", ErrInput, at)
		case label == "":
			return nil, fmt.Errorf("%w: %s: blank line; every line is the name of a class", ErrInput, at)
		case len(label) > maxLabel:
			return nil, fmt.Errorf("%w: %s: a name of %d bytes; at most %d", ErrInput, at, len(label), maxLabel)
		case len(labels) == maxLabels:
			return nil, fmt.Errorf("%w: %s: more than %d classes", ErrInput, at, maxLabels)
		}
		labels = append(labels, label)
	}
	return labels, nil
}
