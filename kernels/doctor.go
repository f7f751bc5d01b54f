package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"clipnb/clipkit/device/ascend"
)

const fixSetup = "run: go run ./kernels setup"

// doctor prints a line for each thing that a kernel needs and changes nothing. Its status is 1 where the cpu kernel cannot run.
func doctor(ctx context.Context, root string, out io.Writer) (status int) {
	s := newSetup(root, io.Discard)
	line := func(name, has string) { fmt.Fprintf(out, "ok    %-8s %s\n", name, has) }
	lack := func(name, lacks string) { fmt.Fprintf(out, "LACKS %-8s %s\n", name, lacks) }
	fail := func(name, lacks string) { lack(name, lacks); status = 1 }

	for _, p := range []struct{ name, ask, fix string }{
		{"go", "version", "install Go, see README"},
		{"gcc", "-dumpfullversion", "on Debian: apt-get install gcc libc6-dev"},
	} {
		if said, err := s.ask(ctx, p.name, p.ask); err != nil {
			fail(p.name, fmt.Sprintf("%v; %s", err, p.fix))
		} else {
			line(p.name, said)
		}
	}
	venv := s.venvProblem(ctx)
	switch version, err := s.needPython(ctx); {
	case err == nil:
		line("python3", version+" with venv and pip")
	case venv == "":
		lack("python3", err.Error()+" (not needed as long as .venv works)")
	default:
		fail("python3", err.Error())
	}
	if venv == "" {
		line(".venv", fmt.Sprintf("JupyterLab %s", labVersion.FindSubmatch(requirements)[1]))
	} else {
		fail(".venv", "is "+venv+"; "+fixSetup)
	}
	goMod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		fail("go.mod", err.Error())
	}
	stamp := toolsStamp(goMod, s.goVersion)
	if problem := s.toolsProblem(ctx, stamp); problem == "" {
		line("gonb", strings.Join(strings.Split(stamp, "\n")[1:3], ", "))
	} else {
		fail("gonb", ".tools/bin is "+problem+"; "+fixSetup)
	}
	for _, name := range kernelNames(root) {
		title, err := kernelTitle(root, name)
		switch {
		case err == nil:
			line("kernel", name+": "+title)
		case name == "cpu":
			fail("kernel", err.Error())
		default:
			lack("kernel", err.Error())
		}
	}
	if _, err := kernelTitle(root, "cpu"); os.IsNotExist(err) {
		fail("kernel", "no kernels/cpu/kernel.json; restore it: git checkout kernels")
	}

	cuda := devices("/dev/nvidia[0-9]*")
	if cuda == "" {
		lack("cuda", "no NVIDIA GPU is here (/dev/nvidia[0-9]*)")
	} else {
		line("cuda", "NVIDIA: "+cuda)
	}
	npu := npuLines(ascend.Look(ascend.Here), devices("/dev/accel/accel[0-9]*"), line, lack)
	if !s.probe(ctx, out) {
		status = 1
	}
	if cuda != "" {
		s.probe(ctx, out, "cuda")
	}
	if asked := os.Getenv("CLIPKIT_DEVICE"); strings.HasPrefix(asked, "npu") {
		s.probe(ctx, out, asked)
	} else if npu {
		s.probe(ctx, out, "npu")
	}
	if status == 0 {
		fmt.Fprintln(out, "the cpu kernel can run")
	} else {
		fmt.Fprintln(out, "the cpu kernel cannot run yet")
	}
	return status
}

// ask runs a program for the first line that it prints.
func (s *setup) ask(ctx context.Context, argv ...string) (string, error) {
	if _, err := s.look(argv[0]); err != nil {
		return "", fmt.Errorf("no %s on PATH", argv[0])
	}
	var said bytes.Buffer
	err := s.run(ctx, command{argv: argv, dir: s.root, out: &said})
	first, _, _ := strings.Cut(strings.TrimSpace(said.String()), "\n")
	if err != nil {
		return "", fmt.Errorf("%s does not run: %s", argv[0], lastLine(first, err.Error()))
	}
	return first, nil
}

func kernelTitle(root, name string) (string, error) {
	path := filepath.Join(root, "kernels", name, "kernel.json")
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	var spec struct {
		Title string `json:"display_name"`
	}
	if err := json.Unmarshal(data, &spec); err != nil {
		return "", fmt.Errorf("%s: %w; restore it: git checkout kernels", path, err)
	}
	return spec.Title, nil
}

// npuLines says what an NPU has and lacks, and whether one is here.
func npuLines(a ascend.Found, intel string, line, lack func(name, text string)) bool {
	switch {
	case len(a.Devices) > 0:
		line("npu", "Ascend: "+a.String())
		if _, err := os.Stat(a.SetEnv); err == nil {
			a.Sourced = true // the kernel does it, and so does probe
		}
		for _, p := range a.Problems() {
			lack("npu", p.String())
		}
	case intel != "":
		line("npu", "Intel: "+intel)
	default:
		lack("npu", "no Ascend card is here (/dev/davinci[0-9]*) and no Intel NPU (/dev/accel/accel[0-9]*)")
		return false
	}
	return true
}

func devices(patterns ...string) string {
	var found []string
	for _, p := range patterns {
		files, _ := filepath.Glob(p) // the patterns are well-formed
		found = append(found, files...)
	}
	return strings.Join(found, " ")
}

// probe tries the engines of the cpu, or the named devices, and says whether they work. A process can have one ONNX Runtime, so an NPU is
// tried in another.
func (s *setup) probe(ctx context.Context, out io.Writer, names ...string) bool {
	if _, err := os.Stat(filepath.Join(s.root, "kernels", "probe", "main.go")); err != nil {
		return true
	}
	if _, err := s.look("gcc"); err != nil {
		return false
	}
	if names == nil {
		fmt.Fprintln(out, "trying the engines (builds them the first time, 1 to 2 minutes) …")
	}
	argv := append([]string{"go", "run", "./kernels/probe"}, names...)
	if names != nil { // with the environment that the kernel has
		argv = append([]string{"bash", "-c", `. ./kernels/npu/env.sh; exec "$@"`, "bash"}, argv...)
	}
	if err := s.run(ctx, command{argv: argv, dir: s.root, env: []string{"CLIPKIT_ROOT=" + s.root}, out: out}); err != nil {
		fmt.Fprintf(out, "LACKS engines  %s: %v\n", strings.Join(append([]string{"go run ./kernels/probe"}, names...), " "), err)
		return false
	}
	return true
}
