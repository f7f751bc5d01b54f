package page

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/janpfeifer/gonb/gonbui"
)

// process names a process. Its start time tells it from a later one with the same number.
type process struct {
	PID   int
	Began string // "" where the system does not say
}

func thisProcess(pid int) process { return process{pid, began(pid)} }

// owner is the process whose exit ends the page: the notebook's kernel, or outside a notebook this program.
func owner() process {
	if gonbui.IsNotebook {
		return thisProcess(os.Getppid())
	}
	return thisProcess(os.Getpid())
}

// began reads the start time that Linux keeps.
func began(pid int) string {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return ""
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:])) // a program's name may have spaces
	if len(fields) < 20 || fields[0] == "Z" {
		return ""
	}
	return fields[19]
}

func (p process) alive() bool {
	err := syscall.Kill(p.PID, 0)
	return p.PID > 0 && (err == nil || errors.Is(err, syscall.EPERM)) && began(p.PID) == p.Began
}
