#!/usr/bin/env python3
"""Writes broken/: shards with one sample that is right, called good, and what their names say. Needs GNU tar for the sparse ones."""
import gzip, io, os, subprocess, tarfile, tempfile

os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "broken"))
GOOD = [("good.jpg", b"JPEG"), ("good.txt", "一只猫\n".encode())]


def write(name, members, format=tarfile.GNU_FORMAT):
    with tarfile.open(name, "w", format=format) as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
                continue
            info = tarfile.TarInfo(member[0])
            info.size = len(member[1])
            tar.addfile(info, io.BytesIO(member[1]))


def link(name, to, kind):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, to
    return info


write("traversal.tar", [("../../outside.jpg", b"JPEG"), ("../../outside.txt", b"x"), ("/absolute.jpg", b"JPEG"), ("/absolute.txt", b"x")] + GOOD)
write("links.tar", GOOD + [link("soft.jpg", "/etc/passwd", tarfile.SYMTYPE), ("soft.txt", b"x"), link("hard.jpg", "good.jpg", tarfile.LNKTYPE), ("hard.txt", b"x"), link("fifo.jpg", "", tarfile.FIFOTYPE)])
write("missing-twin.tar", [("alone.jpg", b"JPEG"), ("wordless.txt", b"x"), ("both.json", b'{"caption": "x"}')] + GOOD)
write("duplicate.tar", GOOD + [("good.png", b"another"), ("good.jpg", b"once more")])
write("captions.tar", [(f"{i}.jpg", b"JPEG") for i in range(6)] + [("0.txt", b"\xff\xfe\xff"), ("1.txt", b" \n"), ("2.json", b"{"), ("3.json", b'{"caption": 7}'),
      ("4.json", b'{"caption": null, "url": "x"}'), ("5.json", b'{"caption": []}')] + GOOD)
write("other-members.tar", [("good.cls", b"7"), ("__meta__.jpg", b"x"), ("._good.jpg", b"x"), ("README", b"x"), ("good.seg.png", b"x")] + GOOD)
write("long-names.tar", [("d" * 120 + "/" + name, data) for name, data in GOOD], tarfile.PAX_FORMAT)
write("empty-picture.tar", [("empty.jpg", b""), ("empty.txt", b"x")] + GOOD)
write("nothing.tar", [("README", b"x")])
write("whole.tar", GOOD + [("late.jpg", b"J" * 2000), ("late.txt", b"x")])
data = open("whole.tar", "rb").read()
os.remove("whole.tar")
open("cut-off.tar", "wb").write(data[:3 * 1024])  # in the middle of late.jpg
open("damaged.tar", "wb").write(data[:1024] + b"\x99" + data[1025:])  # the second header
open("size-of-8-gigabytes.tar", "wb").write(data[:2048] + data[2048:2048 + 124] + b"77777777777\0" + data[2048 + 136:2048 + 148] + b"        " + data[2048 + 156:])
open("compressed.tar", "wb").write(gzip.compress(data, mtime=0))
with tempfile.TemporaryDirectory() as d:
    for name, content in GOOD + [("holes.txt", b"x")]:
        open(f"{d}/{name}", "wb").write(content)
    with open(f"{d}/holes.jpg", "wb") as f:
        f.truncate(1 << 20)
        f.seek(1 << 19)
        f.write(b"JPEG")
    for format in ("gnu", "posix"):
        subprocess.run(["tar", "--sparse", f"--format={format}", "--owner=0", "--group=0", "--mtime=@0", "-cf", os.path.abspath(f"sparse-{format}.tar"), "holes.jpg", "holes.txt", "good.jpg", "good.txt"], cwd=d, check=True)
