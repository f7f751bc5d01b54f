"""Golden values for the rarer kinds of files that Pillow reads: formats/* and formats/pixels.json, which has for each the mode, the size and the
SHA-256 of its pixels and of convert("RGB"). Needs Pillow 13 and numpy.

python make_formats.py      (in this folder)
"""
import hashlib
import io
import json
import os
import struct
import zlib

import numpy as np
from PIL import Image

from make_augment import photo

os.makedirs("formats", exist_ok=True)
read = lambda name: open(name, "rb").read()
rng = np.random.RandomState(3)
im = photo(45, 31)
grey, pal = im.convert("L"), im.quantize(20)


def put(name, data):
    with open(f"formats/{name}", "wb") as f:
        f.write(data)


def saved(im, kind, **kw):
    f = io.BytesIO()
    im.save(f, kind, **kw)
    return f.getvalue()


# BMP: info is the header behind its size, extra what follows it, rows the pixels
def bmp(name, size, w, h, bits, rows, compression=0, extra=b"", colours=0, masks=()):
    if size == 12:
        info = struct.pack("<HHHH", w, h, 1, bits)
    else:
        info = struct.pack("<iiHHIIiiII", w, h, 1, bits, compression, len(rows), 0, 0, colours, 0)
        info += struct.pack(f"<{len(masks)}I", *masks)
        info += b"\0" * (size - 4 - len(info))
    put(name, b"BM" + struct.pack("<IHHI", 0, 0, 0, 14 + 4 + len(info) + len(extra)) + struct.pack("<I", size) + info + extra + rows)


palette3 = rng.bytes(16 * 3)
palette4 = b"".join(palette3[3 * i : 3 * i + 3] + b"\0" for i in range(16))
bmp("os2_4.bmp", 12, 11, 5, 4, rng.bytes(8 * 5), extra=palette3)
bmp("os2_v2.bmp", 64, 11, 5, 4, rng.bytes(8 * 5), extra=palette4)
bmp("os2_24.bmp", 12, 5, 4, 24, rng.bytes(16 * 4))
bmp("rgb555.bmp", 40, 7, 5, 16, rng.bytes(16 * 5))
bmp("rgb565.bmp", 40, 7, 5, 16, rng.bytes(16 * 5), 3, extra=struct.pack("<III", 0xF800, 0x7E0, 0x1F))
bmp("fields555.bmp", 52, 7, 5, 16, rng.bytes(16 * 5), 3, masks=(0x7C00, 0x3E0, 0x1F))
for i, masks in enumerate([(0xFF0000, 0xFF00, 0xFF, 0), (0xFF000000, 0xFF0000, 0xFF00, 0), (0xFF000000, 0xFF00, 0xFF, 0), (0xFF000000, 0xFF0000, 0xFF00, 0xFF),
                           (0xFF, 0xFF00, 0xFF0000, 0xFF000000), (0xFF0000, 0xFF00, 0xFF, 0xFF000000), (0xFF000000, 0xFF00, 0xFF, 0xFF0000), (0, 0, 0, 0)]):
    bmp(f"fields{i}.bmp", 56 if i < 4 else 108, 5, 3, 32, rng.bytes(60), 3, masks=masks)
