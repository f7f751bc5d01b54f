#!/usr/bin/env python3
"""Writes broken/: parquet files that are refused or lack something, named after what. Two rows are right where some are.

    python -m venv v && v/bin/pip install pyarrow && v/bin/python make.py
"""
import os
import pyarrow as pa, pyarrow.parquet as pq

os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "broken"))
JPEG = b"JPEG" * 100


def write(name, rows, schema=None, **options):
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), name, **{"compression": "snappy", **options})


good = [{"image": JPEG + b"1", "text": "一只猫"}, {"image": JPEG + b"2", "text": "一只狗"}]
hf = pa.schema([("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])), ("caption", pa.list_(pa.string()))])
write("rows-without.parquet", [{"image": {"bytes": JPEG, "path": "a"}, "caption": ["一只猫"]}, {"image": {"bytes": JPEG, "path": "b"}, "caption": []}, {"image": {"bytes": JPEG, "path": "c"}, "caption": [" ", None]},
                               {"image": {"bytes": JPEG, "path": "d"}, "caption": None}, {"image": None, "caption": ["无图"]}, {"image": {"bytes": JPEG, "path": "f"}, "caption": ["一只狗"]}], hf)
write("only-paths.parquet", [{"image": {"bytes": None, "path": "a.jpg"}, "caption": ["一只猫"]}] * 2, hf)
write("no-pictures.parquet", [{"url": "https://example.com", "text": "x"}])
write("no-captions.parquet", [{"image": JPEG, "label": 1}])
write("captions-are-numbers.parquet", [{"image": JPEG, "text": 1}])
write("list-of-pictures.parquet", [{"image": [JPEG, JPEG], "text": "x"}])
write("split-unknown.parquet", [dict(row, split=split) for row, split in zip(good + good, ["train", "train", "extra", None])])
write("not-utf8.parquet", [dict(row, text=text) for row, text in zip(good + good, [b"\xe7\x8c\xab", b"\xe7\x8b\x97", b"\xff", b"\xc3\xa8\xff"])])
write("brotli.parquet", good, compression="brotli")
write("no-rows.parquet", [], pa.schema([("image", pa.binary()), ("text", pa.string())]))
write("good.parquet", good * 20, use_dictionary=False, row_group_size=10)
data = open("good.parquet", "rb").read()
os.remove("good.parquet")
open("cut-off.parquet", "wb").write(data[:len(data) // 2])
open("beginning-lost.parquet", "wb").write(data[100:])
at = data.index("一只狗".encode())
open("damaged-captions.parquet", "wb").write(data[:at - 4] + b"\xff\xff\xff\x7f" + data[at:])
at = data.index(b"JPEGJPEG")
open("damaged-pictures.parquet", "wb").write(data[:at - 8] + b"\xff" * 16 + data[at + 8:])
open("pointer.parquet", "wb").write(b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n")


def footer(name, thrift):
    open(name, "wb").write(b"PAR1" + thrift + len(thrift).to_bytes(4, "little") + b"PAR1")


footer("list-of-billions.parquet", b"\x15\x02\x29\xfc\xff\xff\xff\xff\x07" + b"\x00" * 8)  # the schema has 2^31-1 elements
footer("nested-deep.parquet", b"\x1c" * 1000 + b"\x00" * 1000)
footer("footer-of-zeros.parquet", b"\x00" * 64)
open("footer-longer-than-file.parquet", "wb").write(b"PAR1" + (1 << 31).to_bytes(4, "little") + b"PAR1")
