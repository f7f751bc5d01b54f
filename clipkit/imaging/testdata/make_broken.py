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


chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(w, h):
    """A small file whose header announces w × h grey pixels."""
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
dot = read("../jpeg/testdata/1x1_444.jpg")
scan = dot[dot.index(b"\xff\xda") : -2]
put("many_scans.jpg", dot[:-2] + 300 * scan + b"\xff\xd9")
at = jpeg.index(b"\xff\xc4")
put("overfull_huffman_table.jpg", jpeg[: at + 5] + b"\x05" + jpeg[at + 6 :])
at = jpeg.index(b"\xff\xdb")
put("no_quantisation_table.jpg", jpeg[: at + 1] + b"\xfe" + jpeg[at + 2 :])
progressive = read("../jpeg/testdata/9x7_420_progressive.jpg")
at = progressive.index(b"\xff\xda")
put("bad_progression.jpg", progressive[: at + 11] + b"\x05" + progressive[at + 12 :])
put("giant.png", png(60000, 60000))
put("long_side.png", png(1, 300000))
put("zero_width.png", png(0, 10))
put("text.png", "这不是图片。\n".encode())
gif = read("decode/transparent.gif")
put("no_frame.gif", b"GIF89a" + struct.pack("<HHBBB", 4, 4, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff" + b";")
put("truncated.gif", gif[: len(gif) // 2])
lossless = read("decode/lossless_alpha.webp")
put("truncated.webp", lossless[: len(lossless) // 2])
vp8l = lossless[lossless.index(b"VP8L") + 8 :]
put("canvas_mismatch.webp", webp(canvas(0, 3, 3), (b"VP8L", vp8l)))
put("giant_canvas.webp", webp(canvas(0x10, 1 << 14, 1 << 14), (b"ALPH", b"\0" * 20), (b"VP8L", b"\x2f" + struct.pack("<I", 0x0FFFFFFF) + b"\0" * 9)))
put("animated.webp", webp(canvas(2, 45, 31), (b"VP8L", vp8l)))
bmp = read("decode/palette8.bmp")
put("truncated.bmp", bmp[: len(bmp) // 2])
put("bad_adler.png", sound_png[:33] + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + bytes(101) for _ in range(23)))[:-1] + b"\2") + sound_png[-12:])
put("no_pixels.png", sound_png[:33] + sound_png[-12:])
put("cut_pixels.png", sound_png[: len(sound_png) // 2])
put("bad_header_sum.png", sound_png[:29] + b"\0\0\0\0" + sound_png[33:])
put("filter_9.png", sound_png[:33] + chunk(b"IDAT", zlib.compress(b"\x09" + bytes(102 * 23))) + sound_png[-12:])
put("giant_deflate.png", png(8000, 8000))
put("bad_code.gif", gif[:-30] + bytes([255]) * 30)
put("empty_frame.gif", b"GIF89a" + struct.pack("<HHBBB", 4, 4, 0, 0, 0) + b"," + struct.pack("<HHHHB", 0, 0, 0, 4, 0) + b"\2\1\0\0;")
put("giant.gif", b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + b"," + struct.pack("<HHHHB", 0, 0, 4, 4, 0) + b"\2\1\0\0;")
put("bits_13.gif", b"GIF89a" + struct.pack("<HHBBB", 4, 4, 0, 0, 0) + b"," + struct.pack("<HHHHB", 0, 0, 4, 4, 0) + b"\x0d\1\0\0;")
put("giant.bmp", bmp[:18] + struct.pack("<II", 1 << 20, 1 << 20) + bmp[26:])
put("bits_2.bmp", bmp[:28] + b"\2" + bmp[29:])
put("short_runs.bmp", bmp[:30] + struct.pack("<I", 1) + bmp[34:54 + 80] + b"\0\1")
put("jpeg_inside.bmp", bmp[:30] + struct.pack("<I", 4) + bmp[34:])
put("odd_fields.bmp", bmp[:28] + struct.pack("<HI", 32, 3) + bmp[34:54] + struct.pack("<III", 1, 2, 4) + bytes(45 * 31 * 4))
put("short_header.bmp", bmp[:20])
put("truncated.ppm", b"P6 10 10 255 " + bytes(200))
put("text_level.pgm", b"P2 2 2 255 1 2 x 4")
put("above_level.pgm", b"P2 2 2 255 1 2 300 4")
put("no_level.pgm", b"P5 2 2 0 abcd")
put("giant.pgm", b"P5 60000 60000 255 ")
put("endless_number.ppm", b"P6 " + b"1" * 300 + b" 2 255 ")
put("frame_off_canvas.webp", webp(canvas(2, 45, 31), (b"ANMF", b"\1\0\0" + bytes(3) + struct.pack("<I", 44)[:3] + struct.pack("<I", 30)[:3] + bytes(4) + b"VP8L" + struct.pack("<I", len(vp8l)) + vp8l)))
progressive = read("jpeg_444_prog_90x160.jpg")
put("progressive_without_end.jpg", progressive[:-2])
put("progressive_without_tables.jpg", progressive.replace(b"\xff\xc4", b"\xff\xfe"))
put("picture.avif", b"\0\0\0\x20ftypavif\0\0\0\0avifmif1miafMA1B" + bytes(40))
put("picture.heic", b"\0\0\0\x1cftypmif1\0\0\0\0mif1heic" + bytes(40))
put("picture.svg", b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>')
