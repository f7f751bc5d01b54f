#!/usr/bin/env python3
"""Training over ranks by the reference itself: what the trainer's tests over ranks compare with.

    CN_CLIP=CHECKOUT python make_ddp.py [--only RUN,RUN]     # writes ../../../../train/testdata/ddp, where a README has the layout

Each run is cn_clip/training/main.py, unmodified, in 2 or 4 processes: DistributedDataParallel over gloo, on the data and first weights that lie in the
folder above this one. Needs torch, torchvision, safetensors, timm, lmdb and pillow; copies the tiny models' configurations into the checkout.

What is replaced at run time, besides the names of cpu_shim.py: init_process_group joins the run's processes (gloo on the loopback interface, a file to
meet at); in float64 runs the model is made double and LayerNorm, which computes in float32 whatever it is given, is torch's; in runs with masks
torch.rand(pairs, patches) gives recorded numbers; in runs with a teacher modelscope.models.Model is a stand-in. The rest only watches: get_loss,
CrossEntropyLoss, AdamW.step (by hooks), the learning rate's schedule and the data set's __getitem__ are called as ever, and what passes is noted.

A run is made once in float64, which is what is recorded, and twice in float32: as it comes, and with the processor's plainest instructions, whose sums
have another order. The largest distance of the two from float64 is the noise that tolerances are taken from. The gradient of each run's first step is
also checked here against the reference's own loss over all pairs in one process, in float64 (function check).
"""
import argparse, json, math, os, pickle, re, shutil, subprocess, sys, tempfile, types, zlib

os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
import cpu_shim  # noqa: F401 (patches torch, sets sys.path)
import numpy as np
import torch, torch.distributed as dist, torch.nn as nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.dirname(HERE)
OUT = os.path.normpath(os.path.join(GOLDEN, "../../../train/testdata/ddp"))
WE, KEEP = "bert.embeddings.word_embeddings.weight", 256
MODELS = {"vit": ("tiny-vit", "tiny-text-e2e", "e2e/init.pt"), "rn": ("tiny-rn", "tiny-text-rn", "rn/init.pt")}
TEACHER = 48  # width of the stand-in teacher's features

# name: (model, processes, batch, accum_freq, epochs, more of the command line)
RUNS = {
    "default_2": ("vit", 2, 4, 1, 4, []),
    "default_4": ("vit", 4, 2, 1, 4, []),
    "gather_2": ("vit", 2, 4, 1, 4, ["--gather-with-grad"]),
    "gather_4": ("vit", 4, 2, 1, 4, ["--gather-with-grad"]),
    "skip_2": ("vit", 2, 4, 1, 4, ["--skip-aggregate"]),
    "skip_4": ("vit", 4, 2, 1, 4, ["--skip-aggregate"]),
    "accum_2": ("vit", 2, 3, 2, 6, []),  # three batches an epoch: one step, and a batch that is left over
    "accum_gather_2": ("vit", 2, 3, 2, 6, ["--gather-with-grad"]),
    "accum_skip_2": ("vit", 2, 3, 2, 6, ["--skip-aggregate"]),
    "mask_2": ("vit", 2, 4, 1, 4, ["--mask-ratio", "0.5"]),
    "mask_accum_2": ("vit", 2, 3, 2, 6, ["--mask-ratio", "0.5"]),
    "freeze_2": ("vit", 2, 4, 1, 4, ["--freeze-vision"]),
    "teacher_2": ("vit", 2, 4, 1, 4, ["--distillation"]),
    "teacher_gather_2": ("vit", 2, 4, 1, 4, ["--distillation", "--gather-with-grad"]),
    "teacher_skip_2": ("vit", 2, 4, 1, 4, ["--distillation", "--skip-aggregate"]),
    "rn_default_2": ("rn", 2, 4, 1, 3, []),
    "rn_accum_2": ("rn", 2, 3, 2, 6, []),
}
HYPER = {"lr": 5e-4, "wd": 0.2, "warmup": 2, "beta1": 0.9}
ADAM = {"vit": {"beta2": 0.98, "eps": 1e-6}, "rn": {"beta2": 0.999, "eps": 1e-8}}  # the reference's defaults
PLAIN = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_CBWR": "COMPATIBLE", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"}


def rng(*key):
    return np.random.RandomState(zlib.crc32("/".join(map(str, key)).encode()) & 0x7FFFFFFF)


class Teacher(nn.Module):
    """A stand-in teacher: fixed features of the mean colours of a picture's quarters, so that equal pictures have equal ones."""

    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))  # DistributedDataParallel refuses a module without a parameter
        self.weight = torch.from_numpy(rng("teacher").standard_normal((12, TEACHER)))

    def get_feature(self, images):
        return (nn.functional.adaptive_avg_pool2d(images.double(), 2).flatten(1) @ self.weight).to(images.dtype)


