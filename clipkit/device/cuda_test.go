package device

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// write makes files under dir, with the folders above them.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// The plugin of a Python environment gets the name and the neighbours that its two readers expect, and XLA the toolkit's folder.
func TestCUDAPluginOfAnEnvironment(t *testing.T) {
	root, site, cache := t.TempDir(), t.TempDir(), t.TempDir()
	t.Setenv("CLIPKIT_ROOT", root)
	t.Setenv("XDG_CACHE_HOME", cache)
	t.Setenv("PJRT_PLUGIN_LIBRARY_PATH", "")
	t.Setenv("XLA_FLAGS", "--mine=1")
	t.Setenv("PATH", t.TempDir()) // no python3
	write(t, root, map[string]string{".venv/bin/python": "#!/bin/sh\necho " + site + "\n"})

	if _, err := cudaPlugin(); !errors.Is(err, ErrRuntime) || !strings.Contains(err.Error(), "kernels/cuda/requirements.txt") {
		t.Errorf("no plugin: %v", err)
	}
	write(t, site, map[string]string{"jax_plugins/xla_cuda13/xla_cuda_plugin.so": "the plugin"})
	if _, err := cudaPlugin(); !errors.Is(err, ErrRuntime) || !strings.Contains(err.Error(), "libraries are missing") {
		t.Errorf("no libraries: %v", err)
	}
	write(t, site, map[string]string{"nvidia/cu13/nvvm/libdevice/libdevice.10.bc": "", "nvidia/cu13/lib/libcublas.so.13": "cublas"})
	for range 2 { // the second time the links are there
		plugin, err := cudaPlugin()
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Base(plugin) != "pjrt_c_api_cuda_plugin.so" || cudaVersion(plugin) != "13" {
			t.Errorf("plugin %s of CUDA %s", plugin, cudaVersion(plugin))
		}
		if b, err := os.ReadFile(plugin); err != nil || string(b) != "the plugin" {
			t.Errorf("%q %v", b, err)
		}
		beside := filepath.Join(filepath.Dir(filepath.Dir(plugin)), "nvidia")
		if b, err := os.ReadFile(filepath.Join(beside, "cu13", "lib", "libcublas.so.13")); err != nil || string(b) != "cublas" {
			t.Errorf("%q %v", b, err)
		}
		if flags := os.Getenv("XLA_FLAGS"); flags != "--mine=1 --xla_gpu_cuda_data_dir="+filepath.Join(beside, "cu13") {
			t.Errorf("XLA_FLAGS=%s", flags)
		}
	}
	t.Setenv("PJRT_PLUGIN_LIBRARY_PATH", site)
	if _, err := cudaPlugin(); !errors.Is(err, ErrRuntime) || !strings.Contains(err.Error(), "PJRT_PLUGIN_LIBRARY_PATH") {
		t.Errorf("a folder without the plugin: %v", err)
	}
}

func TestGPUNames(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"0000:01:00.0/information": "Model: \t\t NVIDIA H200\nIRQ: 41\n", "0000:02:00.0/information": "IRQ: 42\n"})
	if got := strings.Join(gpuNames(dir), ", "); got != "NVIDIA H200, NVIDIA GPU" {
		t.Error(got)
	}
	if got := gpuNames(filepath.Join(dir, "none")); got != nil {
		t.Error(got)
	}
}

func TestAddXLAFlag(t *testing.T) {
	t.Setenv("XLA_FLAGS", "--xla_gpu_autotune_level=4")
	addXLAFlag("--xla_gpu_autotune_level", "0")
	if got := os.Getenv("XLA_FLAGS"); got != "--xla_gpu_autotune_level=4" {
		t.Errorf("the user's flag became %s", got)
	}
}
