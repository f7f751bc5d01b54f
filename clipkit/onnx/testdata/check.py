"""check.py FILE INPUT SHAPE FEATURES LIMIT: does onnx.checker take FILE, and does ONNX Runtime compute FEATURES (raw float32) of INPUT (raw)?
Products in 8 bits must all be those that the runtime has made one operator of, with what is around them."""
import sys

import numpy as np
import onnx
import onnxruntime

path, given, shape, wanted, limit = sys.argv[1:]
onnx.checker.check_model(path, full_check=True)
options = onnxruntime.SessionOptions()
options.optimized_model_filepath = given + ".optimized.onnx"
options.log_severity_level = 3  # a file for this machine only
session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
kinds = [n.op_type for n in onnx.load(options.optimized_model_filepath, load_external_data=False).graph.node]
assert "MatMulInteger" not in kinds, kinds
x = session.get_inputs()[0]
kind = {"tensor(float)": np.float32, "tensor(int64)": np.int64}[x.type]
data = np.fromfile(given, kind).reshape([int(n) for n in shape.split(",")])
y = session.run(None, {x.name: data})[0]
want = np.fromfile(wanted, np.float32).reshape(y.shape)
far = np.abs(y - want).max() / np.abs(want).max()
print(path, x.name, data.shape, "->", session.get_outputs()[0].name, y.shape, f"relative difference {far:.3g}")
sys.exit(0 if far <= float(limit) else 1)
