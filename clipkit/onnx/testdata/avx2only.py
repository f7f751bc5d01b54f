"""avx2only.py LIBRARY COPY: a copy of ONNX Runtime's library that takes a processor with AVX-512 (and VNNI of 512 bits) for one with AVX2 alone.

Every xgetbv, by which the library asks whether the system saves the registers of AVX-512, becomes "push 7; pop rax": it saves those up to AVX.
To measure with it what such a processor does; VNNI of 256 bits (avx_vnni in /proc/cpuinfo) would still be found. Needs objdump.
"""
import re, subprocess, sys

library, copy = sys.argv[1:]
sections = subprocess.run(["objdump", "-h", library], capture_output=True, text=True, check=True).stdout
address, offset = (int(x, 16) for x in re.search(r"\.text\s+\S+\s+(\S+)\s+\S+\s+(\S+)", sections).groups())
code = subprocess.run(["objdump", "-d", "--no-show-raw-insn", library], capture_output=True, text=True, check=True).stdout
data, found = bytearray(open(library, "rb").read()), 0
for at in re.findall(r"^\s*([0-9a-f]+):\s+xgetbv", code, re.M):
    at = int(at, 16) - address + offset
    assert data[at:at + 3] == b"\x0f\x01\xd0"
    data[at:at + 3], found = b"\x6a\x07\x58", found + 1
assert found, "no xgetbv"
open(copy, "wb").write(data)
print(found, "places changed")
