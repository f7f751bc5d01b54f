package device

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"clipnb/clipkit/internal/pip"

	"github.com/gomlx/go-xla/compute/xla"
)

// XLA's plugin for CUDA is 400 MB and wants 2 GB of NVIDIA's libraries beside it, so it is not fetched in passing: it lies in a Python environment,
// the project's .venv or another, where kernels/cuda/requirements.txt puts it.

// installCUDA is the command that a missing plugin asks for.
const installCUDA = "run: .venv/bin/python -m pip install --no-deps --require-hashes -r kernels/cuda/requirements.txt (or pip of the environment whose python3 is first on PATH)"

// openCUDA opens the GPUs that rest names: "" (the first), a list such as "1", "0-7" or "0,2,5", or "all".
func openCUDA(rest string) (*Device, error) {
	gpus := gpuNames("/proc/driver/nvidia/gpus")
	chosen, err := chooseGPUs(rest, len(gpus))
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat("/dev/nvidiactl"); err != nil && len(gpus) == 0 {
		return nil, fmt.Errorf("%w: no NVIDIA GPU is here (no /dev/nvidiactl): install NVIDIA's driver, or start the container with its GPUs (--gpus all)", ErrRuntime)
	}
	if err := hasGPUs(rest, chosen, gpus); err != nil {
		return nil, err
	}
	plugin, err := cudaPlugin()
	if err != nil {
		return nil, err
	}
	xla.EnableAutoInstall(false)
	// Trying out kernels for every product starts ptxas hundreds of times: on an H200 the training graph of a tiny model took more than two minutes
	// to compile, half a minute without Triton's, ten seconds with none tried out.
	addXLAFlag("--xla_gpu_autotune_level", "0")
	// Float32 products stay float32, as in PyTorch, unless the environment asks for TF32. Only the chosen GPUs are taken, and their memory as it is needed.
	visible := strings.Trim(strings.ReplaceAll(fmt.Sprint(chosen), " ", ";"), "[]")
	b, err := newBackend(fmt.Sprintf("xla:%s,tf32=%v,preallocate=false,visible_devices=%s", plugin, os.Getenv("CLIPKIT_TF32") == "1", visible))
	if err != nil {
		return nil, fmt.Errorf("%w: %w; the driver (nvidia-smi tells its version) must be one for CUDA %s", ErrRuntime, err, cudaVersion(plugin))
	}
	d := &Device{Name: "cuda", Engine: "xla", Backend: b}
	if len(chosen) == 1 && chosen[0] > 0 {
		d.Name += fmt.Sprint(":", chosen[0])
	}
	if chosen[0] < len(gpus) {
		d.hardware = gpus[chosen[0]]
	}
	return d, d.divide(rest, len(chosen))
}

// chooseGPUs reads which of so many GPUs are meant; 0: how many there are is not known.
func chooseGPUs(rest string, here int) (chosen []int, err error) {
	switch rest {
	case "":
		return []int{0}, nil
	case "all":
		for i := range max(1, min(here, maxDevices)) {
			chosen = append(chosen, i)
		}
		return chosen, nil
	}
	return numbers(rest)
}

// hasGPUs refuses GPUs that are not among those that are here.
func hasGPUs(rest string, chosen []int, gpus []string) error {
	last := chosen[len(chosen)-1]
	switch {
	case len(gpus) == 0 || last < len(gpus):
		return nil
	case len(chosen) > len(gpus):
		return fmt.Errorf("%w: cuda:%s asks for %d devices, this machine has %d (%s)", ErrUnknown, rest, len(chosen), len(gpus), strings.Join(gpus, ", "))
	}
	return fmt.Errorf("%w: there is no GPU %d, only %s", ErrUnknown, last, strings.Join(gpus, ", "))
}

// gpuNames lists the GPUs that the driver knows under dir.
func gpuNames(dir string) (names []string) {
	files, _ := filepath.Glob(filepath.Join(dir, "*", "information")) // the pattern is well-formed
	for _, f := range files {
		name := "NVIDIA GPU"
		if b, err := os.ReadFile(f); err == nil {
			for _, line := range strings.Split(string(b), "\n") {
				if v, ok := strings.CutPrefix(line, "Model:"); ok {
					name = strings.TrimSpace(v)
				}
			}
		}
		names = append(names, name)
	}
	return names
}

