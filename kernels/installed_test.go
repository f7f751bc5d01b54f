package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// clients are papermill and Jupyter's console, with what they need beyond the packages of .venv.
var clients = []string{"papermill==2.7.0", "click==8.5.1", "entrypoints==0.4.2", "tenacity==9.2.1", "tqdm==4.70.1", "jupyter-console==6.6.3"}

// Installed into an environment whose path has blanks and Chinese letters, the kernel runs notebooks by papermill, with a parameter, by nbconvert and by jupyter
// execute, and cells in a console; it says nothing on standard error. jupyter kernelspec has it in its list.
func TestInstalledKernelInPapermill(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: this test makes a Python environment")
	}
	root, err := findRoot(mustGetwd(t))
	if err != nil {
		t.Fatal(err)
	}
	hello := filepath.Join(root, "kernels", "testdata", "hello.ipynb")
	prefix := filepath.Join(t.TempDir(), "共享 环境")
	work := filepath.Join(prefix, "笔记 本")
	python3 := filepath.Join(prefix, "bin", "python")
	typed := "" // into the next program
	says := func(dir, program string, args ...string) string {
		t.Helper()
		cmd := exec.Command(program, args...)
		cmd.Dir, cmd.Stdin = dir, strings.NewReader(typed)
		cmd.Env = append(os.Environ(), "HOME="+work, "JUPYTER_PATH=", "JUPYTER_DATA_DIR="+filepath.Join(work, "data"), "JUPYTER_RUNTIME_DIR="+filepath.Join(work, "runtime"),
			"IPYTHONDIR="+filepath.Join(work, "ipython"), "PYTHONUTF8=1", "CLIPKIT_PARAM_WHO=")
		cmd.Env = append(cmd.Env, caching(t)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %q: %v\n%s", program, args, err, out)
		}
		return string(out)
	}
	if out, err := kernelsCommand(t, "setup").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	says("", "python3", "-m", "venv", prefix)
	if err := os.MkdirAll(work, 0o755); err != nil {
		t.Fatal(err)
	}
	site := strings.TrimSpace(says("", python3, "-c", `import sysconfig; print(sysconfig.get_path("purelib"))`))
	ours := strings.TrimSpace(says("", python(root), "-c", `import sysconfig; print(sysconfig.get_path("purelib"))`))
	if err := os.WriteFile(filepath.Join(site, "clipkit-test.pth"), []byte(ours+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	translator := filepath.Join(t.TempDir(), "papermill") // building leaves files beside the source
	if err := os.CopyFS(translator, os.DirFS("papermill")); err != nil {
		t.Fatal(err)
	}
	says("", python3, append([]string{"-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", translator}, clients...)...)
	if out := says("", filepath.Join(binary.dir, "kernels"), "install", "-prefix", prefix); !strings.Contains(out, "installed "+filepath.Join(prefix, "share", "jupyter", "kernels", "cpu")+"\n") {
		t.Error(out)
	}

	if out := says("", python3, "-m", "jupyter_client.kernelspecapp", "list"); !strings.Contains(out, filepath.Join(prefix, "share", "jupyter", "kernels", "cpu")) {
		t.Errorf("jupyter kernelspec list: %s", out)
	}
	said := says(work, python3, "-m", "papermill", "--no-progress-bar", "--log-output", "-p", "who", `猫 "und" \ 狗`, hello, "输出.ipynb")
	contains(t, "papermill", said, `hello, 猫 "und" \ 狗 on cpu`, fmt.Sprintf("in %s of %s", filepath.Base(work), filepath.Base(root)))
	typed = "!echo sum $((40+2))\n"
	console := says(work, python3, "-m", "jupyter_console", "--kernel", "cpu", "--simple-prompt", "--ZMQTerminalInteractiveShell.confirm_exit=False")
	typed = ""
	contains(t, "the console", console, "In [1]: ", "sum 42\n")
	if before, _, _ := strings.Cut(console, "In [1]: "); strings.Count(before, "\n") > 6 {
		t.Errorf("the console begins with\n%s", before)
	}
	for _, mark := range []string{"main.go:", "kernel.go:", "goexec.go:", "gopls"} {
		if strings.Contains(said+console, mark) {
			t.Errorf("the kernel's log has %q:\n%s\n%s", mark, said, console)
		}
	}
	says(work, python3, "-m", "nbconvert", "--to", "notebook", "--execute", hello, "--output-dir", work)
	page, err := os.ReadFile(filepath.Join(work, "hello.ipynb"))
	if err != nil {
		t.Fatal(err)
	}
	contains(t, "nbconvert", string(page), "on cpu", "step 3 of 3")
	executed := filepath.Join(work, "executed.ipynb")
	if err := os.WriteFile(executed, []byte(read(t, hello)), 0o644); err != nil {
		t.Fatal(err)
	}
	says(work, python3, "-c", "from nbclient.cli import main; main()", "--inplace", executed)
	contains(t, "jupyter execute", read(t, executed), "on cpu", "step 3 of 3")

	if out := says("", filepath.Join(binary.dir, "kernels"), "uninstall", "-prefix", prefix); !strings.Contains(out, "removed ") {
		t.Error(out)
	}
	if _, err := os.Stat(filepath.Join(prefix, "share", "jupyter", "kernels", "cpu")); err == nil {
		t.Error("uninstalled, and still there")
	}
}

// caching has programs with another HOME use this machine's caches.
func caching(t *testing.T) (env []string) {
	t.Helper()
	out, err := exec.Command("go", "env", "GOCACHE", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	dirs := strings.Fields(string(out))
	cache, err := os.UserCacheDir()
	if err != nil || len(dirs) != 2 {
		t.Fatal(dirs, err)
	}
	return []string{"GOCACHE=" + dirs[0], "GOMODCACHE=" + dirs[1], "XDG_CACHE_HOME=" + cache}
}
