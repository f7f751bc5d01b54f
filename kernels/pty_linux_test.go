package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// pseudoTerminal makes one with so many columns: what is written to slave can be read from master.
func pseudoTerminal(t *testing.T, columns int) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: uint16(columns)})
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return master, slave
}

var escape = regexp.MustCompile("^\x1b\\[[0-9;]*([a-zA-Z])")

// onScreen is what a terminal of so many columns shows of what was written to it: \r goes back to the beginning of a row, a full row goes on in the next.
func onScreen(written string, columns int) string {
	rows, column := [][]rune{{}}, 0
	for len(written) > 0 {
		row := &rows[len(rows)-1]
		if m := escape.FindStringSubmatch(written); m != nil {
			if written = written[len(m[0]):]; m[1] == "K" {
				*row = (*row)[:min(column, len(*row))]
			}
			continue
		}
		r, size := utf8.DecodeRuneInString(written)
		written = written[size:]
		switch r {
		case '\r':
			column = 0
			continue
		case '\n':
			rows = append(rows, nil)
			continue
		}
		cells := []rune{r}
		if r >= 0x2e80 { // Chinese
			cells = append(cells, 0)
		}
		if column+len(cells) > columns {
			rows, column = append(rows, nil), 0
			row = &rows[len(rows)-1]
		}
		for len(*row) < column+len(cells) {
			*row = append(*row, ' ')
		}
		copy((*row)[column:], cells)
		column += len(cells)
	}
	var text strings.Builder
	for _, row := range rows {
		text.WriteString(strings.TrimRight(strings.ReplaceAll(string(row), "\x00", ""), " ") + "\n")
	}
	return text.String()
}

func TestOnScreen(t *testing.T) {
	for written, want := range map[string]string{
		"one\r\ntwo":            "one\ntwo\n",
		"a bar\ra longer":       "a longer\n",
		"longer\rab":            "abnger\n",
		"longer\rab\x1b[K":      "ab\n",
		"\x1b[31m0123456789":    "01234567\n89\n",
		"01234567\rx":           "x1234567\n",
		"0123456中":              "0123456\n中\n",
		"0123456789\rredrawn\n": "01234567\nredrawn\n\n",
	} {
		if got := onScreen(written, 8); got != want {
			t.Errorf("%q shows\n%swant\n%s", written, got, want)
		}
	}
}

var took = regexp.MustCompile(`(?m)^      \d+\.\d s$`)

// golden compares what exec said before it names its results with a file of testdata.
func golden(t *testing.T, name, said string) {
	t.Helper()
	said, _, _ = strings.Cut(said, "\nwrote ")
	said = strings.TrimPrefix(said, "another set-up is running here; waiting for it …\n") // another test's
	if said = took.ReplaceAllString(said, "      N s") + "\n"; said != read(t, "testdata/"+name) {
		t.Errorf("exec shows\n%s\nwant testdata/%s:\n%s", said, name, read(t, "testdata/"+name))
	}
}

// In a terminal of 80 columns a line that is redrawn stays one line, however wide it is made.
func TestExecInATerminal(t *testing.T) {
	t.Parallel()
	cmd, _, _ := notebookRun(t, "testdata/progress.ipynb")
	master, slave := pseudoTerminal(t, 80)
	defer master.Close()
	cmd.Stdout, cmd.Stderr = slave, slave
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	var written bytes.Buffer
	io.Copy(&written, master) // ends with an error when the last one has closed the terminal
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, &written)
	}
	golden(t, "progress.terminal.txt", onScreen(written.String(), 80))
}

// A file has the last state of a line that is redrawn.
func TestExecIntoAFile(t *testing.T) {
	t.Parallel()
	cmd, out, _ := notebookRun(t, "testdata/progress.ipynb")
	cmd.Env = append(os.Environ(), "COLUMNS=")
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	golden(t, "progress.file.txt", out.String())
}
