"""Golden values for decoding: decode/* and decode.safetensors. The other pictures here come from the project's fixtures, made by the reference.
transform_32_f32.safetensors is the part of their transform_32_64_f32.safetensors at 32 pixels. Needs Pillow 13 and numpy.

python make_decode.py      (in this folder)
"""
import os
import struct
import zlib

import numpy as np
from PIL import Image

from make_augment import photo, save

os.makedirs("decode", exist_ok=True)
out = {}


def keep(name):
    im = Image.open(f"decode/{name}")
    out[f"{im.mode}/{name}"] = np.asarray(im).astype(np.uint8) * (255 if im.mode == "1" else 1)
    if im.mode == "P":
        out[f"convert/{name}"] = np.asarray(im.convert("RGB"))


def put(name, im, **kw):
    im.save(f"decode/{name}", **kw)
    keep(name)


def png(name, w, h, depth, colour_type, rows, *chunks, interlaced=0):
    """Bit depths and colour types that Pillow does not write."""
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    with open(f"decode/{name}", "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, depth, colour_type, 0, 0, interlaced)))
        f.write(b"".join(chunk(k, d) for k, d in chunks))
        f.write(chunk(b"IDAT", zlib.compress(b"".join(b"\0" + r for r in rows))) + chunk(b"IEND", b""))
    keep(name)


im = photo(45, 31)
alpha = Image.fromarray((np.mgrid[0:31, 0:45][1] * 5).astype(np.uint8))
rgba = im.copy()
rgba.putalpha(alpha)
put("lossy.webp", im, quality=80)
put("lossy_even.webp", photo(48, 32), quality=80)
put("lossy_alpha.webp", rgba, quality=80)
put("lossless_alpha.webp", rgba, lossless=True)
put("lossless_alpha_exif.webp", rgba, lossless=True, exif=Image.Exif().tobytes() or b"Exif\0\0II*\0\x08\0\0\0\0\0")
for name, sub in {"420": "4:2:0", "422": "4:2:2", "444": "4:4:4"}.items():
    put(f"jpeg_{name}.jpg", im, quality=90, subsampling=sub)
put("rgb24.bmp", im)
put("grey8.bmp", im.convert("L"))
put("palette8.bmp", im.quantize(20))
put("bilevel.bmp", im.convert("1"))
put("rgba32.bmp", rgba)
put("grey.gif", im.convert("L"))
ramp = Image.fromarray(np.tile(np.arange(256, dtype=np.uint8), (2, 1)))
put("grey_scale.gif", ramp, optimize=False)
put("transparent.gif", im.quantize(8), transparency=2)
rng = np.random.RandomState(1)
raw = lambda n: [rng.bytes(n) for _ in range(5)]
png("rgb16.png", 4, 5, 16, 2, raw(24))
png("rgba16.png", 4, 5, 16, 6, raw(32))
png("la16.png", 4, 5, 16, 4, raw(16))
png("grey2.png", 8, 5, 2, 0, raw(2))
png("grey4_transparent.png", 8, 5, 4, 0, raw(4), (b"tRNS", b"\0\3"))
png("rgb_transparent.png", 4, 5, 8, 2, raw(12), (b"tRNS", b"\0\1\0\2\0\3"))
png("palette4_short.png", 8, 5, 4, 3, raw(4), (b"PLTE", bytes(range(100, 124))))
for depth, colour_type, bits in (1, 0, 1), (2, 3, 2), (8, 2, 24), (16, 6, 64):
    rows = []
    for x, y, dx, dy in (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2):
        width, height = -(-(11 - x) // dx), -(-(6 - y) // dy)
        rows += [rng.bytes((width * bits + 7) // 8) for _ in range(height)]
    colours = [(b"PLTE", bytes(range(30, 42)))] if colour_type == 3 else []
    png(f"interlaced_{depth}_{colour_type}.png", 11, 6, depth, colour_type, rows, *colours, interlaced=1)
put("palette1.png", im.quantize(2), bits=1)
put("palette2.png", im.quantize(4), bits=2)
put("interlaced.gif", im.quantize(9), interlace=1)
with open("decode/rgb24.bmp", "rb") as f:
    bmp = f.read()
with open("decode/top_down.bmp", "wb") as f:
    f.write(bmp[:22] + struct.pack("<i", -31) + bmp[26:])
keep("top_down.bmp")
with open("decode/palette4.bmp", "wb") as f:
    colours = b"".join(bytes((i * 9, 255 - i * 7, i * 16, 0)) for i in range(16))
    f.write(b"BM" + struct.pack("<IHHI", 118 + 32, 0, 0, 118) + struct.pack("<IiiHHIIiiII", 40, 11, 4, 1, 4, 0, 32, 0, 0, 16, 0) + colours + rng.bytes(32))
keep("palette4.bmp")
save("decode.safetensors", out)
