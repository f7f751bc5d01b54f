package gpu

// Variant is a way to compile that a section tries, with clipkit alone.
type Variant struct {
	Name string
	Only string // the work that it concerns; "" = all
	Env  []string
}

// Variants are tried one by one after the table, those of which most is expected first; "as it is" measures the spread. What is not set is as package
// device has it: --xla_gpu_autotune_level=0. All flags are known by jax-cuda13-pjrt 0.11.2, which kernels/cuda pins (testdata/xla_gpu_flags.txt); XLA
// ends a process that sets one it does not know. A flag that proves itself belongs into kernels/cuda/env.sh, which kernels/launch.sh reads, or
// where package device sets the others (addXLAFlag).
//
// Looked up in this plugin, without a GPU: it has no pass that finds attention in a graph (--xla_gpu_enable_cudnn_fmha is read and nothing more; the
// names of such a pass are gone), only the calls __cudnn$fmha…, which a program has to make itself: CLIPKIT_ATTENTION=cudnn does. Without trying kernels out,
// Triton's products take tilings that are fixed in the plugin, unless the cost model may choose them (gemm_tiling_default).
var Variants = []Variant{
	{"as it is", "", nil},
	{"attention by cuDNN", "", []string{"CLIPKIT_ATTENTION=cudnn"}},
	{"cuBLAS products", "", flags("--xla_gpu_enable_triton_gemm=false")},
	{"cuBLAS, attention by cuDNN", "", append(flags("--xla_gpu_enable_triton_gemm=false"), "CLIPKIT_ATTENTION=cudnn")},
	{"GoMLX's gradients", "step", []string{"CLIPKIT_WRITTEN=none"}},
	{"all gradients written out", "step", []string{"CLIPKIT_WRITTEN=all"}},
	{"only norms and activations written out", "step", []string{"CLIPKIT_WRITTEN=norms,activations"}},
	{"tilings by the cost model", "", flags("--xla_gpu_experimental_cost_model_gemm_tiling_default=true")},
	{"cuBLAS, tried out", "", flags("--xla_gpu_enable_triton_gemm=false --xla_gpu_autotune_level=4")},
	{"no command buffers", "", flags("--xla_gpu_enable_command_buffer=")},
	{"command buffers with library calls", "", flags("--xla_gpu_enable_command_buffer=+CUBLAS,+CUBLASLT,+CUSTOM_CALL,+CUDNN")},
	{"latency-hiding scheduler", "", flags("--xla_gpu_enable_latency_hiding_scheduler=true")},
	{"cuDNN layer norms", "", flags("--xla_gpu_enable_cudnn_layer_norm=true")},
	{"Triton fusions first", "", flags("--xla_gpu_experimental_enable_triton_heroless_priority_fusion=true")},
	{"Triton multi-output fusions", "", flags("--xla_gpu_unsupported_enable_triton_multi_output_fusion=true")},
	{"all tried out", "", flags("--xla_gpu_autotune_level=4 --xla_gpu_enable_libnvptxcompiler=true")},
	{"256 in one call", "image", []string{"CLIPKIT_GPU_TOGETHER=256"}},
	{"pixels as float32", "", []string{"CLIPKIT_GPU_PIXELS=f32"}},
}

func flags(list string) []string { return []string{"XLA_FLAGS=" + list} }