def model_double(model):
    model.double()


def float64(on):
    """LayerNorm of the reference computes in float32 whatever it is given."""
    from cn_clip.clip.model import LayerNorm
    plain = LayerNorm.__dict__["forward"]
    if on:
        LayerNorm.forward = nn.LayerNorm.forward
    return plain


# ---------------------------------------------------------------- one process of a run
def worker(spec):
    from cn_clip.training import data as D, main as M, train as T
    rank, world, k, batch = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), spec["accum_freq"], spec["batch"]
    dist.init_process_group = lambda backend=None, **_: cpu_shim._init("gloo", store=dist.FileStore(spec["store"], world), rank=rank, world_size=world)
    if spec["float64"]:
        M.convert_models_to_fp32 = model_double
        float64(True)
    if "--distillation" in spec["argv"]:
        sys.modules["modelscope"], models = types.ModuleType("modelscope"), types.ModuleType("modelscope.models")
        models.Model = types.SimpleNamespace(from_pretrained=lambda name: Teacher())
        sys.modules["modelscope.models"] = models
    steps, seen, masks, losses, logits, made, notes = [], [], [], [], [], [], {"inputs": []}

    class DDP(cpu_shim.DDP):
        def __init__(self, module, **kw):
            super().__init__(module, **kw)
            made.append(module)
    torch.nn.parallel.DistributedDataParallel = DDP
    state = lambda: {n: v.detach().clone() for n, v in made[0].state_dict().items()}

    item = D.LMDBDataset.__getitem__

    def getitem(self, index):
        if self.split == "train":
            image, text, _ = pickle.loads(self.txn_pairs.get(str(index % self.number_samples).encode()).tobytes())
            seen.append([int(image), int(text)])
        out = item(self, index)
        if self.split == "train" and "--distillation" in spec["argv"]:
            notes.setdefault("teacher", {})[int(image)] = Teacher().get_feature(out[0][None])[0]
        return out
    D.LMDBDataset.__getitem__ = getitem

    rand = torch.rand

    def pinned(*shape, **kw):
        if len(shape) != 2 or shape[0] != batch:
            return rand(*shape, **kw)
        masks.append(torch.from_numpy(rng("mask", rank, len(steps), len(masks)).random_sample(shape).astype(np.float32)))
        return masks[-1]
    torch.rand = pinned

    entropy = nn.CrossEntropyLoss.forward

    def forward(self, x, truth):
        logits.append(x.detach())
        return entropy(self, x, truth)
    nn.CrossEntropyLoss.forward = forward

    def ties(x):  # rows whose right answer is as good as the best of the others
        own = x.diagonal()
        rest = x.masked_fill(torch.eye(len(x), dtype=torch.bool), -math.inf).max(1).values
        return int(((own - rest).abs() < 1e-4).sum())

    loss_of = T.get_loss

    def get_loss(model, images, texts, *x, **kw):
        if not steps:
            notes["inputs"].append((images, texts))
        logits.clear()
        loss, acc = loss_of(model, images, texts, *x, **kw)
        losses.append((loss.item(), acc["i2t"].item(), acc["t2i"].item(), ties(logits[0]), ties(logits[1])))
        return loss, acc
    T.get_loss = get_loss

    def before(optimizer, *_):
        grads = {n: p.grad.detach().clone() for n, p in made[0].named_parameters() if p.grad is not None}
        if not steps:
            notes["grad1"] = grads
        norm = math.sqrt(sum((g.double() ** 2).sum().item() for n, g in grads.items() if n != "logit_scale"))
        steps.append({"lr": float(optimizer.param_groups[0]["lr"]), "loss": losses[-1][0], "i2t": losses[-1][1], "t2i": losses[-1][2], "ties": losses[-1][3:],
                      "micro_losses": [x[0] for x in losses], "grad_norm": norm, "logit_scale_grad": grads["logit_scale"].item(),
                      "pairs": seen[-k * batch:], "noise": masks[-k:]})  # what a batch that was left over saw comes first in seen
        seen.clear(), masks.clear(), losses.clear()
    register_optimizer_step_pre_hook(before)

    def settle():  # after a step and its clamp
        if steps and "logit_scale" not in steps[-1]:
            steps[-1]["logit_scale"] = made[0].logit_scale.item()
            if len(steps) == 1:
                notes["after1"] = state()
    cosine = M.cosine_lr

    def cosine_lr(*x):
        adjust = cosine(*x)

        def scheduler(step):
            settle()
            return adjust(step)
        return scheduler
    M.cosine_lr = cosine_lr

    sys.argv = ["main.py"] + spec["argv"]
    M.main()
    settle()
    torch.save({"steps": steps, "last": state(), **notes}, spec["out"] + str(rank))


