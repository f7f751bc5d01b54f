"""Does onnx.checker take FILE, and how far is what ONNX Runtime makes of FOLDER's batches (reference_batches.py) from what is wanted?

python runtime_batches.py FILE image|text FOLDER BATCH…      needs onnx and onnxruntime

Prints for each batch the largest difference as a share of the largest value, and the worst cosine.
"""
import sys

import numpy as np
import onnx
import onnxruntime

path, kind, folder, *batches = sys.argv[1:]
onnx.checker.check_model(path, full_check=True)
session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
shape = [axis if isinstance(axis, int) else -1 for axis in session.get_inputs()[0].shape[1:]]
for n in map(int, batches):
    given = np.fromfile(f"{folder}/{kind}-{n}.in", np.float32 if kind == "image" else np.int64).reshape(n, *shape)
    got = session.run([f"unnorm_{kind}_features"], {kind: given})[0]
    want = np.fromfile(f"{folder}/{kind}-{n}.want", np.float32).reshape(got.shape)
    cosine = (got * want).sum(1) / np.linalg.norm(got, axis=1) / np.linalg.norm(want, axis=1)
    print(n, np.abs(got - want).max() / np.abs(want).max(), cosine.min())