// cudaPlugin is the plugin's path: in the folder that PJRT_PLUGIN_LIBRARY_PATH names, else where Python has it.
func cudaPlugin() (string, error) {
	if dir := os.Getenv("PJRT_PLUGIN_LIBRARY_PATH"); dir != "" {
		p := filepath.Join(dir, "pjrt_c_api_cuda_plugin.so")
		if _, err := os.Stat(p); err != nil {
			return "", fmt.Errorf("%w: PJRT_PLUGIN_LIBRARY_PATH is set and has no CUDA plugin: %w", ErrRuntime, err)
		}
		return filepath.Abs(p)
	}
	cache, err := pip.CacheDir()
	if err != nil {
		return "", err
	}
	for _, site := range sitePackages() {
		for _, version := range []string{"13", "12"} {
			lib := filepath.Join(site, "jax_plugins", "xla_cuda"+version, "xla_cuda_plugin.so")
			if _, err := os.Stat(lib); err == nil {
				return linkCUDA(filepath.Join(cache, "runtimes", "cuda"+version), lib, filepath.Join(site, "nvidia"))
			}
		}
	}
	return "", fmt.Errorf("%w: XLA's plugin for CUDA (jax-cuda13-pjrt) is in neither .venv nor the environment of python3; %s", ErrRuntime, installCUDA)
}

// sitePackages are the package folders of the project's Python and of the one on PATH.
func sitePackages() (dirs []string) {
	pythons := []string{"python3"}
	if root := os.Getenv("CLIPKIT_ROOT"); root != "" {
		pythons = []string{filepath.Join(root, ".venv", "bin", "python"), "python3"}
	}
	for _, p := range pythons {
		out, err := exec.Command(p, "-c", `import sysconfig; print(sysconfig.get_path("purelib"))`).Output()
		if err == nil {
			dirs = append(dirs, strings.TrimSpace(string(out)))
		}
	}
	return dirs
}

// linkCUDA gives the plugin the name that go-xla wants, and NVIDIA's libraries the place beside it where both look for them. The links lie in a
// folder under dir that is named after what they point to: other processes may be using those of another environment.
func linkCUDA(dir, plugin, nvidia string) (string, error) {
	if _, err := os.Stat(nvidia); err != nil {
		return "", fmt.Errorf("%w: the plugin's libraries are missing: %w; %s", ErrRuntime, err, installCUDA)
	}
	dir = filepath.Join(dir, strings.ReplaceAll(strings.Trim(nvidia, "/"), "/", "-"))
	link := filepath.Join(dir, "plugin", "pjrt_c_api_cuda_plugin.so")
	if err := os.MkdirAll(filepath.Dir(link), 0o777); err != nil {
		return "", err
	}
	for from, to := range map[string]string{link: plugin, filepath.Join(dir, "nvidia"): nvidia} {
		if has, err := os.Readlink(from); err == nil && has == to {
			continue
		}
		if err := os.Remove(from); err != nil && !os.IsNotExist(err) {
			return "", err
		}
		if err := os.Symlink(to, from); err != nil && !os.IsExist(err) {
			return "", fmt.Errorf("linking the CUDA plugin: %w", err)
		}
	}
	// XLA compiles kernels with the device library of the toolkit; go-xla would name the folder above it.
	for _, toolkit := range []string{"cu13", "cuda_nvcc"} {
		if _, err := os.Stat(filepath.Join(nvidia, toolkit, "nvvm")); err == nil {
			addXLAFlag("--xla_gpu_cuda_data_dir", filepath.Join(dir, "nvidia", toolkit))
			break
		}
	}
	return link, nil
}

// addXLAFlag sets a flag of XLA that the environment does not set.
func addXLAFlag(name, value string) {
	if has := os.Getenv("XLA_FLAGS"); !strings.Contains(has, name+"=") {
		_ = os.Setenv("XLA_FLAGS", strings.TrimSpace(has+" "+name+"="+value))
	}
}

// cudaVersion reads the major version off the plugin's folder.
func cudaVersion(plugin string) string {
	if strings.Contains(plugin, "/cuda12/") {
		return "12"
	}
	return "13"
}
