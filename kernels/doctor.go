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
)

const fixSetup = "run: go run ./kernels setup"

// doctor prints a line for each thing that a kernel needs and changes nothing. Its status is 1 where the cpu kernel cannot run. Of devices it
// sees only their files; the rest is the probe's, which takes a C compiler.
func doctor(ctx context.Context, root string, out io.Writer) (status int) {
	s := newSetup(root, io.Discard)
	line := func(name, has string) { fmt.Fprintf(out, "ok    %-8s %s\n", name, has) }
	lack := func(name, lacks string) { fmt.Fprintf(out, "LACKS %-8s %s\n", name, lacks) }
	fail := func(name, lacks string) { lack(name, lacks); status = 1 }

	for _, p := range []struct{ name, ask, fix string }{
		{"go", "version", "install Go, see README"},
		{"gcc", "-dumpfullversion", "on Debian: apt-get install gcc libc6-dev; clipkit and cells are compiled with it, and without it the devices were not looked at"},
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

	cuda, npu := deviceFiles(filepath.Glob, line, lack)
	names := []string{""}
	if cuda {
		names = append(names, "cuda")
	}
	if asked := os.Getenv("CLIPKIT_DEVICE"); strings.HasPrefix(asked, "npu") {
		names = append(names, asked)
	} else if npu {
		names = append(names, "npu")
	}
	if !s.probe(ctx, out, names) {
		status = 1
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

// deviceFiles says which device files are here: those of NVIDIA's GPUs, and of Ascend's and Intel's NPUs.
func deviceFiles(glob func(pattern string) ([]string, error), line, lack func(name, text string)) (cuda, npu bool) {
	files := func(pattern string) string {
		list, _ := glob(pattern) // the patterns are well-formed
		return strings.Join(list, " ")
	}
	if gpus := files("/dev/nvidia[0-9]*"); gpus != "" {
		line("cuda", "NVIDIA: "+gpus)
		cuda = true
	} else {
		lack("cuda", "no NVIDIA GPU is here (/dev/nvidia[0-9]*)")
	}
	cards, intel := files("/dev/davinci[0-9]*"), files("/dev/accel/accel[0-9]*")
	switch {
	case cards != "":
		line("npu", "Ascend: "+cards)
	case intel != "":
		line("npu", "Intel: "+intel)
	default:
		lack("npu", "no Ascend card is here (/dev/davinci[0-9]*) and no Intel NPU (/dev/accel/accel[0-9]*)")
	}
	return cuda, cards != "" || intel != ""
}

// probe builds kernels/probe and shows what it says of the cpu's engines ("") and of other devices, each in a process of its own, as a process
// can have one ONNX Runtime. It tells whether the cpu works.
func (s *setup) probe(ctx context.Context, out io.Writer, names []string) bool {
	if _, err := os.Stat(filepath.Join(s.root, "kernels", "probe", "main.go")); err != nil {
		return true
	}
	if _, err := s.look("gcc"); err != nil {
		return false // its own line has said so
	}
	fmt.Fprintln(out, "trying the engines (builds them the first time, 1 to 2 minutes) …")
	dir, err := os.MkdirTemp("", "clipkit-probe-")
	if err != nil {
		fmt.Fprintf(out, "LACKS engines  no folder to build kernels/probe in: %v\n", err)
		return false
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "probe")
	build := command{argv: []string{"go", "build", "-o", program, "./kernels/probe"}, dir: s.root, env: []string{"CGO_ENABLED=1"}, out: out}
	if err := s.run(ctx, build); err != nil {
		fmt.Fprintf(out, "LACKS engines  go build ./kernels/probe: %v (why: above); the devices were not looked at\n", err)
		return false
	}
	works := true
	for _, name := range names {
		argv := []string{program}
		if name != "" { // with the environment that the kernel has
			argv = []string{"bash", "-c", `. ./kernels/npu/env.sh; exec "$@"`, "bash", program, name}
		}
		if err := s.run(ctx, command{argv: argv, dir: s.root, env: []string{"CLIPKIT_ROOT=" + s.root}, out: out}); err != nil {
			fmt.Fprintf(out, "LACKS engines  %s: %v\n", strings.TrimSpace("go run ./kernels/probe "+name), err)
			works = works && name != ""
		}
	}
	return works
}
