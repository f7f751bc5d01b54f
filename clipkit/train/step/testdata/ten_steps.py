#!/usr/bin/env python3
"""Ten optimizer steps of the tiny models by the reference: what ten_steps_test.go compares with.

    CN_CLIP=DIR python ten_steps.py FIXTURES      # writes ten_steps/ beside this file

FIXTURES is a folder with make_fixtures.py, cpu_shim.py (clipkit/internal/golden/testdata/make) and what they made: weights, batches and five steps. The same code runs here for ten
steps. Its five batches of four pairs come round again: steps 6 to 10 of a plain run see those of steps 1 to 5, and a run that accumulates two
takes the twenty micro-batches 0 1, 2 3, 4 0, 1 2, … python needs torch, cn-clip, safetensors, timm and lmdb; without CN_CLIP, a checkout of the
reference, its installed package is taken. What is here was made with torch 2.15.0 and cn-clip 1.6.0, the fixtures with the same torch and
the reference's commit 31863c7.

  train           learning rate 5e-4 after two steps of warm-up, then a cosine to 0 at step 10; weight decay 0.001
  train_wd0.2     the same with weight decay 0.2
  accum2          two micro-batches a step
  freeze_vision   the vision tower and its BatchNorm stand still (rn)

Each run is made twice, in float64 and in float32. float64 is what is recorded: it is the same on every machine. The largest difference between
the two, for the loss and for each tensor, is the noise that tolerances are taken from. Before anything is written the first steps are compared
with the fixtures: in float64 they must agree to 1e-12 (the fixtures record loss and float32 - float64), in float32 to the noise.

ten_steps/steps.json            per kind and run: args, steps, noise of the loss and of each tensor, and how far the fixtures are
ten_steps/{vit,rn}.safetensors  RUN/TENSOR: the state after ten steps, at most 256 values a tensor, numbers i*n//256 of its n.
                                Of the word embedding only the rows in word_embedding_rows count, as in the fixtures.
"""
import json, os, sys

HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURES, sys.argv = os.path.abspath(sys.argv[1]), ["make_fixtures.py", "--out", os.path.join(HERE, "ten_steps")]
sys.path.insert(0, FIXTURES)
import make_fixtures as M
import torch
from importlib.metadata import version
from safetensors.torch import load_file, save_file

STEPS, KEEP = 10, 256
RUNS = {"train": {}, "train_wd0.2": {"wd": 0.2}, "accum2": {"accum_freq": 2}, "freeze_vision": {"freeze_vision": True, "vision_model": "RN50"}}


def run(kind, images, texts, dtype, **args):
    """The records of ten steps and the state after them."""
    model = M.build(kind)
    if args.get("freeze_vision"):  # as training/main.py
        for p in model.visual.parameters():
            p.requires_grad = False
    layer_norm = M.LayerNorm.forward
    if dtype == torch.float64:  # the reference's computes in float32 whatever it is given
        M.LayerNorm.forward = M.nn.LayerNorm.forward
    try:
        steps, states, _, _, _ = M.run_train(model, kind, images, texts, grads_at=(), snaps=(STEPS,), dtype=dtype, **args)
    finally:
        M.LayerNorm.forward = layer_norm
    return steps, states[STEPS]


def some(tensor):
    flat = tensor.flatten()
    if flat.numel() <= KEEP:
        return flat
    return flat[[i * flat.numel() // KEEP for i in range(KEEP)]]


def agreement(kind, name, exact, single, noise):
    """The largest differences of the first steps from the fixtures'."""
    with open(os.path.join(FIXTURES, kind, name + ".json")) as f:
        want = json.load(f)["steps"]
    off = {"steps": len(want), "loss_float32": max(abs(a["loss"] - b["loss"]) for a, b in zip(single, want))}
    assert off["loss_float32"] <= 10 * noise, (kind, name, off)
    with open(os.path.join(FIXTURES, kind, "float32_vs_float64.json")) as f:
        known = json.load(f).get(name)
    if known:
        off["loss_float64"] = max(abs(a["loss"] - (b["loss"] - d)) for a, b, d in zip(exact, want, known["loss_f32_minus_f64"]))
        assert off["loss_float64"] < 1e-12, (kind, name, off)
    return off


def main():
    M.dist.init_process_group()
    record = {"made_with": {p: version(p) for p in ("torch", "cn-clip", "numpy")}}
    for kind in ("vit", "rn"):
        batches, tensors = load_file(os.path.join(FIXTURES, kind, "train_batches.safetensors")), {}
        record[kind] = {}
        for name, args in RUNS.items():
            if name == "freeze_vision" and kind == "vit":
                continue
            times = 2 * args.get("accum_freq", 1)
            images, texts = batches["images"].repeat(times, 1, 1, 1, 1), batches["texts"].repeat(times, 1, 1)
            exact, state = run(kind, images, texts, torch.float64, **args)
            single, state32 = run(kind, images, texts, torch.float32, **args)
            assert [(s["i2t"], s["t2i"]) for s in exact] == [(s["i2t"], s["t2i"]) for s in single], (kind, name, "a tie decides an accuracy")
            rows = M.used_rows(batches["texts"])
            noise = {}
            for n in state:
                a, b = (s[n][rows] if n == M.WE else s[n] for s in (state, state32))
                off = (a.double() - b.double()).abs()
                if n.endswith("in_proj_bias"):  # its middle third is the key bias, whose gradient is nothing but rounding
                    off = off[torch.arange(len(off)) // (len(off) // 3) != 1]
                noise[n] = float("%.2g" % off.max())
                tensors[f"{name}/{n}"] = some(a).float().contiguous()
            loss = max(abs(a["loss"] - b["loss"]) for a, b in zip(exact, single))
            assert all(10 * loss < 1e-3 * s["loss"] for s in exact), (kind, name, "float32 is too far from float64 for a tolerance of 1e-3")
            a = M.make_args(kind, **args)
            record[kind][name] = {
                "args": {k: getattr(a, k) for k in ("lr", "wd", "beta1", "beta2", "eps", "warmup", "max_steps", "accum_freq", "freeze_vision")},
                "steps": [{k: s[k] for k in ("lr", "loss", "i2t", "t2i", "logit_scale_after_clamp")} for s in exact],
                "loss_noise": loss, "noise": noise, "fixtures": agreement(kind, name, exact, single, loss)}
            print(kind, name, "noise of the loss %.1e" % loss, record[kind][name]["fixtures"])
        tensors["word_embedding_rows"] = rows
        os.makedirs(M.OUT, exist_ok=True)
        save_file(tensors, M.path(f"{kind}.safetensors"))
        os.chmod(M.path(f"{kind}.safetensors"), 0o644)
    M.dump(record, "steps.json")


if __name__ == "__main__":
    main()
