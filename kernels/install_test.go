package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// installed makes a repository with a cpu and a cuda kernel, set up, and names a folder for kernels with blanks and Chinese letters in its path.
func installed(t *testing.T) (m *machine, folder string) {
	t.Helper()
	m, s, _ := newMachine(t)
	for _, name := range []string{"cpu", "cuda"} {
		m.write("kernels/"+name+"/kernel.json", `{"argv": ["{resource_dir}/../launch.sh", "--kernel", "{connection_file}"], "display_name": "Go · `+name+`", "language": "go"}`)
		m.write("kernels/"+name+"/logo-svg.svg", "<svg/>")
	}
	if err := s.ensureKernel(t.Context()); err != nil {
		t.Fatal(err)
	}
	if built := m.built(); built != "tools" {
		t.Errorf("for a kernel of another Jupyter %q was built", built)
	}
	return m, filepath.Join(t.TempDir(), "共享 环境", "share", "jupyter", "kernels")
}

func TestInstallKernelAndUninstall(t *testing.T) {
	t.Parallel()
	m, folder := installed(t)
	for range 2 { // over itself as well
		for _, name := range []string{"cpu", "cuda"} {
			if err := installKernel(m.root, name, filepath.Join(folder, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	data, err := os.ReadFile(filepath.Join(folder, "cpu", "kernel.json"))
	if err != nil {
		t.Fatal(err)
	}
	var spec struct {
		Argv  []string
		Title string `json:"display_name"`
	}
	if err := json.Unmarshal(data, &spec); err != nil || spec.Title != "Go · cpu" || strings.Join(spec.Argv, " ") != filepath.Join(m.root, "kernels", "launch.sh")+" --kernel {connection_file}" {
		t.Errorf("%v\n%s", err, data)
	}
	if _, err := os.Stat(filepath.Join(folder, "cpu", "logo-svg.svg")); err != nil {
		t.Error(err)
	}

	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "cuda", "kernel.json"), []byte(`{"metadata": {"clipkit": "`+other+`"}}`), 0o644); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := uninstall(m.root, installOptions{folder: folder}, &out); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(folder); len(left) != 1 || left[0].Name() != "cuda" || !strings.Contains(out.String(), "which is of the checkout "+other) {
		t.Errorf("left %v\n%s", left, &out)
	}
	out.Reset()
	if err := uninstall(m.root, installOptions{folder: t.TempDir()}, &out); err != nil || !strings.Contains(out.String(), "no kernel of this checkout is in ") {
		t.Errorf("%v\n%s", err, &out)
	}
}

// A kernel "cpu" of somebody else's stays.
func TestInstallReplacesNoOther(t *testing.T) {
	t.Parallel()
	_, folder := installed(t)
	root, err := findRoot(mustGetwd(t))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "cpu", "kernel.json")
	for _, text := range []string{`{"argv": ["theirs"]}`, `{`, `{"metadata": {"debugger": true}}`} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
		if err := registerKernels(root, []string{"cpu"}, folder, io.Discard); !errors.Is(err, errNotOurs) || !strings.Contains(err.Error(), "jupyter kernelspec remove cpu") {
			t.Errorf("%s: %v", text, err)
		}
		if now, err := os.ReadFile(path); err != nil || string(now) != text {
			t.Errorf("%s became %s, %v", text, now, err)
		}
	}
}

func TestInstallOptions(t *testing.T) {
	t.Parallel()
	home := map[string]string{"HOME": "/home/u"}
	for _, c := range []struct {
		args   string
		env    map[string]string
		folder string
		err    string
	}{
		{"", home, "/home/u/.local/share/jupyter/kernels", ""},
		{"-user", home, "/home/u/.local/share/jupyter/kernels", ""},
		{"--user", map[string]string{"HOME": "/home/u", "XDG_DATA_HOME": "/data"}, "/data/jupyter/kernels", ""},
		{"", map[string]string{"HOME": "/home/u", "JUPYTER_DATA_DIR": "/mine"}, "/mine/kernels", ""},
		{"-prefix /opt/hub", nil, "/opt/hub/share/jupyter/kernels", ""},
		{"", nil, "", "set HOME or JUPYTER_DATA_DIR, or name a folder with -prefix"},
		{"-user -prefix /opt", home, "", "two places"},
		{"/opt", home, "", `takes -user or -prefix DIR, not "/opt"`},
		{"-sys-prefix", home, "", "not defined"},
	} {
		o, err := parseInstall("install", strings.Fields(c.args), func(name string) string { return c.env[name] })
		if c.err == "" && (err != nil || o.folder != c.folder) || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%q %v: %q, %v; want %q, %q", c.args, c.env, o.folder, err, c.folder, c.err)
		}
	}
	if dir, err := userData("darwin", func(name string) string { return home[name] }); err != nil || dir != "/home/u/Library/Jupyter" {
		t.Errorf("on macOS %s, %v", dir, err)
	}
	if o, err := parseInstall("install", []string{"-all", "-prefix", "x"}, os.Getenv); err != nil || !o.all || !filepath.IsAbs(o.folder) {
		t.Errorf("%+v, %v", o, err)
	}
	if _, err := parseInstall("uninstall", []string{"-all"}, os.Getenv); !errors.Is(err, errUsage) {
		t.Error(err)
	}
}

// A kernel whose device is not on the machine is neither installed nor offered, unless somebody asks for the device; one that nobody knows is.
func TestOnlyKernelsWithADeviceAreOffered(t *testing.T) {
	m, _, _ := newMachine(t)
	for _, name := range []string{"cpu", "cuda", "npu", "tpu"} {
		m.write("kernels/"+name+"/kernel.json", "{}")
	}
	for _, c := range []struct {
		file, asked  string
		here, absent string
	}{
		{"", "", "cpu tpu", "cuda npu"},
		{"", "cuda:1", "cpu cuda tpu", "npu"},
		{"/dev/nvidia[0-9]*", "cpu", "cpu cuda tpu", "npu"},
		{"/dev/davinci[0-9]*", "", "cpu npu tpu", "cuda"},
		{"/dev/accel/accel[0-9]*", "", "cpu npu tpu", "cuda"},
	} {
		t.Setenv("CLIPKIT_DEVICE", c.asked)
		here, absent := present(m.root, func(pattern string) ([]string, error) {
			if pattern == c.file {
				return []string{pattern}, nil
			}
			return nil, nil
		})
		if strings.Join(here, " ") != c.here || strings.Join(absent, " ") != c.absent {
			t.Errorf("with %q, asked for %q: here %q, absent %q; want %q, %q", c.file, c.asked, here, absent, c.here, c.absent)
		}
		if got, want := strings.Join(offered(here), " "), "--KernelSpecManager.allowed_kernelspecs="+strings.ReplaceAll(c.here, " ", " --KernelSpecManager.allowed_kernelspecs=")+" --KernelSpecManager.allowed_kernelspecs=python3"; got != want {
			t.Errorf("JupyterLab is told %q, want %q", got, want)
		}
	}
}
