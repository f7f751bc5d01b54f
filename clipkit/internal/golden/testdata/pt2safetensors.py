"""Turn a PyTorch zip checkpoint's state_dict into safetensors without torch (names without "module.", optimizer left out)."""
import sys, zipfile, pickle, json, struct, numpy as np
src, dst = sys.argv[1:3]
z = zipfile.ZipFile(src); root = z.namelist()[0].split("/")[0]
T = {"FloatStorage": ("F32", np.float32), "LongStorage": ("I64", np.int64), "HalfStorage": ("F16", np.float16)}
class U(pickle.Unpickler):
    def find_class(s, m, n):
        if n in T: return n
        if n == "_rebuild_tensor_v2": return lambda st, off, size, stride, *a: (st[0], np.lib.stride_tricks.as_strided(st[1][off:], size, [x * st[1].itemsize for x in stride]).copy())
        if n == "OrderedDict": import collections; return collections.OrderedDict
        return lambda *a, **k: None
    def persistent_load(s, p): return (T[p[1]][0], np.frombuffer(z.read(f"{root}/data/{p[2]}"), T[p[1]][1]))
sd = U(z.open(f"{root}/data.pkl")).load()["state_dict"]
head, blobs, off = {}, [], 0
for k, (dt, a) in sd.items():
    b = np.ascontiguousarray(a).tobytes(); head[k.removeprefix("module.")] = {"dtype": dt, "shape": list(a.shape), "data_offsets": [off, off + len(b)]}; blobs.append(b); off += len(b)
h = json.dumps(head).encode(); h += b" " * (-len(h) % 8)
open(dst, "wb").write(struct.pack("<Q", len(h)) + h + b"".join(blobs))
print(dst, len(sd), off)
