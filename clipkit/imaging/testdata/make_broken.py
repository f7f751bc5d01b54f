"""Writes the damaged pictures in broken/ from the sound ones beside it. Needs only Python.

python make_broken.py      (in this folder)
"""
import os
import struct
import zlib

os.makedirs("broken", exist_ok=True)
read = lambda name: open(name, "rb").read()


def put(name, data):
    with open(f"broken/{name}", "wb") as f:
        f.write(data)


def png(w, h):
    """A small file whose header announces w × h grey pixels."""
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 8, 0, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b""))


def webp(*chunks):
    body = b"".join(k + struct.pack("<I", len(d)) + d + b"\0" * (len(d) % 2) for k, d in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


canvas = lambda flags, w, h: (b"VP8X", struct.pack("<I", flags) + struct.pack("<I", w - 1)[:3] + struct.pack("<I", h - 1)[:3])
jpeg, sound_png = read("jpeg_gray_75x75.jpg"), read("l_101x23.png")
put("truncated.jpg", jpeg[: len(jpeg) // 2])
at = jpeg.index(b"\xff\xc0")
put("zero_height.jpg", jpeg[: at + 5] + b"\0\0" + jpeg[at + 7 :])
put("empty.jpg", b"")
put("no_end_marker.jpg", jpeg[:-2])
put("twelve_bits.jpg", jpeg[: at + 4] + b"\x0c" + jpeg[at + 5 :])
put("arithmetic.jpg", jpeg[:at] + b"\xff\xc9" + jpeg[at + 2 :])
put("lossless.jpg", jpeg[:at] + b"\xff\xc3" + jpeg[at + 2 :])
put("small_but_giant.jpg", jpeg[: at + 5] + struct.pack(">HH", 8000, 8000) + jpeg[at + 9 :])
put("two_frames.jpg", jpeg[:at] + 2 * jpeg[at : at + 13] + jpeg[at + 13 :])
put("no_scan.jpg", jpeg[: jpeg.index(b"\xff\xda")] + b"\xff\xd9")
at = jpeg.index(b"\xff\xda")
put("marker_in_scan.jpg", jpeg[: at + 200] + b"\xff\xd9")
dot = read("../jpeg/testdata/1x1_444.jpg")
scan = dot[dot.index(b"\xff\xda") : -2]
put("many_scans.jpg", dot[:-2] + 300 * scan + b"\xff\xd9")
at = jpeg.index(b"\xff\xc4")
put("no_huffman_table.jpg", jpeg[: at + 1] + b"\xfe" + jpeg[at + 2 :])
put("overfull_huffman_table.jpg", jpeg[: at + 5] + b"\x05" + jpeg[at + 6 :])
at = jpeg.index(b"\xff\xdb")
put("no_quantisation_table.jpg", jpeg[: at + 1] + b"\xfe" + jpeg[at + 2 :])
restarts = read("../jpeg/testdata/restart.jpg")
put("wrong_restart.jpg", restarts.replace(b"\xff\xd1", b"\xff\xd4"))
progressive = read("../jpeg/testdata/9x7_420_progressive.jpg")
at = progressive.index(b"\xff\xda")
put("bad_progression.jpg", progressive[: at + 11] + b"\x05" + progressive[at + 12 :])
at = sound_png.index(b"IDAT")
size = struct.unpack(">I", sound_png[at - 4 : at])[0]
put("bad_crc.png", sound_png[: at + 4 + size] + b"\0\0\0\0" + sound_png[at + 8 + size :])
put("giant.png", png(60000, 60000))
put("long_side.png", png(1, 300000))
put("zero_width.png", png(0, 10))
put("text.png", "这不是图片。\n".encode())
gif = read("decode/transparent.gif")
put("no_frame.gif", b"GIF89a" + struct.pack("<HHBBB", 4, 4, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff" + b";")
put("truncated.gif", gif[: len(gif) // 2])
at = gif.index(b",", 13 + 3 * 8)
put("frame_off_canvas.gif", gif[: at + 1] + struct.pack("<HH", 30, 30) + gif[at + 5 :])
lossless = read("decode/lossless_alpha.webp")
put("truncated.webp", lossless[: len(lossless) // 2])
vp8l = lossless[lossless.index(b"VP8L") + 8 :]
put("canvas_mismatch.webp", webp(canvas(0, 3, 3), (b"VP8L", vp8l)))
put("giant_canvas.webp", webp(canvas(0x10, 1 << 14, 1 << 14), (b"ALPH", b"\0" * 20), (b"VP8L", b"\x2f" + struct.pack("<I", 0x0FFFFFFF) + b"\0" * 9)))
put("animated.webp", webp(canvas(2, 45, 31), (b"VP8L", vp8l)))
bmp = read("decode/palette8.bmp")
put("truncated.bmp", bmp[: len(bmp) // 2])
put("run_length_coding.bmp", bmp[:30] + struct.pack("<I", 1) + bmp[34:])
