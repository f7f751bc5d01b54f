"""Golden values for the augmentation ops: augment.safetensors. Needs Pillow 13 and numpy, nothing else.

python make_augment.py      (in this folder)
"""
import json
import struct

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

FILL = (123, 117, 104)
BICUBIC = Image.Resampling.BICUBIC


def save(path, tensors):
    """A safetensors file of uint8 arrays."""
    header, offset = {}, 0
    for name, a in tensors.items():
        header[name] = {"dtype": "U8", "shape": list(a.shape), "data_offsets": [offset, offset + a.size]}
        offset += a.size
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(a.tobytes() for a in tensors.values()))


def photo(w, h):
    """Smooth colours, an edge and some noise."""
    y, x = np.mgrid[0:h, 0:w]
    rng = np.random.RandomState(5)
    a = np.stack([128 + 127 * np.sin(x / 7 + y / 11), 255.0 * y / h, 90 + 80 * np.cos(x * y / 60)], -1)
    a[h // 3 : h // 2, w // 4 : w // 2] = (250, 20, 60)
    return Image.fromarray(np.clip(a + rng.randn(h, w, 3) * 9, 0, 255).astype(np.uint8))


def dull(w, h):
    """Few grey levels, a constant channel: the special cases of the histogram ops."""
    a = np.asarray(photo(w, h)).astype(np.int32) // 3 + 60
    a[..., 2] = 77
    return Image.fromarray(a.astype(np.uint8))


def cases(im):
    w, h = im.size
    for bits in (4, 6, 7):
        yield f"posterize/{bits}", ImageOps.posterize(im, bits)
    for threshold in (0, 76, 128, 256):
        yield f"solarize/{threshold}", ImageOps.solarize(im, threshold)
    yield "autocontrast/0", ImageOps.autocontrast(im)
    yield "equalize/0", ImageOps.equalize(im)
    yield "invert/0", ImageOps.invert(im)
    for level in (0, 2, 5, 8):  # factors below, at and above 1
        factor = level / 10.0 * 1.8 + 0.1
        yield f"color/{level}", ImageEnhance.Color(im).enhance(factor)
        yield f"contrast/{level}", ImageEnhance.Contrast(im).enhance(factor)
        yield f"sharpness/{level}", ImageEnhance.Sharpness(im).enhance(factor)
    for level in (3, 9, -8):
        yield f"rotate/{level}", im.rotate(level / 10.0 * 30.0, resample=BICUBIC, fillcolor=FILL)
    for level in (5, -5):
        yield f"shearx/{level}", im.transform(im.size, Image.Transform.AFFINE, (1, level / 10.0 * 0.3, 0, 0, 1, 0), resample=BICUBIC, fillcolor=FILL)


if __name__ == "__main__":
    out = {}
    for name, im in {"photo": photo(40, 30), "dull": dull(25, 33), "dot": photo(2, 1)}.items():
        out[name] = np.asarray(im)
        for op, result in cases(im):
            out[f"{name}/{op}"] = np.asarray(result)
    save("augment.safetensors", out)