# ---------------------------------------------------------------- runs
def argv(name, work, logs):
    kind, world, batch, k, epochs, more = RUNS[name]
    vision, text, weights = MODELS[kind]
    out = ["--train-data", f"{work}/data/lmdb/train", "--val-data", f"{work}/data/lmdb/valid", "--num-workers", 0, "--valid-num-workers", 0, "--logs", logs, "--name", name,
           "--resume", f"{GOLDEN}/{weights}", "--reset-optimizer", "--reset-data-offset", "--save-epoch-frequency", 1000, "--log-interval", 1, "--report-training-batch-acc",
           "--batch-size", batch, "--valid-batch-size", 3 if world == 2 else 2, "--accum-freq", k, "--max-epochs", epochs, "--context-length", 52,
           "--precision", "fp32", "--vision-model", vision, "--text-model", text]
    for n, v in {**HYPER, **ADAM[kind]}.items():
        out += [f"--{n}", v]
    if "--distillation" in more:
        out += ["--teacher-model-name", "damo/multi-modal_clip-vit-large-patch14_zh", "--kd_loss_weight", 0.5]
    return [str(x) for x in out + more]


def launch(name, tag, work, double=False, env={}):
    """A run's records, one of each rank, and what each printed."""
    world = RUNS[name][1]
    base = f"{work}/{name}.{tag}."
    spec = {"argv": argv(name, work, base + "logs"), "store": base + "store", "out": base, "float64": double, "batch": RUNS[name][2], "accum_freq": RUNS[name][3]}
    ps = [subprocess.Popen([sys.executable, os.path.abspath(__file__), "--worker", json.dumps(spec)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           env={**os.environ, **env, "RANK": str(r), "LOCAL_RANK": str(r), "WORLD_SIZE": str(world), "OMP_NUM_THREADS": "1"}) for r in range(world)]
    said = [p.communicate()[0] for p in ps]
    for r, p in enumerate(ps):
        if p.returncode:
            raise SystemExit(f"{name} {tag}: rank {r} failed\n{said[r][-4000:]}")
    ranks = [torch.load(f"{base}{r}") for r in range(world)]
    for r in ranks[1:]:
        for n, p in ranks[0]["last"].items():
            assert "running" in n or "num_batches" in n or torch.equal(p, r["last"][n]), (name, n, "ranks differ")
    shutil.rmtree(base + "logs")
    return ranks, said


def log(said):
    """The lines of a rank without times and folders."""
    out = []
    for line in said.splitlines():
        if " | INFO | " in line and re.search("Train Epoch|Validation Result|Stopping|Start epoch", line):
            line = re.sub(r"(Data|Batch) Time: [0-9.]+s \| ", "", line.split(" | INFO | ", 1)[1])
            out.append(line)
    return out


def flat(name, tensor, rows):
    """At most KEEP values of a tensor, numbers i*n//KEEP of its n; of the word embedding only the rows that count."""
    flat = (tensor[rows] if name == WE else tensor).flatten()
    return flat if flat.numel() <= KEEP else flat[[i * flat.numel() // KEEP for i in range(KEEP)]]


def distance(name, a, b, rows):
    a, b = (x[rows].double() if name == WE else x.double() for x in (a, b))
    off = (a - b).abs()
    if name.endswith("in_proj_bias"):  # its middle third is the key bias, whose gradient is nothing but rounding
        off = off[torch.arange(len(off)) // (len(off) // 3) != 1]
    return off.max().item() if off.numel() else 0.0


# ---------------------------------------------------------------- the equations of the first step
def check(name, ranks):
    """The first gradient of a run against the reference's own loss in one process: relative differences of encoders and logit scale from

        default            (1/R)·∇L and k·∂L/∂s, L over all pairs        (R ranks, k micro-batches of each)
        gather_with_grad   ∇L and k·∂L/∂s
        skip_aggregate     the means over ranks of ∇L_r and of k·∂L_r/∂s, L_r over the pairs of rank r

    With gather_with_grad and a teacher, rank r > 0 compares pictures in the order of ranks with teacher's features in the order own first (cn_clip/training/train.py:59
    and :95), so L differs from rank to rank and the mean of ∇L_r is taken.
    """
    from cn_clip.clip.model import CLIP, LayerNorm
    from cn_clip.training import train as T
    kind, world, batch, k, _, more = RUNS[name]
    vision, text, weights = MODELS[kind]
    info = {}
    for n in (vision, text):
        info.update(json.load(open(f"{GOLDEN}/{n}.json")))
    if isinstance(info["vision_layers"], str):
        info["vision_layers"] = json.loads(info["vision_layers"])
    plain = float64(True)
    rand, turn = torch.rand, []
    torch.rand = lambda *shape, **kw: turn.pop(0) if len(shape) == 2 and turn else rand(*shape, **kw)
    try:
        model = CLIP(**info).double()
        model.load_state_dict({n[len("module."):]: v for n, v in torch.load(f"{GOLDEN}/{weights}")["state_dict"].items()})
        if "--freeze-vision" in more:
            model.visual.requires_grad_(False)
        model.train()
        ratio = float(more[1]) if "--mask-ratio" in more else 0
        a = types.SimpleNamespace(accum_freq=1, mask_ratio=0, aggregate=False, distillation="--distillation" in more, kd_loss_weight=0.5, local_device_rank=0, report_training_batch_acc=True)
        teacher = types.SimpleNamespace(module=Teacher())
        norm = lambda x: x / x.norm(dim=-1, keepdim=True)

        def encode(r, j, masked=True):
            im, tx = ranks[r]["inputs"][j]
            if ratio and masked:
                turn.append(ranks[r]["steps"][0]["noise"][j])
            return norm(model.encode_image(im, ratio if masked else 0)), norm(model.encode_text(tx))

        def add(features, images, share):
            i, t = (torch.cat(x) for x in zip(*features))
            loss, _ = T.get_loss(lambda *_: (i, t, model.logit_scale.exp()), torch.cat(images), None, nn.CrossEntropyLoss(), nn.CrossEntropyLoss(), a, teacher_model=teacher)
            (loss * share).backward()
            return loss.item()
        of = lambda r: [ranks[r]["inputs"][j][0] for j in range(k)]
        if "--skip-aggregate" in more:
            for r in range(world):
                add([encode(r, j) for j in range(k)], of(r), 1 / world)
        elif a.distillation and "--gather-with-grad" in more:
            for r in range(world):
                add([encode(i, 0) for i in range(world)], of(r) + sum((of(i) for i in range(world) if i != r), []), 1 / world)
        elif ratio and k > 1:  # in turn j every rank's batch j is masked, the others are the cached ones, without masks and without gradient
            for j in range(k):
                features = []
                for r in range(world):
                    for i in range(k):
                        with torch.set_grad_enabled(i == j):
                            features.append(encode(r, i, masked=i == j))
                add(features, sum((of(r) for r in range(world)), []), 1)
        else:
            add([encode(r, j) for r in range(world) for j in range(k)], sum((of(r) for r in range(world)), []), 1)
        default = "--skip-aggregate" not in more and "--gather-with-grad" not in more
        worst = 0.0
        for n, p in model.named_parameters():
            assert (p.grad is None) == (n not in ranks[0]["grad1"]), n
            if p.grad is None:
                continue
            if n == "logit_scale":
                want = p.grad * (1 if ratio else k)  # with masks the turns differ and their sum is taken above
                scale = ((ranks[0]["grad1"][n] - want).abs() / want.abs()).item()
            elif not n.endswith("key.bias"):
                want, got = p.grad / (world if default else 1), ranks[0]["grad1"][n]
                if p.grad.abs().max() > 1e-12:
                    worst = max(worst, ((got - want).abs().max() / want.abs().max()).item())
        return {"encoders": float("%.1e" % worst), "logit_scale": float("%.1e" % scale)}
    finally:
        LayerNorm.forward, torch.rand = plain, rand


def main(only):
    from cn_clip.clip import tokenize
    from cn_clip.eval.data import _preprocess_text
    from safetensors.torch import load_file, save_file
    work = tempfile.mkdtemp()
    for vision, text, _ in MODELS.values():
        for n in (vision, text):
            shutil.copy(f"{GOLDEN}/{n}.json", os.path.join(cpu_shim.REF, "cn_clip/clip/model_configs"))
    os.makedirs(f"{work}/data")
    for s in ("train", "valid"):
        for f in (f"{s}_imgs.tsv", f"{s}_texts.jsonl"):
            shutil.copy(f"{GOLDEN}/e2e/{f}", f"{work}/data")
    subprocess.run([sys.executable, os.path.join(HERE, "cpu_shim.py"), "cn_clip.preprocess.build_lmdb_dataset", "--data_dir", f"{work}/data", "--splits", "train,valid"],
                   check=True, capture_output=True)
    captions = [json.loads(line)["text"] for line in open(f"{GOLDEN}/e2e/train_texts.jsonl", encoding="utf-8")]
    rows = torch.unique(torch.cat([tokenize([_preprocess_text(c) for c in captions], context_length=52).reshape(-1), torch.tensor([0, 1, 500, 10000, 21127])]))

    os.makedirs(OUT, exist_ok=True)
    for name, (kind, world, batch, k, epochs, more) in RUNS.items():
        if only and name not in only:
            continue
        exact, _ = launch(name, "float64", work, double=True)
        single, said = launch(name, "float32", work)
        other, _ = launch(name, "plain", work, env=PLAIN)
        agreement = check(name, exact)
        tensors, noise = {"word_embedding_rows": rows}, {}
        for part in ("grad1", "after1", "last"):
            noise[part] = {}
            for n, x in exact[0][part].items():
                if not x.is_floating_point():
                    continue
                tensors[f"{part}/{n}"] = flat(n, x, rows).float().contiguous()
                noise[part][n] = float("%.2g" % max(distance(n, x, y[0][part][n], rows) for y in (single, other)))
        if kind == "rn":  # rank 1's own statistics, which the reference throws away
            tensors.update({f"rank1/{n}": x.float() for n, x in exact[1]["last"].items() if "running" in n})
        if exact[0]["steps"][0]["noise"]:
            tensors["noise"] = torch.stack([torch.stack([torch.stack(r["steps"][s]["noise"]) for r in exact]) for s in range(len(exact[0]["steps"]))])
        if "teacher" in exact[0]:  # of every picture, its id and the teacher's features
            teacher = {i: x for r in exact for i, x in r["teacher"].items()}
            tensors.update({"teacher/images": torch.tensor(sorted(teacher)), "teacher/features": torch.stack([teacher[i] for i in sorted(teacher)]).float()})
        steps = []
        for s, first in enumerate(exact[0]["steps"]):
            each = [r["steps"][s] for r in exact]
            steps.append({"lr": first["lr"], "logit_scale": first["logit_scale"], "logit_scale_grad": first["logit_scale_grad"], "grad_norm": first["grad_norm"],
                          **{key: [e[key] for e in each] for key in ("loss", "i2t", "t2i", "ties", "micro_losses", "pairs")},
                          "loss_mean": sum(e["loss"] for e in each) / world, "loss_float32": [r["steps"][s]["loss"] for r in single]})
        loss = max(abs(e["loss"] - r["loss"]) for f in (single, other) for x, y in zip(exact, f) for e, r in zip(x["steps"], y["steps"]))
        same = all((e["i2t"], e["t2i"]) == (r["i2t"], r["t2i"]) for f in (single, other) for x, y in zip(exact, f) for e, r in zip(x["steps"], y["steps"]))
        record = {"made_with": {"torch": torch.__version__, "numpy": np.__version__},
                  "args": {"model": kind, "world_size": world, "batch_size": batch, "accum_freq": k, "max_epochs": epochs, "seed": 123, **HYPER, **ADAM[kind], "more": more},
                  "steps": steps, "accuracies_sure": same, "loss_noise": loss, "noise": noise, "equations": agreement, "log": [log(x) for x in said]}
        save_file(tensors, f"{OUT}/{name}.safetensors")
        os.chmod(f"{OUT}/{name}.safetensors", 0o644)
        with open(f"{OUT}/{name}.json", "w", encoding="utf-8") as f:
            f.write(compact(record))
        print(name, "steps", len(steps), "noise of the loss %.1e" % loss, "accuracies sure", same, agreement, flush=True)
    shutil.rmtree(work)


def compact(record):
    """JSON with a line for each step, tensor's noise list and line of a log."""
    line = lambda x: json.dumps(x, ensure_ascii=False)
    parts = []
    for key, v in record.items():
        if key == "steps":
            v = "[\n  " + ",\n  ".join(map(line, v)) + "\n ]"
        elif key == "noise":
            v = "{\n  " + ",\n  ".join(f"{line(n)}: {line(x)}" for n, x in v.items()) + "\n }"
        elif key == "log":
            v = "[\n  " + ",\n  ".join("[\n   " + ",\n   ".join(map(line, x)) + "\n  ]" for x in v) + "\n ]"
        else:
            v = line(v)
        parts.append(f' {line(key)}: {v}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("--worker")
    p.add_argument("--only", default="")
    a = p.parse_args()
    if a.worker:
        worker(json.loads(a.worker))
    else:
        main([x for x in a.only.split(",") if x])
