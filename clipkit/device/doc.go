// Package device opens the machine that runs the graphs: "cpu", "npu[:i]", "cuda[:i]" or several GPUs as one ("cuda:0-7"), as a GoMLX backend.
//
//	dev, err := device.Open("")        // "" takes CLIPKIT_DEVICE, which the Jupyter kernel sets, else "cpu"
//	defer dev.Close()
//	fmt.Println(dev)                   // cpu (xla)
//	dev.PeakGFLOPS()                   // measured, the best kept in the user's cache folder; 0 = unknown
//	dev.Placements()                   // on ONNX Runtime with a provider: how many nodes of each graph each provider took
//
// # Engines
//
// "cpu" tries XLA, then ONNX Runtime, then GoMLX's pure-Go backend, which is announced because it is many times slower (4 to 20 here); a
// notebook's cells have it when they import github.com/gomlx/compute/gobackend.
// "cpu:xla", "cpu:onnx", "cpu:openvino" and "cpu:go" ask for one engine and fail without it.
// OpenVINO (x86-64 only) is for encoding much: ViT-B-16 encodes pictures and texts at 1.2 and 1.3 times the rate of cpu:onnx with it, and at 1.1
// and 1.1 times XLA's; in bf16, which is "npu:openvino,device=CPU,precision=bf16", at 1.2 and 1.1 times XLA's (BenchmarkProcessorEngines, best of
// 12 rounds beside other work), and with AVX2 alone at half of XLA's (clipkit/README.md). It is never the default: that is not worth a second runtime beside the one that trains, in a process that can
// have only one ONNX Runtime.
// An engine's shared library is taken from the first of:
//
//  1. the path in the environment: PJRT_PLUGIN_LIBRARY_PATH (a folder), ONNXRUNTIME_SHARED_LIBRARY_PATH (a file);
//  2. the user's cache folder, clipkit/runtimes/, where an earlier run put it;
//  3. the package index, through pip, at a pinned version whose SHA-256 is in runtimes.go;
//  4. for XLA, GoMLX's own installer (unless GOMLX_NO_AUTO_INSTALL is set).
//
// # NPUs
//
//	npu[:PROVIDER][:INDEX][,OPTION=VALUE…]
//
//	npu                          the card that is here: Ascend (CANN), else Intel (OpenVINO)
//	npu:1                        the second one; ASCEND_RT_VISIBLE_DEVICES renumbers them as everywhere
//	npu:cann:0,log=warning       an Ascend card, through onnxruntime-cann
//	npu:openvino                 an Intel NPU, through onnxruntime-openvino; device=CPU and device=GPU are its other devices
//	npu:/opt/x/libx_ep.so:0      a plugin provider by path, for ONNX Runtime 1.23 and later (device=NPU, CPU or GPU of it)
//
// Options, each also as an environment variable CLIPKIT_NPU_… that the device string overrides; others are ErrOption:
//
//	precision=f32   CANN: f32 (types stay as they are in the graph), f16, mixed, or its own precision_mode; OpenVINO: f32, f16 or bf16
//	cache=FOLDER    where compiled operators are kept; by default clipkit/npu in the user's cache folder, never the working directory
//	log=error       debug, info, warning, error or none: ONNX Runtime's lines on standard error; by default none, as errors carry them
//	device=NPU      see above
//	fallback=cpu    use the processor where the NPU does not work, and say so; without it that is an error
//
// Graphs are lowered (package lower) to what the provider takes whole, and run where their data lies (package ort): of a training step the batch
// goes in and the loss comes out. Precision is otherwise the model's and the trainer's choice: float32, or float16 products (package model).
// A process has one ONNX Runtime, that of its first device; another device may use it, and one that needs another is refused (ort.ErrLoaded).
// Several devices of one provider, and several processes, work side by side.
//
// # CUDA
//
// "cuda" is an NVIDIA GPU through XLA, "cuda:1" the second one. The plugin and NVIDIA's libraries (2 GB) are not fetched in passing:
// kernels/cuda/requirements.txt says how they come into .venv; another environment whose python3 is on PATH will do, and so will a folder named
// in PJRT_PLUGIN_LIBRARY_PATH. Float32 products are float32 there, not TF32, as in PyTorch; CLIPKIT_TF32=1 makes them TF32. Kernels are not tried out against each other when
// a graph is compiled (XLA_FLAGS=--xla_gpu_autotune_level=4 does, for minutes).
//
// # Several devices
//
// "cuda:0-7", "cuda:0,2,5" and "cuda:all" are several GPUs of this host that one process drives as one Device (Device.Many). XLA splits each graph over
// them (GoMLX's AutoSharding) and exchanges what that needs. Encoding gives each device its rows of a batch; in training (clipnb/clipkit/train/step)
// every device has all parameters and its rows, and with shard_moments a part of AdamW's moments. NPUs and several hosts take a process for each device
// (clipnb/clipkit/exchange).
//
// "cpu:0-3" divides the processor into four devices of XLA: no faster, each with its own copy of everything, and how this is tested. Verified so,
// on 2, 3 and 4 parts of a processor: features, losses, gradients and updates are those of one device. It has not yet run on several GPUs.
//
// # Memory
//
// Importing clipkit leaves a program's allocator alone. One that trains on the processor does better with package blocks, which keeps the large
// blocks that an engine frees for its next step: a step of ViT-B-16 in bf16 takes three quarters of the memory and four fifths of the time. One line
// switches it on:
//
//	import _ "clipnb/clipkit/device/blocks"
//
// # Verified
//
// cpu:xla, cpu:onnx, cpu:openvino, cpu:go, npu on OpenVINO's CPU device and npu on the real CANN provider over a SIMULATED Ascend runtime run the
// conformance suite (devicetest) in the tests of this package, ort and npusim; cuda ran it on an H200 with CUDA 13.0, and the five training steps of both tiny models
// against the reference. No NPU has run this code yet: kernels/npu/README.md lists what that leaves open.
package device
