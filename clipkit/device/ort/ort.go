// Package ort runs GoMLX graphs in ONNX Runtime with an execution provider: CANN (Ascend), OpenVINO (Intel), a plugin by path, or none.
// compute-onnx turns a graph into an ONNX model; everything after that happens here, in a small C layer (ort.c):
//
//	err := ort.Load("…/libonnxruntime.so.1.24.4", 3)   // once per process
//	b, err := ort.Open(ort.Provider{Name: "CANN", Index: 1, Options: [][2]string{{"device_id", "1"}}})
//	defer b.Finalize()                                  // b is a compute.Backend
//	b.Placements()                                      // how many nodes of each graph each provider took
//
// # What stays where
//
// A buffer is a tensor in memory that the provider allocates. Sessions are bound to buffers: inputs are read where they lie and outputs are
// left there, so that a training step moves its batch in and its loss out. Memory that is the host's (OpenVINO, none) is used as it is.
//
// # One runtime per process
//
// compute-onnx keeps its runtime in package variables, so a process has one ONNX Runtime: the first Load decides, a second one with another
// library is ErrLoaded. Backends of several providers and devices on that one runtime are independent of each other, and of compute-onnx's own.
//
// # How it gets in
//
// compute-onnx v0.1.5 has no seam for this. Load sets its three variables ortApi, ortVersion and ortEnv (go:linkname) to a runtime that it
// loads itself, with a function table whose session calls are ours. layout_test.go fails clearly when another version declares them otherwise.
//
// # Errors
//
// ONNX Runtime often says the cause of a failure only in its log. Nothing of that goes to standard error; it is part of the error instead.
package ort

// #cgo LDFLAGS: -ldl -lpthread
// #include <stdlib.h>
// #include "ort.h"
import "C"

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"unsafe"

	onnx "github.com/gomlx/compute-onnx"
)

// Sentinels; the text around them says what to do.
var (
	ErrLoaded  = errors.New("another ONNX Runtime is already loaded")
	ErrRuntime = errors.New("ONNX Runtime cannot be loaded")
	ErrSession = errors.New("ONNX Runtime")
)

// compute-onnx's package variables, as v0.1.5 declares them.
//
//go:linkname ortApi github.com/gomlx/compute-onnx/internal/ort.ortApi
var ortApi unsafe.Pointer // *C.OrtApi

//go:linkname ortVersion github.com/gomlx/compute-onnx/internal/ort.ortVersion
var ortVersion string

//go:linkname ortEnv github.com/gomlx/compute-onnx/internal/ort.ortEnv
var ortEnv *struct{ env unsafe.Pointer } // *Env

var (
	loading sync.Mutex
	loaded  string // real path of the runtime
)

// Loaded is the path of this process's ONNX Runtime, or "".
func Loaded() string {
	loading.Lock()
	defer loading.Unlock()
	return loaded
}

// Load makes a library this process's ONNX Runtime, also compute-onnx's. logLevel is ONNX Runtime's, 0 (everything) to 4 (fatal).
// Loading the same library again does nothing.
func Load(library string, logLevel int) error {
	path, err := filepath.Abs(library)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrRuntime, library, err)
	}
	loading.Lock()
	defer loading.Unlock()
	switch {
	case loaded == path:
		return nil
	case loaded != "":
		return fmt.Errorf("%w in this process: version %s, %s; open the device that needs %s first, or in a process of its own", ErrLoaded, ortVersion, loaded, path)
	case ortApi != nil:
		return fmt.Errorf("%w in this process: version %s, by compute-onnx and not through clipkit", ErrLoaded, ortVersion)
	}
	c := C.CString(path)
	defer C.free(unsafe.Pointer(c))
	if e := C.ort_load(c, C.int(min(logLevel, 3))); e != nil {
		return fmt.Errorf("%w: %s", ErrRuntime, take(e))
	}
	loaded, ortVersion = path, C.GoString(C.ort_version())
	ortApi, ortEnv = C.ort_table(), &struct{ env unsafe.Pointer }{C.ort_env()}
	return nil
}

// Show has ONNX Runtime's log lines of this level and above printed to standard error; 5 is none, as at the start.
func Show(logLevel int) { C.ort_show(C.int(logLevel)) }

// take copies a C string and frees it.
func take(s *C.char) string {
	defer C.free(unsafe.Pointer(s))
	return C.GoString(s)
}

// check turns a status into an error, with what the log said meanwhile.
func check(doing string, status *C.OrtStatus) error {
	if status == nil {
		return nil
	}
	message := take(C.ort_message(status))
	if said := take(C.ort_said()); said != "" && !strings.Contains(message, said) {
		message += " (log: " + said + ")"
	}
	return fmt.Errorf("%w: %s: %s", ErrSession, doing, clean(message))
}

// Places in C++ sources that ONNX Runtime puts before what it has to say: "…/x.cc:41 static Info Info::From(const Options&) ".
var (
	codes  = regexp.MustCompile(`(/\S+\.(cc|cpp|h):\d+ .*?)?\[ONNXRuntimeError\] : \d+ : \w+ : `)
	places = regexp.MustCompile(`(/\S+\.(cc|cpp|h):\d+ .*?)?\[OpenVINO-EP\] ?`)
)

func clean(message string) string {
	message = strings.Join(strings.Fields(message), " ")
	return places.ReplaceAllString(codes.ReplaceAllString(message, ""), "")
}

// exporter is compute-onnx on the loaded runtime, for its graph builder.
func exporter() (*onnx.Backend, error) {
	if Loaded() == "" {
		return nil, fmt.Errorf("%w: Load was not called", ErrRuntime)
	}
	b, err := onnx.New("cpu," + Loaded())
	if err != nil {
		return nil, err
	}
	e := b.(*onnx.Backend)
	if e.Version() != C.GoString(C.ort_version()) {
		return nil, fmt.Errorf("%w: compute-onnx did not take the runtime that clipkit loaded; clipkit needs compute-onnx v0.1.5 (see layout_test.go)", ErrRuntime)
	}
	e.SetKeepModelProto(true)
	return e, nil
}

// cStrings are pairs in C memory, for the provider's options.
type cStrings struct{ keys, values []*C.char }

func newCStrings(pairs [][2]string) (c cStrings) {
	for _, p := range pairs {
		c.keys, c.values = append(c.keys, C.CString(p[0])), append(c.values, C.CString(p[1]))
	}
	return c
}

func cNames(names []string) (c []*C.char) {
	for _, n := range names {
		c = append(c, C.CString(n))
	}
	return c
}

func freeNames(names []*C.char) {
	for _, n := range names {
		C.free(unsafe.Pointer(n))
	}
}

// cArray copies pointers to C memory, which may hold pointers to C memory.
func cArray[P any](pointers []P) *P {
	if len(pointers) == 0 {
		return nil
	}
	a := (*P)(C.malloc(C.size_t(len(pointers)) * C.size_t(unsafe.Sizeof(uintptr(0)))))
	copy(unsafe.Slice(a, len(pointers)), pointers)
	return a
}

// dump writes a model where CLIPKIT_ORT_DUMP names a folder: what to send with a report about a provider.
func dump(name string, model []byte) {
	if dir := os.Getenv("CLIPKIT_ORT_DUMP"); dir != "" {
		_ = os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%d.onnx", strings.ReplaceAll(name, "/", "_"), len(model))), model, 0o644)
	}
}
