"""Makes files of this folder and the broken ones in ../broken, and writes expected.json: type, shape and SHA-256 of every tensor as PyTorch reads it,
of this folder's files and of two that stand with the reference's values. container_* are not made here: they came with the
reference's values.  python make.py   (torch 2.15.0, numpy 2.4.6); python make.py others makes those of others() and expected.json alone"""
import argparse, collections, datetime, hashlib, io, json, os, pathlib, pickle, random, struct, sys, tarfile, warnings, zipfile
import numpy as np
import torch
from torch import nn

warnings.filterwarnings("ignore")
torch.manual_seed(7)
HERE = os.path.dirname(os.path.abspath(__file__))
BROKEN = os.path.join(HERE, "..", "broken")
GOLDEN = os.path.join(HERE, *[".."] * 4, "internal", "golden", "testdata", "rn")


class Tower(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Parameter(torch.randn(3, 2))
        self.blocks = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
        self.heads = [1, 2]

    def forward(self, x):
        return self.blocks(x) @ self.proj


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.visual = Tower()
        self.logit_scale = nn.Parameter(torch.tensor(2.5))
        self.frozen = nn.Parameter(torch.randn(2), requires_grad=False)

    def forward(self, x):
        return self.visual(x) * self.logit_scale


def good():
    m = Model()
    params = list(m.parameters())
    opt = torch.optim.AdamW([{"params": params[:1], "weight_decay": 0.0}, {"params": params[1:], "weight_decay": 0.2}], lr=np.float64(1e-3), betas=(0.9, 0.98), eps=1e-6)
    for _ in range(3):
        opt.zero_grad()
        m(torch.randn(5, 4)).sum().backward()
        opt.step()
    state = {"module." + k: v for k, v in m.state_dict().items()}
    ck = {"epoch": 3, "step": 12, "name": "tiny", "state_dict": state, "optimizer": opt.state_dict()}
    torch.save(ck, os.path.join(HERE, "checkpoint.pt"))
    torch.save(ck, os.path.join(HERE, "checkpoint_legacy.pt"), _use_new_zipfile_serialization=False)
    torch.jit.script(m.eval()).save(os.path.join(HERE, "script.pt"))
    torch.save(state, os.path.join(HERE, "protocol4.pt"), pickle_protocol=4)
    src, out = zipfile.ZipFile(os.path.join(HERE, "checkpoint.pt")), zipfile.ZipFile(os.path.join(HERE, "deflated_pickle.pt"), "w")
    for i in src.infolist():
        out.writestr(i.filename, src.read(i), zipfile.ZIP_DEFLATED if i.filename.endswith(".pkl") else zipfile.ZIP_STORED)
    out.close()
    return m, ck


class Wrapper(nn.Module):
    """What Lightning and the like make of a model: names begin with model."""

    def __init__(self, model):
        super().__init__()
        self.model = model


class Attention(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.attn, self.ln_1 = nn.MultiheadAttention(width, 2), nn.LayerNorm(width)

    def forward(self, x):
        y = self.ln_1(x)
        return x + self.attn(y, y, y, need_weights=False)[0]


class OpenAI(nn.Module):
    """The modules of OpenAI's CLIP by their names, one of each kind; its archives are traced and in half precision too, and hold the sizes as buffers."""

    def __init__(self, width=8):
        super().__init__()
        visual = self.visual = nn.Module()
        visual.conv1 = nn.Conv2d(3, width, 4, 4, bias=False)
        visual.class_embedding, visual.positional_embedding = nn.Parameter(torch.randn(width)), nn.Parameter(torch.randn(5, width))
        visual.ln_pre, visual.ln_post, visual.proj = nn.LayerNorm(width), nn.LayerNorm(width), nn.Parameter(torch.randn(width, 6))
        visual.transformer, self.transformer = nn.Module(), nn.Module()
        visual.transformer.resblocks, self.transformer.resblocks = nn.Sequential(Attention(width)), nn.Sequential(Attention(width))
        self.token_embedding, self.positional_embedding = nn.Embedding(11, width), nn.Parameter(torch.randn(7, width))
        self.ln_final, self.text_projection, self.logit_scale = nn.LayerNorm(width), nn.Parameter(torch.randn(width, 6)), nn.Parameter(torch.tensor(2.5))
        for name, n in (("input_resolution", 8), ("context_length", 7), ("vocab_size", 11)):
            self.register_buffer(name, torch.tensor(n))

    def forward(self, image, text):
        v = self.visual
        x = v.conv1(image).flatten(2).permute(0, 2, 1)
        x = torch.cat([v.class_embedding + torch.zeros(x.shape[0], 1, x.shape[-1], dtype=x.dtype), x], 1) + v.positional_embedding
        x = v.ln_post(v.transformer.resblocks(v.ln_pre(x))[:, 0]) @ v.proj
        y = self.ln_final(self.transformer.resblocks(self.token_embedding(text) + self.positional_embedding)[:, -1]) @ self.text_projection
        return self.logit_scale.exp() * x @ y.t()


def others():
    """Checkpoints of other training programs."""
    torch.manual_seed(8)
    random.seed(8)
    m = Model()
    save = lambda name, v, **how: torch.save(v, os.path.join(HERE, name), **how)
    state = m.state_dict()
    extras = {
        "seen": {1, "two"}, "frozen": frozenset([3]), "args": argparse.Namespace(lr=1e-3, layers=[1, 2], out=pathlib.PurePosixPath("runs/a")), "device": torch.device("cpu"),
        "when": datetime.datetime(2024, 5, 1), "counts": collections.Counter("aab"), "missing": collections.defaultdict(list, {"a": [1]}), "z": 1 + 2j,
        "python": random.getstate(), "numpy": np.random.RandomState(1).get_state(), "torch": torch.get_rng_state(), "best": torch.tensor(0.5),
    }
    save("extras.pt", {"epoch": 2, "step": 8, "name": "tiny", "state_dict": state, **extras})
    save("extras_protocol4.pt", {"model_state_dict": state, "optimizer_state_dict": {}, "epoch": 2, **extras}, pickle_protocol=4)
    save("compiled.pt", {"model": torch.compile(nn.DataParallel(m)).state_dict(), "args": argparse.Namespace()})
    save("nested_ddp.pt", {"net": nn.DataParallel(nn.DataParallel(torch.compile(m))).state_dict(), "acc": 0.5})
    save("lightning.pt", {"epoch": 1, "global_step": 5, "pytorch-lightning_version": "2.5.0", "state_dict": Wrapper(torch.compile(m)).state_dict(), "loops": {"fit": {}},
                          "callbacks": {"ModelCheckpoint{'monitor': None}": {"best_model_score": torch.tensor(0.1)}}, "optimizer_states": [], "hyper_parameters": {"lr": 1e-3}})
    openai = OpenAI().half().eval()
    torch.jit.trace(openai, (torch.randn(1, 3, 8, 8).half(), torch.zeros(1, 7, dtype=torch.long)), check_trace=False).save(os.path.join(HERE, "openai_script.pt"))


def describe(t):
    t = t.detach().contiguous()
    raw = t.reshape(-1).view(torch.uint8).numpy().tobytes() if t.numel() else b""
    return [str(t.dtype).replace("torch.", ""), list(t.shape), hashlib.sha256(raw).hexdigest()]


def expected():
    want = {}
    paths = [os.path.join(HERE, f) for f in os.listdir(HERE) if f.endswith(".pt")] + [os.path.join(GOLDEN, f) for f in ("published_style.pt", "init_fp16.pt")]
    for p in sorted(paths, key=os.path.basename):
        f = os.path.basename(p)
        if f.endswith("script.pt"):
            c = torch.jit.load(p).state_dict()
        else:
            c = torch.load(p, map_location="cpu", weights_only=False)
        e = want[f] = {}
        for key in ("model_state_dict", "model", "net"):
            c = c.get(key, c)
        if "state_dict" in c:
            e["checkpoint"] = {k: c.get(k, d) for k, d in (("epoch", 0), ("step", 0), ("name", ""))}
            if "optimizer" in c:
                o = c["optimizer"]
                e["groups"] = [[float(g["lr"]), g["weight_decay"], *g["betas"], g["eps"], len(g["params"])] for g in o["param_groups"]]
                e["state"] = {k: [int(s["step"]), describe(s["exp_avg"]), describe(s["exp_avg_sq"])] for k, s in o["state"].items()}
            c = c["state_dict"]
        e["tensors"] = [[k, *describe(v)] for k, v in c.items()]
    with open(os.path.join(HERE, "expected.json"), "w") as f:
        json.dump(want, f, indent=None, separators=(",", ":"))


def text(s):
    b = s.encode()
    return b"X" + struct.pack("<I", len(b)) + b


def integer(n):
    return b"K" + bytes([n]) if 0 <= n < 256 else b"\x8a\x09" + n.to_bytes(9, "little", signed=True)


def tensor(numel=2, offset=0, shape=(2,), stride=(1,), key="0", kind="FloatStorage"):
    axes = lambda v: b"(" + b"".join(map(integer, v)) + b"t"
    return (b"ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + b"ctorch\n" + kind.encode() + b"\n" + text(key) + text("cpu") + integer(numel) + b"tQ"
            + integer(offset) + axes(shape) + axes(stride) + b"\x89ccollections\nOrderedDict\n)RtR")


def state(value):
    return b"\x80\x02}" + text("w") + value + b"s."


def archive(name, program, storages=None, **entries):
    """A zip container; entries are more files or replace those it has."""
    with zipfile.ZipFile(os.path.join(BROKEN, name), "w") as z:
        z.writestr("a/data.pkl", program, entries.get("compress", zipfile.ZIP_STORED))
        z.writestr("a/byteorder", entries.get("byteorder", "little"))
        for key, b in (storages or {"0": struct.pack("<2f", 1, 2)}).items():
            z.writestr("a/data/" + key, b, entries.get("compress_storage", zipfile.ZIP_STORED))
        if entries.get("twice"):
            z.writestr("a/data/0", struct.pack("<2f", 3, 4))


class Evil:
    def __init__(self, f, *args):
        self.f, self.args = f, args

    def __reduce__(self):
        return self.f, self.args


def broken(m, ck):
    write = lambda name, b: open(os.path.join(BROKEN, name), "wb").write(b)
    archive("os_system.pt", pickle.dumps({"w": Evil(os.system, "touch /tmp/clipkit_was_here")}, 2))
    archive("eval.pt", pickle.dumps({"w": Evil(eval, "1/0")}, 4))
    archive("fill_global.pt", b"\x80\x02ctorch\nFloatStorage\n)R.")
    archive("negative_offset.pt", state(tensor(offset=-1)))
    archive("negative_shape.pt", state(tensor(shape=(-2,))))
    archive("negative_stride.pt", state(tensor(stride=(-1,))))
    archive("negative_storage.pt", state(tensor(numel=-2)))
    archive("huge_storage.pt", state(tensor(numel=2**62)))
    archive("overflowing_shape.pt", state(tensor(shape=(2**33, 2**33), stride=(0, 0))))
    archive("overflowing_stride.pt", state(tensor(shape=(3,), stride=(2**63 - 1,))))
    archive("beyond_storage.pt", state(tensor(offset=1)))
    archive("stride_bomb.pt", state(tensor(shape=(2**40,), stride=(0,))))
    archive("many_axes.pt", state(tensor(shape=(1,) * 9, stride=(1,) * 9)))
    archive("short_storage.pt", state(tensor()), {"0": b"1234"})
    archive("missing_storage.pt", state(tensor(key="7")))
    archive("complex.pt", state(tensor(kind="ComplexFloatStorage")))
    archive("compressed_storage.pt", state(tensor()), compress_storage=zipfile.ZIP_DEFLATED)
    archive("big_endian.pt", state(tensor()), byteorder="big")
    archive("twice.pt", state(tensor()), twice=True)
    archive("zip_bomb.pt", b"\x80\x02" + b"0" * (8 << 20), compress=zipfile.ZIP_DEFLATED)
    archive("deep.pt", b"\x80\x02" + b"(" * 2000)
    archive("nested.pt", b"\x80\x02]" + b"\x85" * 20000 + b".")
    laughs = b"\x80\x02]" + text("lol") + b"aq\x00"
    for i in range(100):
        laughs += b"](" + b"h" + bytes([i]) + (b"h" + bytes([i])) * 9 + b"eq" + bytes([i + 1])
    archive("billion_laughs.pt", laughs + b"0" * 100 + b".")
    archive("list_in_itself.pt", b"\x80\x02]q\x00h\x00a.")
    archive("trailing.pt", state(tensor()) + b"K")
    archive("number.pt", state(integer(1)))
    archive("no_tensors.pt", pickle.dumps({"model": {}, "args": {"lr": 1}}, 2))
    archive("single_tensor.pt", b"\x80\x02" + tensor() + b".")
    torch.save(m.visual.blocks, os.path.join(BROKEN, "whole_module.pt"))
    torch.save(m.visual.blocks, os.path.join(BROKEN, "whole_module_legacy.pt"), _use_new_zipfile_serialization=False)
    with zipfile.ZipFile(os.path.join(BROKEN, "other_zip.pt"), "w") as z:
        z.writestr("word/document.xml", "<w/>")
    with tarfile.open(os.path.join(BROKEN, "tar.pt"), "w") as t:
        for n in ("pickle", "storages", "tensors", "sys_info"):
            t.addfile(tarfile.TarInfo(n), io.BytesIO())
    write("page.pt", b"<!DOCTYPE html><html><body>404</body></html>")
    write("lfs.pt", b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 753195969\n")
    write("plain_pickle.pt", pickle.dumps({"w": [1.0, 2.0, 3.0, 4.0]}, 2))
    data = open(os.path.join(HERE, "container_legacy.pt"), "rb").read()
    write("big_endian_legacy.pt", data.replace(b"little_endian", b"xittle_endian", 1))
    write("os_system_legacy.pt", data[: data.index(b"\x80\x02}q\x00(X\x03\x00\x00\x00f32")] + pickle.dumps(Evil(os.system, "touch /tmp/clipkit_was_here"), 2))


if __name__ == "__main__":
    others()
    if sys.argv[1:] == ["others"]:
        sys.exit(expected())
    torch.manual_seed(7)
    os.makedirs(BROKEN, exist_ok=True)
    made = good()
    expected()
    broken(*made)
