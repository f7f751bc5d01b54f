"""Golden values for JPEG: *.jpg and pixels.json with the mode, the size and the SHA-256 of the pixels that Pillow decodes. Needs
Pillow 13 and numpy.

python make_jpeg.py      (in this folder)
"""
import hashlib
import io
import json
import os
import random
import struct
import sys

from PIL import Image

sys.path.append("../../testdata")
from make_augment import photo

out = {}


def keep(name, data):
    im = Image.open(io.BytesIO(data))
    im.load()
    out[name] = {"mode": im.mode, "width": im.width, "height": im.height, "sha256": hashlib.sha256(im.tobytes()).hexdigest()}
    with open(name, "wb") as f:
        f.write(data)


def pillow(name, im, **kw):
    b = io.BytesIO()
    im.save(b, "JPEG", **kw)
    keep(name, b.getvalue())
    return b.getvalue()


# A second encoder, of random coefficients, for what Pillow does not write: any sampling factors, one scan per channel, 16-bit quantisation.

class Bits:
    def __init__(self):
        self.acc, self.n, self.out = 0, 0, bytearray()

    def put(self, value, n):
        self.acc, self.n = self.acc << n | value, self.n + n
        while self.n >= 8:
            byte = self.acc >> (self.n - 8) & 255
            self.out += bytes([byte, 0] if byte == 255 else [byte])
            self.n -= 8
        self.acc &= (1 << self.n) - 1

    def flush(self):
        if self.n:
            self.put((1 << (8 - self.n)) - 1, 8 - self.n)
        return bytes(self.out)


def table(lengths):
    """lengths: code length by symbol. Returns the DHT payload and the codes by symbol."""
    symbols = sorted(lengths, key=lambda s: (lengths[s], s))
    code, last, codes = 0, 0, {}
    for s in symbols:
        code <<= lengths[s] - last
        last = lengths[s]
        codes[s] = code, last
        code += 1
    counts = [sum(1 for s in symbols if lengths[s] == n) for n in range(1, 17)]
    return bytes(counts) + bytes(symbols), codes


DC, DC_CODES = table({s: 2 if s == 0 else 4 for s in range(9)})
AC, AC_CODES = table({0: 1, 1: 3, 0xF0: 11} | {r << 4 | s: 13 for r in range(16) for s in range(1, 5) if (r, s) != (0, 1)})


def value(bits, v):
    size = abs(v).bit_length()
    return size, (v if v > 0 else v + (1 << size) - 1)


