package ort

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// sources is the folder of compute-onnx's internal/ort, the package whose variables Load sets.
func sources(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Version}} {{.Dir}}", "github.com/gomlx/compute-onnx").Output()
	if err != nil {
		t.Fatal(err)
	}
	version, dir, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	if version != "v0.1.5" {
		t.Errorf("compute-onnx is %s; package ort was written for v0.1.5: go through what this test checks, and through ort.go, backend.go and executable.go, before changing this line", version)
	}
	return filepath.Join(dir, "internal", "ort")
}

// The variables that Load sets through go:linkname must be what ort.go declares them as. A wrong guess would be a crash, not an error.
func TestComputeOnnxHasTheVariablesThatLoadSets(t *testing.T) {
	code, err := os.ReadFile(filepath.Join(sources(t), "ort.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`(?m)^\s*ortVersion\s+string$`,
		`(?m)^\s*ortApi\s+\*C\.OrtApi$`,
		`(?m)^\s*ortEnv\s+\*Env$`,
		`type Env struct \{\n\s*env \*C\.OrtEnv\n\}`,
		`func InitializeEnvironment\(\) error \{\n\s*if ortApi != nil \{\n\s*return nil`, // it leaves ours alone
	} {
		if !regexp.MustCompile(want).Match(code) {
			t.Errorf("compute-onnx's internal/ort/ort.go no longer has %q: package ort cannot set its runtime that way", want)
		}
	}
}

// compute-onnx may call only what the copied part of the table has.
func TestComputeOnnxCallsOnlyOldFunctions(t *testing.T) {
	dir := sources(t)
	wrapper, err := os.ReadFile(filepath.Join(dir, "ort_wrapper.c"))
	if err != nil {
		t.Fatal(err)
	}
	program := "#include <stddef.h>\n#include \"onnxruntime_c_api.h\"\n#define ORT_PLACES_17 " + tablePlaces(t) + "\n" +
		"_Static_assert(offsetof(OrtApi, SessionOptionsAppendExecutionProvider_VitisAI) / sizeof(void*) == ORT_PLACES_17, \"the end of version 17\");\n"
	called := map[string]bool{}
	for _, m := range regexp.MustCompile(`api->(\w+)`).FindAllSubmatch(wrapper, -1) {
		called[string(m[1])] = true
	}
	if len(called) < 30 {
		t.Fatalf("only %d calls found in ort_wrapper.c", len(called))
	}
	for name := range called {
		program += fmt.Sprintf("_Static_assert(offsetof(OrtApi, %s) / sizeof(void*) < ORT_PLACES_17, \"%s is newer than version 17\");\n", name, name)
	}
	compile(t, dir, program)
}

// Every line of api.h must agree with ONNX Runtime's own header: the place, the result and the parameters.
func TestAPIAgreesWithTheHeader(t *testing.T) {
	header, err := os.ReadFile("api.h")
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`X\((\d+), ([^,]+), (\w+),(?: \\\n)?\s*(\(.*\))\)`).FindAllSubmatch(header, -1)
	if n := strings.Count(string(header), "\n  X("); len(lines) != n || n < 40 {
		t.Fatalf("%d of %d lines of api.h were understood", len(lines), n)
	}
	program := "#include <stddef.h>\n#include \"onnxruntime_c_api.h\"\n"
	for _, m := range lines {
		place, result, name, parameters := m[1], m[2], m[3], m[4]
		program += fmt.Sprintf("_Static_assert(offsetof(OrtApi, %s) / sizeof(void*) == %s, \"place of %s\");\n", name, place, name)
		program += fmt.Sprintf("_Static_assert(__builtin_types_compatible_p(__typeof__(((OrtApi*)0)->%s), %s (*)%s), \"signature of %s\");\n", name, result, parameters, name)
	}
	compile(t, sources(t), program)
}

func compile(t *testing.T, include, program string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "check.c")
	if err := os.WriteFile(file, []byte(program), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("gcc", "-fsyntax-only", "-I", include, file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// tablePlaces is ORT_PLACES_17 of api.h.
func tablePlaces(t *testing.T) string {
	t.Helper()
	header, err := os.ReadFile("api.h")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`#define ORT_PLACES_17 (\d+)`).FindSubmatch(header)
	if m == nil {
		t.Fatal("api.h has no ORT_PLACES_17")
	}
	return string(m[1])
}
