package ascend

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
)

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

// installed is a machine with two cards on which everything is in place.
func installed() (fstest.MapFS, map[string]string) {
	return fstest.MapFS{
		"dev/davinci0":        file(""),
		"dev/davinci1":        file(""),
		"dev/davinci10":       file(""),
		"dev/davinci_manager": file(""),
		"dev/sda":             file(""),
		"usr/local/Ascend/driver/lib64/driver/libascend_hal.so":   file(""),
		"usr/local/Ascend/driver/version.info":                    file("package_version=1\nVersion=24.1.0\n"),
		"usr/local/Ascend/ascend-toolkit/set_env.sh":              file(""),
		"usr/local/Ascend/ascend-toolkit/latest/version.cfg":      file("# version: 1.0\nversion=8.0.0\n"),
		"usr/local/Ascend/ascend-toolkit/latest/opp/version.info": file(""),
	}, map[string]string{"ASCEND_OPP_PATH": "/usr/local/Ascend/ascend-toolkit/latest/opp"}
}

func TestNothingIsMissing(t *testing.T) {
	root, env := installed()
	f := Look(System{root, func(k string) string { return env[k] }})
	if p := f.Problems(); len(p) != 0 {
		t.Error(p)
	}
	if got := f.String(); got != "devices 0 1 10, driver 24.1.0, CANN 8.0.0" {
		t.Error(got)
	}
}

// Each thing that can be missing gives one problem that says what to do.
func TestProblems(t *testing.T) {
	for name, c := range map[string]struct {
		breakIt   func(fstest.MapFS, map[string]string)
		what, fix string
	}{
		"no card": {func(r fstest.MapFS, _ map[string]string) {
			for _, n := range []string{"0", "1", "10"} {
				delete(r, "dev/davinci"+n)
			}
		}, "no Ascend card", "--device /dev/davinci0"},
		"no manager": {func(r fstest.MapFS, _ map[string]string) { delete(r, "dev/davinci_manager") }, "davinci_manager", "--device /dev/davinci_manager"},
		"no driver": {func(r fstest.MapFS, _ map[string]string) {
			delete(r, "usr/local/Ascend/driver/lib64/driver/libascend_hal.so")
		}, "driver is not installed", "install Ascend HDK"},
		"no toolkit": {func(r fstest.MapFS, _ map[string]string) {
			for k := range r {
				if strings.Contains(k, "toolkit") {
					delete(r, k)
				}
			}
		}, "toolkit is not installed", "install the CANN toolkit"},
		"not sourced": {func(_ fstest.MapFS, e map[string]string) { delete(e, "ASCEND_OPP_PATH") },
			"environment is not loaded", "source /usr/local/Ascend/ascend-toolkit/set_env.sh"},
		"sourced from what is gone": {func(_ fstest.MapFS, e map[string]string) { e["ASCEND_OPP_PATH"] = "/opt/old/opp" },
			"environment is not loaded", "source "},
	} {
		t.Run(name, func(t *testing.T) {
			root, env := installed()
			c.breakIt(root, env)
			p := Look(System{root, func(k string) string { return env[k] }}).Problems()
			if len(p) != 1 || !strings.Contains(p[0].What, c.what) || !strings.Contains(p[0].Fix, c.fix) {
				t.Error(p)
			}
		})
	}
}

func TestOtherPlaces(t *testing.T) {
	root, env := installed()
	for k, v := range root {
		if rest, ok := strings.CutPrefix(k, "usr/local/Ascend/"); ok {
			delete(root, k)
			root["data/npu/"+strings.Replace(rest, "ascend-toolkit", "nnae", 1)] = v
		}
	}
	root["etc/Ascend/ascend_cann_install.info"] = file("Version=1\nInstall_Path=/data/npu\n")
	root["etc/ascend_install.info"] = file("UserName=HwHiAiUser\nDriver_Install_Path_Param=/data/npu\n")
	env["ASCEND_OPP_PATH"] = "/data/npu/nnae/latest/opp"
	f := Look(System{root, func(k string) string { return env[k] }})
	if len(f.Problems()) != 0 || f.Toolkit != "/data/npu/nnae/latest" || f.SetEnv != "/data/npu/nnae/set_env.sh" || f.Driver != "/data/npu/driver" {
		t.Errorf("%+v %v", f, f.Problems())
	}

	delete(root, "etc/Ascend/ascend_cann_install.info") // known only from the environment
	env["ASCEND_TOOLKIT_HOME"] = "/data/npu/nnae/latest"
	if f := Look(System{root, func(k string) string { return env[k] }}); f.Toolkit != "/data/npu/nnae/latest" {
		t.Errorf("%+v", f)
	}
}

// The files are the vendor's: whatever is in them, looking neither fails nor reads without end.
func FuzzInfoFiles(f *testing.F) {
	f.Add("Install_Path=/usr/local/Ascend\n", "version=8.0.0")
	f.Add("Install_Path=../../..\x00\n=\n", "[version=8]")
	f.Add("Install_Path=\"/a b\"", "version=")
	f.Fuzz(func(t *testing.T, info, version string) {
		root, env := installed()
		root["etc/Ascend/ascend_cann_install.info"] = file(info)
		root["usr/local/Ascend/ascend-toolkit/latest/version.cfg"] = file(version)
		found := Look(System{root, func(k string) string { return env[k] }})
		_ = fmt.Sprint(found, found.Problems())
		if len(found.Devices) != 3 {
			t.Errorf("%v", found.Devices)
		}
	})
}

func TestHugeInfoFileIsNotRead(t *testing.T) {
	root, env := installed()
	root["usr/local/Ascend/ascend-toolkit/latest/version.cfg"] = file(strings.Repeat("\n", maxInfo) + "version=9\n")
	if f := Look(System{root, func(k string) string { return env[k] }}); f.ToolkitVersion != "" {
		t.Error(f.ToolkitVersion)
	}
}