bmp("short_fields.bmp", 40, 5, 3, 32, rng.bytes(60), 3, extra=struct.pack("<III", 0xFF0000, 0xFF00, 0xFF))
bmp("top_down_16.bmp", 40, 7, -5, 16, rng.bytes(16 * 5))
bmp("few_colours.bmp", 40, 9, 4, 8, bytes(i % 20 for i in range(48)), extra=palette4[:40], colours=10)  # indices beyond the palette
runs8 = b"\5\1" + b"\0\4\1\2\3\4" + b"\0\0" + b"\0\5\6\7\1\2\3\0" + b"\0\2\2\1" + b"\3\4\0\0" + b"\x09\5\0\0" + b"\x0b\6\0\1"
bmp("runs8.bmp", 40, 9, 5, 8, runs8 + b"\0" * 4, 1, extra=palette4, colours=16)
bmp("runs8_all.bmp", 40, 9, 2, 8, b"\x09\3\0\0\x05\4\x04\1", 1, extra=palette4, colours=16)
bmp("runs8_top_down.bmp", 40, 9, -2, 8, b"\x09\3\0\0\x05\4\x04\1", 1, extra=palette4, colours=16)
bmp("runs4.bmp", 40, 9, 3, 4, b"\5\x12\4\x34\0\0" + b"\0\5\x67\x89\xa0\0" + b"\4\x5b\0\0" + b"\0\2\1\0" + b"\x08\xef\0\1", 2, extra=palette4)
bmp("grey_scale8.bmp", 40, 5, 4, 8, rng.bytes(32), extra=b"".join(bytes((i, i, i, 0)) for i in range(256)))
put("run_length_coding.bmp", (b := read("decode/palette8.bmp"))[:30] + struct.pack("<I", 1) + b[34:])

# PNM
raw = rng.bytes(600)
put("grey.pgm", b"P5\n# a comment\n20 10\n255\n" + raw[:200])
put("grey_100.pgm", b"P5 20 10 100 " + bytes(v % 101 for v in raw[:200]))
put("grey_above.pgm", b"P5 20 10 100 " + raw[:200])  # levels above the greatest
put("grey16.pgm", b"P5 20 10 65535 " + raw[:400])
put("grey12.pgm", b"P5 20 10 4095 " + bytes(v & (15 if i % 2 == 0 else 255) for i, v in enumerate(raw[:400])))
put("rgb.ppm", b"P6\n10 10\n255\n" + raw[:300])
put("rgb16.ppm", b"P6 10 10 65535\n" + raw[:600])
put("rgb_31.ppm", b"P6 10 10 31\n" + bytes(v % 32 for v in raw[:300]))
put("bits.pbm", b"P4 13 6\n" + raw[:12])
put("plain.pbm", b"P1\n5 2\n1 0 1#c\n10 0\n01101")
put("plain.pgm", b"P2 4 3 15\n" + b" ".join(b"%d" % (v % 16) for v in raw[:12]))
put("plain16.pgm", b"P2 4 3 1000 " + b"\n".join(b"%d" % (3 * v) for v in raw[:12]) + b"\n")
put("plain.ppm", b"P3 2 2 # sizes\n255\n" + b" ".join(b"%d" % v for v in raw[:12]) + b" # the end")
floats = rng.uniform(-20, 300, 12).astype("<f4")
put("grey.pfm", b"Pf 4 3 -1.0\n" + floats.tobytes())
put("grey_big.pfm", b"Pf 4 3 1.0\n" + floats.astype(">f4").tobytes())

# GIF
gif = saved(im.quantize(9), "GIF", transparency=2, optimize=False)
at = gif.index(b",", 13 + 3 * 16)
frame = lambda screen, x, y: gif[:6] + struct.pack("<HH", *screen) + gif[10 : at + 1] + struct.pack("<HH", x, y) + gif[at + 5 :]
put("off_screen.gif", frame((45, 31), 30, 20))
put("small_screen.gif", frame((9, 7), 0, 0))
put("no_screen.gif", frame((0, 0), 0, 0))
put("large_screen.gif", frame((60, 50), 3, 5))
put("interlaced.gif", saved(pal, "GIF", interlace=1, optimize=False))
plain = saved(pal, "GIF", interlace=0, optimize=False)
start = 13 + (3 << ((plain[10] & 7) + 1))
at2 = plain.index(b",", start)
put("no_palette.gif", plain[:10] + bytes([plain[10] & 0x7F]) + plain[11:13] + plain[start:])
put("local_palette.gif", plain[:10] + bytes([plain[10] & 0x7F]) + plain[11:13] + plain[start : at2 + 9] + bytes([plain[10] & 0x87]) + plain[13:start] + plain[at2 + 10 :])
put("no_trailer.gif", plain[:-1])
put("no_terminator.gif", plain[:-2])
transparent = read("decode/transparent.gif")
at = transparent.index(b",", 13 + 3 * 8)
put("frame_off_canvas.gif", transparent[: at + 1] + struct.pack("<HH", 30, 30) + transparent[at + 5 :])

