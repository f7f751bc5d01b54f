package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const fixSetup = "run: go run ./kernels setup"

// answerIn is how long doctor waits for the programs that it asks, all together; they are asked side by side.
const answerIn = 4 * time.Second

// errSilent is wrapped when a program has not answered by then.
var errSilent = errors.New("did not answer within seconds (a very busy machine?); ask again")

// nothingFetched is for programs that would download what they lack: doctor only looks.
var nothingFetched = []string{"GOTOOLCHAIN=local", "GOPROXY=off", "PIP_NO_INDEX=1"}

// doctor prints a line for each thing that a kernel needs, changes and downloads nothing, and answers within seconds. Its status is 1 where the cpu kernel
// cannot run. Of devices and engines it sees only files; try has the probe open them, which takes a C compiler and minutes.
func doctor(ctx context.Context, root string, try bool, out io.Writer) (status int) {
	s := newSetup(root, io.Discard)
	line := func(name, has string) { fmt.Fprintf(out, "ok    %-8s %s\n", name, has) }
	none := func(name, is string) { fmt.Fprintf(out, "none  %-8s %s\n", name, is) }
	lack := func(name, lacks string) { fmt.Fprintf(out, "LACKS %-8s %s\n", name, lacks) }
	fail := func(name, lacks string) { lack(name, lacks); status = 1 }
	goMod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		fail("go.mod", err.Error())
	}
	stamp := toolsStamp(goMod, s.goVersion)
	found := s.examine(ctx, stamp)

	for _, p := range []struct {
		name, fix string
		answer
	}{
		{"go", "install Go, see README", found.golang},
		{"gcc", "on Debian: apt-get install gcc libc6-dev; clipkit and cells are compiled with it, and without it the devices were not looked at", found.gcc},
	} {
		if p.err != nil {
			fail(p.name, fmt.Sprintf("%v; %s", p.err, p.fix))
		} else {
			line(p.name, p.said)
		}
	}
	switch venv, p := found.venv.said, found.python; {
	case p.err == nil:
		line("python3", p.said+" with venv and pip")
	case venv == "":
		lack("python3", p.err.Error()+" (not needed as long as .venv works)")
	default:
		fail("python3", p.err.Error())
	}
	if venv := found.venv.said; venv == "" {
		line(".venv", fmt.Sprintf("JupyterLab %s", labVersion.FindSubmatch(requirements)[1]))
	} else {
		fail(".venv", "is "+venv+"; "+fixSetup)
	}
	if problem := found.tools.said; problem == "" {
		line("gonb", strings.Join(strings.Split(stamp, "\n")[1:3], ", "))
	} else {
		fail("gonb", ".tools/bin is "+problem+"; "+fixSetup)
	}
	if stamp, err := s.goplsStamp(); err == nil && s.goplsProblem(stamp) == "" {
		line("gopls", "completes and explains in cells")
	} else {
		none("gopls", "completes and explains in cells; the first lab builds it, or: go run ./kernels setup -gopls")
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
	for _, c := range caches {
		if dir, err := c.folder(); err != nil {
			fail("cache", err.Error())
		} else {
			line("cache", dir+", for "+c.what)
		}
	}

	asked := os.Getenv("CLIPKIT_DEVICE")
	cuda, npu := deviceFiles(filepath.Glob, asked, line, none, lack)
	if try {
		names := []string{""}
		if cuda {
			names = append(names, "cuda")
		}
		if strings.HasPrefix(asked, "npu") {
			names = append(names, asked)
		} else if npu {
			names = append(names, "npu")
		}
		if !s.probe(ctx, out, names) {
			status = 1
		}
	} else {
		fmt.Fprintln(out, "engines and devices were not opened; to try them, which takes minutes the first time: go run ./kernels doctor -try")
	}
	if status == 0 {
		fmt.Fprintln(out, "the cpu kernel can run")
	} else {
		fmt.Fprintln(out, "the cpu kernel cannot run yet")
	}
	return status
}

// answer is what a program said, or why it said nothing.
type answer struct {
	said string
	err  error
}

// examined is what doctor learns from programs; of venv and tools the problem, "" where there is none.
type examined struct{ golang, gcc, python, venv, tools answer }

// examine asks all programs side by side.
func (s *setup) examine(ctx context.Context, stamp string) (found examined) {
	ctx, cancel := context.WithTimeout(ctx, answerIn)
	defer cancel()
	look := *s
	look.run = func(ctx context.Context, c command) error {
		c.env = append(c.env, nothingFetched...)
		err := s.run(ctx, c)
		if err != nil && ctx.Err() != nil {
			return errSilent
		}
		return err
	}
	var wait sync.WaitGroup
	for _, a := range []struct {
		to  *answer
		ask func() (string, error)
	}{
		{&found.golang, func() (string, error) { return look.ask(ctx, "go", "version") }},
		{&found.gcc, func() (string, error) { return look.ask(ctx, "gcc", "-dumpfullversion") }},
		{&found.python, func() (string, error) { return look.needPython(ctx) }},
		{&found.venv, func() (string, error) { return look.venvProblem(ctx), nil }},
		{&found.tools, func() (string, error) { return look.toolsProblem(ctx, stamp), nil }},
	} {
		wait.Go(func() { a.to.said, a.to.err = a.ask() })
	}
	wait.Wait()
	return found
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

// deviceFiles says which device files are here: those of NVIDIA's GPUs, and of Ascend's and Intel's NPUs. That there is none is a lack only where the device
// is asked for.
func deviceFiles(glob func(pattern string) ([]string, error), asked string, line, none, lack func(name, text string)) (cuda, npu bool) {
	files := func(pattern string) string {
		list, _ := glob(pattern) // the patterns are well-formed
		return strings.Join(list, " ")
	}
	missing := func(name, text string) {
		if strings.HasPrefix(asked, name) {
			lack(name, text+"; CLIPKIT_DEVICE="+asked+" asks for one")
		} else {
			none(name, text)
		}
	}
	if gpus := files("/dev/nvidia[0-9]*"); gpus != "" {
		line("cuda", "NVIDIA: "+gpus)
		cuda = true
	} else {
		missing("cuda", "no NVIDIA GPU is here (/dev/nvidia[0-9]*)")
	}
	cards, intel := files("/dev/davinci[0-9]*"), files("/dev/accel/accel[0-9]*")
	switch {
	case cards != "":
		line("npu", "Ascend: "+cards)
	case intel != "":
		line("npu", "Intel: "+intel)
	default:
		missing("npu", "no Ascend card is here (/dev/davinci[0-9]*) and no Intel NPU (/dev/accel/accel[0-9]*)")
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
