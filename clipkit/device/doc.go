// Package device opens the machine that runs the graphs: "cpu", later "npu[:i]" and "cuda[:i]", as a GoMLX backend.
//
//	dev, err := device.Open("")        // "" takes CLIPKIT_DEVICE, which the Jupyter kernel sets, else "cpu"
//	defer dev.Close()
//	fmt.Println(dev)                   // cpu (xla)
//	dev.PeakGFLOPS()                   // measured, the best kept in the user's cache folder; 0 = unknown
//
// # Engines
//
// "cpu" tries XLA, then ONNX Runtime, then GoMLX's pure-Go backend, which is announced because it is many times slower (4 to 20 here).
// "cpu:xla", "cpu:onnx" and "cpu:go" ask for one engine and fail without it.
// An engine's shared library is taken from the first of:
//
//  1. the path in the environment: PJRT_PLUGIN_LIBRARY_PATH (a folder), ONNXRUNTIME_SHARED_LIBRARY_PATH (a file);
//  2. the user's cache folder, clipkit/runtimes/, where an earlier run put it;
//  3. the package index, through pip, at a pinned version whose SHA-256 is in runtimes.go;
//  4. for XLA, GoMLX's own installer (unless GOMLX_NO_AUTO_INSTALL is set).
//
// # Precision
//
// Everything is float32 on every device today.
//
// # Verified
//
// cpu:xla, cpu:onnx and cpu:go run the conformance suite (devicetest) in this package's tests. No NPU or CUDA machine has run this code yet.
package device