# PNG
chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
head = b"\x89PNG\r\n\x1a\n"
png = saved(im.resize((23, 17)), "PNG")
ihdr, rest = png[8:33], png[33:]
put("no_end.png", png[:-12])
put("damaged_end.png", png[:-4] + b"\0\0\0\0")
put("chunk_first.png", head + chunk(b"CgBI", b"\x50\0\x20\6") + png[8:])
put("unknown_critical.png", head + ihdr + chunk(b"ABCD", b"xyz") + rest)
put("text_behind_pixels.png", png[:-12] + chunk(b"tEXt", b"a\0b") + png[-12:])
put("garbage_behind.png", png[:-12] + b"\0\0")
rows = b"".join(b"\0" + rng.bytes(4) for _ in range(5))
indexed = ihdr[:8] + struct.pack(">IIBBBBB", 8, 5, 4, 3, 0, 0, 0)
indexed = chunk(b"IHDR", indexed[8:])
colours = chunk(b"PLTE", rng.bytes(48))
put("transparency_first.png", head + indexed + chunk(b"tRNS", b"\0\x80") + colours + chunk(b"IDAT", zlib.compress(rows)) + png[-12:])
put("too_many_colours.png", head + indexed + chunk(b"PLTE", rng.bytes(300)) + chunk(b"IDAT", zlib.compress(rows)) + png[-12:])
put("no_palette.png", head + indexed + chunk(b"IDAT", zlib.compress(rows)) + png[-12:])
put("more_pixels.png", head + indexed + colours + chunk(b"IDAT", zlib.compress(rows + rows)) + png[-12:])
put("many_idat.png", head + indexed + colours + b"".join(chunk(b"IDAT", bytes([b])) for b in zlib.compress(rows)) + chunk(b"IDAT", b"") + png[-12:])
put("animated.png", saved(im, "PNG", save_all=True, append_images=[im.rotate(90)], duration=50))
sound = read("l_101x23.png")
at = sound.index(b"IDAT")
size = struct.unpack(">I", sound[at - 4 : at])[0]
put("bad_crc.png", sound[: at + 4 + size] + b"\0\0\0\0" + sound[at + 8 + size :])

# WebP animations
alpha = im.copy()
alpha.putalpha(Image.fromarray((np.mgrid[0:31, 0:45][1] * 5).astype(np.uint8)))
for name, first, kw in ("lossy", im, dict(quality=60)), ("lossless", im, dict(lossless=True)), ("lossy_alpha", alpha, dict(quality=60)), ("lossless_alpha", alpha, dict(lossless=True)):
    put(f"animated_{name}.webp", saved(first, "WEBP", save_all=True, append_images=[first.rotate(180)], duration=40, **kw))
pad = lambda d: d + b"\0" * (len(d) % 2)
part = lambda kind, d: kind + struct.pack("<I", len(d)) + pad(d)
u24 = lambda v: struct.pack("<I", v)[:3]
for name, flags, source in ("offset", 2, saved(im, "WEBP", quality=60)), ("offset_alpha", 0x12, saved(alpha, "WEBP", lossless=True)):
    pixels = source[12:] if source[12:16] != b"VP8X" else source[30:]
    body = part(b"VP8X", bytes([flags, 0, 0, 0]) + u24(60 - 1) + u24(50 - 1)) + part(b"ANIM", b"\xff\xff\xff\xff\0\0")
    body += part(b"ANMF", u24(3) + u24(5) + u24(45 - 1) + u24(31 - 1) + u24(40) + b"\0" + pixels)
    put(f"animated_{name}.webp", b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body)

# JPEG
picture = photo(75, 61)


