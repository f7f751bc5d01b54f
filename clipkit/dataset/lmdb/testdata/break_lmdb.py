"""Makes broken/*.mdb of the LMDB in ../../testdata: each file is the reference's with one number changed, and is named after it."""
import struct

PAGE = 4096
pairs = open("../../testdata/lmdb/test/pairs/data.mdb", "rb").read()  # meta pages 0 and 1, leaf 2 with 9 entries
imgs = open("../../testdata/lmdb/test/imgs/data.mdb", "rb").read()


def change(name, data, *patches):
    data = bytearray(data)
    for offset, form, value in patches:
        struct.pack_into("<" + form, data, offset, value)
    open("broken/" + name + ".mdb", "wb").write(data)


meta, leaf = PAGE, 2 * PAGE
first, second = (struct.unpack_from("<H", pairs, leaf + 16 + 2 * i)[0] for i in range(2))
open("broken/empty.mdb", "wb").close()
open("broken/half.mdb", "wb").write(pairs[: 2 * PAGE + 100])
open("broken/html.mdb", "wb").write(b"<!DOCTYPE html><title>404</title>".ljust(200))
change("bad-magic", pairs, (16, "I", 0xDEADBEEF))
change("version-2", pairs, (20, "I", 2))
change("page-size-3", pairs, (40, "I", 3))
change("page-size-huge", pairs, (40, "I", 1 << 30))
change("duplicate-keys-database", pairs, (meta + 92, "H", 4))
change("depth-1000", pairs, (meta + 94, "H", 1000))
change("depth-2", pairs, (meta + 94, "H", 2))
change("entries-8", pairs, (meta + 120, "Q", 8))
change("root-outside", pairs, (meta + 128, "Q", 1 << 40))
change("root-is-meta", pairs, (meta + 128, "Q", 0))
change("page-number-wrong", pairs, (leaf, "Q", 77))
change("lower-outside", pairs, (leaf + 12, "H", 0xFFFE))
change("node-outside", pairs, (leaf + 16, "H", 0xFFF0))
change("key-outside", pairs, (leaf + first + 6, "H", 0xFFFF))
change("value-outside", pairs, (leaf + first, "H", 0xFFFF))
change("sub-database", pairs, (leaf + first + 4, "H", 2))
change("keys-out-of-order", pairs, (leaf + 16, "H", second), (leaf + 18, "H", first))
change("same-key-twice", pairs, (leaf + 18, "H", first))
change("not-a-pickle", pairs, (leaf + first + 8 + 1, "Q", 0xFFFFFFFFFFFFFFFF))

# A picture on a page of its own: the first such node of any leaf.
def node_of_large():
    for page in range(2 * PAGE, len(imgs), PAGE):
        if struct.unpack_from("<H", imgs, page + 10)[0] == 2:
            lower = struct.unpack_from("<H", imgs, page + 12)[0]
            for at in range(page + 16, page + lower, 2):
                node = page + struct.unpack_from("<H", imgs, at)[0]
                if struct.unpack_from("<H", imgs, node + 4)[0] == 1:
                    return page, node


leaf, node = node_of_large()
key = struct.unpack_from("<H", imgs, node + 6)[0]
print("imgs-*: key", imgs[node + 8 : node + 8 + key])
change("imgs-overflow-outside", imgs, (node + 8 + key, "Q", 1 << 50))
change("imgs-overflow-is-leaf", imgs, (node + 8 + key, "Q", leaf // PAGE))
change("imgs-length-outside", imgs, (node + 2, "H", 0x00FF))
change("imgs-length-4-gib", imgs, (node + 2, "H", 0xFFFF))
