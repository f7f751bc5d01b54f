"""Makes the archives beside it: python3 make_archives.py. Each is broken or hostile in the way that its name says; good.* are not."""
import gzip, io, struct, tarfile, zipfile, zlib

FILES = [("MUGE/", b""), ("MUGE/test_imgs.tsv", b"1\tQUJD\n"), ("MUGE/test_texts.jsonl", b'{"text_id": 1, "text": "x", "image_ids": [1]}\n' * 20)]


def zipped(entries, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as z:
        for name, data in entries:
            i = name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name)
            i.compress_type = method
            if i.external_attr == 0:
                i.external_attr = (0o40755 if i.filename.endswith("/") else 0o100644) << 16
            z.writestr(i, data)
    return out.getvalue()


def tarred(entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as t:
        for name, data, kind, link in entries:
            i = tarfile.TarInfo(name)
            i.type, i.linkname, i.size = kind, link, len(data)
            t.addfile(i, io.BytesIO(data))
    return out.getvalue()


def write(name, data):
    with open(name, "wb") as f:
        f.write(data)


def changed(data, old, new, last=False):
    at = data.rindex(old) if last else data.index(old)
    return data[:at] + new + data[at + len(old):]


good = zipped(FILES)
write("good.zip", good)
write("stored.zip", zipped(FILES, zipfile.ZIP_STORED))
regular = [(n, d, tarfile.DIRTYPE if n.endswith("/") else tarfile.REGTYPE, "") for n, d in FILES]
write("good.tar", tarred(regular))
write("good.tar.gz", gzip.compress(tarred(regular), mtime=0))
write("traversal.zip", zipped([("a/../../evil", b"x")]))
write("absolute.zip", zipped([("/evil", b"x")]))
write("backslash.zip", changed(changed(zipped([("..#evil", b"x")]), b"..#evil", b"..\\evil"), b"..#evil", b"..\\evil"))
link = zipfile.ZipInfo("link")
link.external_attr = 0o120777 << 16
write("link.zip", zipped([(link, b"/etc")]))
write("twice.zip", zipped([("a", b"1"), ("a", b"2")]))
write("file_and_folder.zip", zipped([("a", b"1"), ("a/b", b"2")]))
write("cut.zip", good[:-30])
stored = zipped([("a", b"some bytes of a file")], zipfile.ZIP_STORED)
write("crc.zip", changed(stored, b"some bytes", b"Some bytes"))
write("encrypted.zip", stored[:6] + b"\1" + stored[7:].replace(b"PK\1\2\x14\3\x14\0\0", b"PK\1\2\x14\3\x14\0\1"))
write("bomb.zip", zipped([("zeros", bytes(1 << 16))] * 1 + [("b%d" % i, bytes(20 << 20)) for i in range(1)]))
# Says one size and has another: 3 in place of 20 in the directory and before the file.
three, twenty = struct.pack("<I", 3), struct.pack("<I", 2000)
lying = zipped([("a", b"y" * 2000)])
write("longer.zip", lying.replace(twenty, three))
# Two entries of the directory for the same bytes, which fill the archive nearly.
noise = zlib.compress(bytes(range(256)))[2:-4] + bytes((i * i * 7 + i // 3) % 251 for i in range(4000))
one = zipped([("a", noise)], zipfile.ZIP_STORED)
eocd = one.rindex(b"PK\5\6")
directory = one.index(b"PK\1\2")
entry = one[directory:eocd]
both = entry + entry[:46] + b"b" + entry[47:]
end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 2, 2, len(both), directory, 0)
write("overlap.zip", one[:directory] + both + end)
write("traversal.tar", tarred([("../evil", b"x", tarfile.REGTYPE, "")]))
write("symlink.tar", tarred([("MUGE", b"", tarfile.SYMTYPE, "/tmp"), ("MUGE/evil", b"x", tarfile.REGTYPE, "")]))
write("hardlink.tar", tarred([("evil", b"", tarfile.LNKTYPE, "/etc/passwd")]))
write("device.tar", tarred([("null", b"", tarfile.CHRTYPE, "")]))
write("cut.tar", tarred(regular)[:1300])
write("cut.tar.gz", gzip.compress(tarred(regular), mtime=0)[:-20])
write("padded.tar.gz", gzip.compress(tarred(regular) + bytes(2 << 20), mtime=0))
write("bomb.tar.gz", gzip.compress(tarred([("zeros", bytes(20 << 20), tarfile.REGTYPE, "")]), mtime=0))
write("neither.zip", b"<html>not here</html>" * 40)
write("empty.zip", b"")