def segments(b):
    """Where scans begin, and the end marker."""
    out, i = [], 2
    while True:
        if b[i + 1] in (0xDA, 0xD9):
            out.append(i)
        if b[i + 1] == 0xD9:
            return out
        scan = b[i + 1] == 0xDA
        i += 2 + struct.unpack(">H", b[i + 2 : i + 4])[0]
        while scan and not (b[i] == 0xFF and b[i + 1] != 0 and not 0xD0 <= b[i + 1] <= 0xD7):
            i += 1


def without(b, marker):
    i, out = 2, b[:2]
    while b[i + 1] != 0xDA:
        n = 2 + struct.unpack(">H", b[i + 2 : i + 4])[0]
        if b[i + 1] != marker:
            out += b[i : i + n]
        i += n
    return out + b[i:]


for name, source, kw in ("colour", picture, dict(subsampling=2)), ("grey", picture.convert("L"), {}), ("full", picture, dict(subsampling=0, restart_marker_rows=2)):
    progressive = saved(source, "JPEG", quality=70, progressive=True, **kw)
    marks = segments(progressive)
    for n in range(1, len(marks) - 1):
        put(f"{name}_{n}_scans.jpg", progressive[: marks[n]] + b"\xff\xd9")
        table = progressive.find(b"\xff\xc4", marks[n], marks[n + 1])
        cut = (marks[n] + 10 + (table if table > 0 else marks[n + 1])) // 2  # within the scan's data
        put(f"{name}_{n}_and_a_half.jpg", progressive[:cut] + b"\xff\xd9")
baseline = saved(picture, "JPEG", quality=70)
put("standard_tables.jpg", without(baseline, 0xC4))
put("zeros_for_an_end.jpg", baseline[:-2] + b"\0" * 100)
put("end_in_scan.jpg", baseline[: len(baseline) * 2 // 3] + b"\xff\xd9")
put("damaged_codes.jpg", baseline[:900] + rng.bytes(40).replace(b"\xff", b"\0") + baseline[940:])
restarts = saved(picture, "JPEG", quality=70, restart_marker_blocks=3)
put("lost_restart.jpg", restarts.replace(b"\xff\xd2", b"\xff\xd3", 1))
put("late_restart.jpg", restarts.replace(b"\xff\xd2", b"\xff\xd1", 1))
put("foreign_restart.jpg", restarts.replace(b"\xff\xd2", b"\xff\xd6", 1))
at = restarts.index(b"\xff\xd1")
put("damaged_interval.jpg", restarts[: at + 12] + restarts[at + 30 :])
jpeg = read("jpeg_gray_75x75.jpg")
at = jpeg.index(b"\xff\xda")
put("marker_in_scan.jpg", jpeg[: at + 200] + b"\xff\xd9")
at = jpeg.index(b"\xff\xc4")
put("no_huffman_table.jpg", jpeg[: at + 1] + b"\xfe" + jpeg[at + 2 :])
put("wrong_restart.jpg", read("../jpeg/testdata/restart.jpg").replace(b"\xff\xd1", b"\xff\xd4"))

if os.path.exists("make_tiff.py"):
    import make_tiff

    make_tiff.main(put, photo)

out = {}
for name in sorted(os.listdir("formats")):
    if name == "pixels.json":
        continue
    with Image.open(f"formats/{name}") as f:
        f.load()
        pixels = f.convert("L") if f.mode == "1" else f
        mode = f.mode
        if mode == "I;16B":  # the same levels in the other order
            mode, pixels = "I;16", Image.frombytes("I;16", f.size, np.asarray(f).astype("<u2").tobytes())
        out[name] = dict(mode=mode, width=f.width, height=f.height, pixels=hashlib.sha256(pixels.tobytes()).hexdigest(),
                         rgb=hashlib.sha256(f.convert("RGB").tobytes()).hexdigest())
with open("formats/pixels.json", "w") as f:
    json.dump(out, f, indent=1)
print(len(out), "files")
