// Package ascend finds what an Ascend card needs on this machine: the devices, Huawei's driver and its CANN toolkit. It only looks and loads nothing,
// so that kernels/probe ("go run ./kernels doctor -try") can say what is missing before a runtime is opened, and package device why one did not open.
//
//	found := ascend.Look(ascend.Here)
//	for _, p := range found.Problems() {
//		fmt.Println(p.What, "→", p.Fix)
//	}
//
// The places are those of the environment script of the ModelZoo's ChineseCLIP and of kernels/npu/env.sh: the folder of CANN is ASCEND_INSTALL_PATH, what
// /etc/Ascend/ascend_cann_install.info says, or /usr/local/Ascend; in it, ascend-toolkit goes before nnae.
package ascend

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// System is the machine to look at.
type System struct {
	Root   fs.FS // of the file system: "/"
	Getenv func(string) string
}

// Here is this machine.
var Here = System{Root: os.DirFS("/"), Getenv: os.Getenv}

// Installation is what there is. Empty strings mean: not found.
type Installation struct {
	Devices        []int  // /dev/davinci<n>
	Manager        bool   // /dev/davinci_manager, without which no device can be opened
	Driver         string // folder of the driver
	DriverVersion  string
	Toolkit        string // folder with set_env.sh's variables behind it: …/ascend-toolkit/latest
	ToolkitVersion string
	SetEnv         string // the script to source
	Sourced        bool   // its variables are in the environment
}

// Problem is one thing that is missing and what to do about it.
type Problem struct{ What, Fix string }

func (p Problem) String() string { return p.What + "; " + p.Fix }

const (
	setUp  = "see kernels/npu/README.md"
	shared = "--device /dev/davinci_manager --device /dev/devmm_svm --device /dev/hisi_hdc" // by all cards
)

var device = regexp.MustCompile(`^davinci(\d+)$`)

// Look finds what there is.
func Look(s System) (f Installation) {
	entries, _ := fs.ReadDir(s.Root, "dev")
	for _, e := range entries {
		if m := device.FindStringSubmatch(e.Name()); m != nil {
			n, _ := strconv.Atoi(m[1])
			f.Devices = append(f.Devices, n)
		}
		f.Manager = f.Manager || e.Name() == "davinci_manager"
	}
	slices.Sort(f.Devices)

	driver := s.value("etc/ascend_install.info", "Driver_Install_Path_Param", "/usr/local/Ascend") + "/driver"
	if s.has(driver + "/lib64") {
		f.Driver, f.DriverVersion = driver, s.value(driver+"/version.info", "Version", "")
	}

	root := s.Getenv("ASCEND_INSTALL_PATH")
	if root == "" {
		root = s.value("etc/Ascend/ascend_cann_install.info", "Install_Path", "/usr/local/Ascend")
	}
	for _, name := range []string{"ascend-toolkit", "nnae"} {
		if at := root + "/" + name; f.Toolkit == "" && s.has(at+"/latest") {
			f.Toolkit, f.SetEnv = at+"/latest", at+"/set_env.sh"
		}
	}
	for _, name := range []string{"ASCEND_TOOLKIT_HOME", "ASCEND_HOME_PATH"} { // sourced from anywhere
		if at := s.Getenv(name); f.Toolkit == "" && at != "" && s.has(at) {
			f.Toolkit, f.SetEnv = at, path.Dir(at)+"/set_env.sh"
		}
	}
	if f.Toolkit != "" {
		for _, info := range []string{"version.cfg", "x86_64-linux/ascend_toolkit_install.info", "aarch64-linux/ascend_toolkit_install.info"} {
			if f.ToolkitVersion == "" {
				f.ToolkitVersion = s.value(f.Toolkit+"/"+info, "version", "")
			}
		}
	}
	opp := s.Getenv("ASCEND_OPP_PATH") // where the compiler finds its operators
	f.Sourced = opp != "" && s.has(opp)
	return f
}

// Problems says what keeps the cards from working, in the order in which to mend it.
func (f Installation) Problems() (list []Problem) {
	add := func(what, fix string) { list = append(list, Problem{what, fix}) }
	if len(f.Devices) == 0 {
		add("no Ascend card is here (/dev/davinci0 …)", "in a container, pass it in: --device /dev/davinci0 "+shared)
	} else if !f.Manager {
		add("/dev/davinci_manager is missing", "in a container, pass it in: "+shared)
	}
	if f.Driver == "" {
		add("the Ascend driver is not installed (no /usr/local/Ascend/driver)", "install Ascend HDK (driver and firmware); in a container, mount the "+
			"host's: -v /usr/local/Ascend/driver:/usr/local/Ascend/driver; "+setUp)
	}
	if f.Toolkit == "" {
		add("the CANN toolkit is not installed (no /usr/local/Ascend/ascend-toolkit or nnae)", "install the CANN toolkit and the kernels package for your card; "+setUp)
	}
	if p, is := f.NotLoaded(); is {
		list = append(list, p)
	}
	return list
}

// NotLoaded is the problem of a toolkit that is installed and whose environment is not loaded.
func (f Installation) NotLoaded() (p Problem, is bool) {
	return Problem{"the CANN toolkit's environment is not loaded (ASCEND_OPP_PATH is not set)", "run: source " + f.SetEnv + " (the kernel \"Go · NPU\" does so by itself)"},
		f.Toolkit != "" && !f.Sourced
}

// String is one line for doctor.
func (f Installation) String() string {
	devices := make([]string, len(f.Devices))
	for i, d := range f.Devices {
		devices[i] = strconv.Itoa(d)
	}
	or := func(s, otherwise string) string {
		if s == "" {
			return otherwise
		}
		return s
	}
	return fmt.Sprintf("devices %s, driver %s, CANN %s", or(strings.Join(devices, " "), "none"),
		or(f.DriverVersion, or(f.Driver, "none")), or(f.ToolkitVersion, or(f.Toolkit, "none")))
}

// has tells whether an absolute path is there.
func (s System) has(name string) bool {
	_, err := fs.Stat(s.Root, strings.TrimPrefix(path.Clean(name), "/"))
	return err == nil
}

// maxInfo bounds what is read of a text file.
const maxInfo = 1 << 20

// value is that of the first line "key=value" of a file, or otherwise.
func (s System) value(name, key, otherwise string) string {
	file := strings.TrimPrefix(path.Clean(name), "/")
	if info, err := fs.Stat(s.Root, file); err != nil || info.Size() > maxInfo {
		return otherwise
	}
	data, err := fs.ReadFile(s.Root, file)
	if err != nil {
		return otherwise
	}
	for _, line := range strings.Split(string(data), "\n") {
		k, v, ok := strings.Cut(strings.TrimSpace(line), "=")
		if v = strings.Trim(v, `"[] `); ok && k == key && v != "" {
			return v
		}
	}
	return otherwise
}
