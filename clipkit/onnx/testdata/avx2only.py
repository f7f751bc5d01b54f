"""avx2only.py LIBRARY COPY: a copy of a library, such as ONNX Runtime's, that takes a processor with AVX-512 (and VNNI of 512 bits) for one with AVX2 alone.

Every xgetbv, by which a library asks whether the system saves the registers of AVX-512, becomes "push 7; pop rax": it saves those up to AVX.
To measure with it what such a processor does; VNNI of 256 bits (avx_vnni in /proc/cpuinfo) would still be found. Needs objdump.
"""
import re, subprocess, sys

library, copy = sys.argv[1:]
listed = subprocess.run(["objdump", "-h", library], capture_output=True, text=True, check=True).stdout
sections = [tuple(int(x, 16) for x in row) for row in re.findall(r"^\s*\d+ \S+\s+(\w{8,}) {2}(\w{8,}) {2}\w{8,} {2}(\w{8,})", listed, re.M)]  # size, address, offset
data, found = bytearray(open(library, "rb").read()), 0
with subprocess.Popen(["objdump", "-d", "--no-show-raw-insn", library], stdout=subprocess.PIPE) as code:
    for line in code.stdout:
        if b"\txgetbv" in line:
            at = int(line.split(b":")[0], 16)
            at = next(at - address + offset for size, address, offset in sections if address <= at < address + size)
            assert data[at:at + 3] == b"\x0f\x01\xd0"
            data[at:at + 3], found = b"\x6a\x07\x58", found + 1
assert code.returncode == 0, "objdump failed"
open(copy, "wb").write(data)
print(found, "places changed in", library)
