"""python check.py OURS: reads a .pt written by clipkit in the three ways of torch.load, gives its optimizer state to a real AdamW, takes a step,
and writes OURS.back.pt, which clipkit reads again. OURS holds what checkpoint.pt beside this file holds."""
import os
import sys
import torch

ours = sys.argv[1]
a = torch.load(os.path.join(os.path.dirname(os.path.abspath(__file__)), "checkpoint.pt"), weights_only=False)


def same(x, y):
    return x.dtype == y.dtype and x.shape == y.shape and torch.equal(x, y)


for how in [dict(weights_only=True), dict(weights_only=True, mmap=True), dict(weights_only=False)]:
    b = torch.load(ours, **how)
    assert list(a) == list(b) and all(a[k] == b[k] for k in ("epoch", "step", "name")), how
    assert list(a["state_dict"]) == list(b["state_dict"]) and all(same(v, b["state_dict"][k]) for k, v in a["state_dict"].items()), how
    assert a["optimizer"]["param_groups"] == b["optimizer"]["param_groups"], how
    assert list(a["optimizer"]["state"]) == list(b["optimizer"]["state"]), how
    for i, s in a["optimizer"]["state"].items():
        assert list(s) == list(b["optimizer"]["state"][i]) and all(same(s[n], b["optimizer"]["state"][i][n]) for n in s), (how, i)


def train(ck):
    """One more step of AdamW from a checkpoint, with the gradient 1."""
    ps, i = [], 0
    names = [n for n in ck["state_dict"] if "running" not in n and "num_batches" not in n]
    shapes = {k: s["exp_avg"].shape for k, s in ck["optimizer"]["state"].items()}
    for g in ck["optimizer"]["param_groups"]:
        group = []
        for k in g["params"]:
            p = torch.nn.Parameter(torch.ones(shapes.get(k, (2,))), requires_grad=k in shapes)
            p.grad = torch.ones_like(p) if k in shapes else None
            group.append(p)
        ps.append({"params": group})
    assert sum(len(g["params"]) for g in ps) == len(names)
    opt = torch.optim.AdamW(ps)
    opt.load_state_dict(ck["optimizer"])
    opt.step()
    return [p.detach() for g in ps for p in g["params"]], opt.state_dict()


(p, s), (q, r) = train(a), train(torch.load(ours, weights_only=True))
assert all(map(same, p, q)) and all(same(v, r["state"][i][n]) for i, t in s["state"].items() for n, v in t.items())
torch.save(b, ours + ".back.pt")
print("equal", torch.__version__)