def encode(w, h, sampling, scans, ids=(1, 2, 3, 4), header=b"", wide=False, restart=0, seed=0):
    rng = random.Random(seed)
    seg = lambda marker, data: bytes([255, marker]) + struct.pack(">H", len(data) + 2) + data
    up = lambda a, b: -(-a // b)
    quant = [rng.randrange(4, 20) for _ in range(64)]
    n = len(sampling)
    max_h, max_v = max(s[0] for s in sampling), max(s[1] for s in sampling)
    data = b"\xff\xd8" + header
    data += seg(0xDB, b"\x10" + struct.pack(">64H", *[q + 300 * (i == 9) for i, q in enumerate(quant)]) if wide else b"\0" + bytes(quant))
    data += seg(0xC1 if wide else 0xC0, struct.pack(">BHHB", 8, h, w, n) + b"".join(bytes([ids[i], s[0] << 4 | s[1], 0]) for i, s in enumerate(sampling)))
    data += seg(0xC4, b"\0" + DC) + seg(0xC4, b"\x10" + AC)
    if restart:
        data += seg(0xDD, struct.pack(">H", restart))
    for scan in scans:
        data += seg(0xDA, bytes([len(scan)]) + b"".join(bytes([ids[i], 0]) for i in scan) + b"\0\x3f\0")
        if len(scan) == 1:
            (c,) = scan
            units = up(up(w * sampling[c][0], max_h), 8) * up(up(h * sampling[c][1], max_v), 8)
            unit = [c]
        else:
            units = up(w, 8 * max_h) * up(h, 8 * max_v)
            unit = [c for c in scan for _ in range(sampling[c][0] * sampling[c][1])]
        bits, dc = Bits(), dict.fromkeys(scan, 0)
        for u in range(units):
            if restart and u and u % restart == 0:
                data += bits.flush() + bytes([255, 0xD0 + (u // restart - 1) % 8])
                bits, dc = Bits(), dict.fromkeys(scan, 0)
            for c in unit:
                new = max(-60, min(60, dc[c] + rng.randrange(-30, 31)))
                size, v = value(bits, new - dc[c])
                dc[c] = new
                bits.put(*DC_CODES[size])
                bits.put(v, size)
                k = 1
                while True:
                    run = rng.choice([0, 0, 1, 2, 5, 17, 30, 70])
                    if k + run > 63:
                        bits.put(*AC_CODES[0])
                        break
                    k += run + 1
                    while run > 15:
                        bits.put(*AC_CODES[0xF0])
                        run -= 16
                    size, v = value(bits, rng.choice([-9, -4, -1, 1, 1, 3, 7, 12]))
                    bits.put(*AC_CODES[run << 4 | size])
                    bits.put(v, size)
                    if k == 64:
                        break
        data += bits.flush()
    return data + b"\xff\xd9"


def adobe(transform):
    return b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0" + bytes([transform])


os.makedirs("jpeg", exist_ok=True)
for w, h in (1, 1), (2, 2), (5, 3), (9, 7), (17, 33), (35, 18):
    for sub in "444", "422", "420":
        name, kw = f"{w}x{h}_{sub}", {"subsampling": ":".join(sub), "quality": 80}
        pillow(name + ".jpg", photo(w, h), **kw)
        pillow(name + "_progressive.jpg", photo(w, h), progressive=True, **kw)
pillow("grey_progressive.jpg", photo(33, 17).convert("L"), progressive=True, quality=90)
pillow("grey_restart.jpg", photo(33, 17).convert("L"), restart_marker_blocks=2)
pillow("restart.jpg", photo(35, 18), restart_marker_blocks=1)
pillow("restart_progressive.jpg", photo(35, 18), restart_marker_blocks=1, progressive=True)
pillow("quality_1.jpg", photo(35, 18), quality=1)
pillow("quality_100_optimised.jpg", photo(20, 18), quality=100, subsampling=0, optimize=True)
pillow("rgb.jpg", photo(17, 18), keep_rgb=True)
cmyk = pillow("cmyk.jpg", photo(17, 18).convert("CMYK"))
pillow("cmyk_progressive.jpg", photo(17, 18).convert("CMYK"), progressive=True)
at = cmyk.index(b"Adobe") + 11
keep("ycck.jpg", cmyk[:at] + b"\2" + cmyk[at + 1 :])
keep("cmyk_no_adobe.jpg", cmyk[: at - 15] + cmyk[at + 1 :])

together, apart = [[0, 1, 2]], [[0], [1], [2]]
for name, sampling in {
    "440": [(1, 2), (1, 1), (1, 1)], "411": [(4, 1), (1, 1), (1, 1)], "410": [(4, 2), (1, 1), (1, 1)], "441": [(1, 4), (1, 1), (1, 1)],
    "luma_subsampled": [(1, 1), (2, 2), (2, 2)], "mixed": [(2, 2), (2, 1), (1, 2)], "all_2x2": [(2, 2), (2, 2), (2, 2)],
}.items():
    keep(f"{name}.jpg", encode(37, 29, sampling, together, seed=1) if name != "all_2x2" else encode(19, 21, sampling, apart, seed=2))
keep("apart.jpg", encode(37, 29, [(2, 2), (1, 1), (1, 1)], apart, seed=3))
keep("apart_restart.jpg", encode(37, 29, [(2, 1), (1, 1), (1, 1)], apart, restart=3, seed=4))
keep("luma_then_chroma.jpg", encode(37, 29, [(2, 2), (1, 1), (1, 1)], [[0], [1, 2]], seed=5))
keep("wide_quantisation.jpg", encode(20, 20, [(1, 1)] * 3, together, wide=True, seed=6))
keep("named_rgb.jpg", encode(20, 20, [(1, 1)] * 3, together, ids=b"RGB", seed=7))
keep("adobe_rgb.jpg", encode(20, 20, [(1, 1)] * 3, together, header=adobe(0), seed=8))
keep("grey_2x2.jpg", encode(37, 29, [(2, 2)], [[0]], seed=9))
keep("ycck_420.jpg", encode(37, 29, [(2, 2), (1, 1), (1, 1), (2, 2)], [[0, 1, 2, 3]], header=adobe(2), seed=10))
keep("fill_bytes.jpg", encode(20, 20, [(1, 1)] * 3, together, seed=11).replace(b"\xff\xda", b"\xff\xff\xff\xda").replace(b"\xff\xd9", b"\0\xff\xff\xd9"))
with open("pixels.json", "w") as f:
    json.dump(out, f, indent=1)
