"""Golden values from timm itself: timm.json. The reference's training transform is built as its loader does, and runs with random numbers that
are written down, so that the Go code can be given the same ones. Needs Pillow 13, torchvision, timm and numpy.

python make_timm.py      (in this folder, after make_augment.py)
"""
import hashlib
import json
import random

import torch
from PIL import Image
from timm.data import auto_augment, create_transform, transforms
from timm.data.auto_augment import AugmentOp

from make_augment import photo

SIZE = 48
draws = []


class Recorder:
    """Python's random, which writes down the uniform numbers and whole numbers behind each call."""

    def __init__(self, seed):
        self.rng = random.Random(seed)

    def random(self):
        draws.append(self.rng.random())
        return draws[-1]

    def uniform(self, a, b):
        return a + (b - a) * self.random()

    def randint(self, a, b):
        draws.append(self.rng.randint(a, b))
        return draws[-1]

    def choice(self, seq):
        return seq[self.randint(0, len(seq) - 1)]


recorder = Recorder(1)
auto_augment.random = transforms.random = recorder
torch.rand = lambda *_: torch.tensor([recorder.random()], dtype=torch.float64)  # RandomHorizontalFlip's

steps = create_transform(
    input_size=SIZE, scale=(0.9, 1.0), is_training=True, color_jitter=None, auto_augment="original", interpolation="bicubic",
    mean=(0.48145466, 0.4578275, 0.40821073), std=(0.26862954, 0.26130258, 0.27577711),
).transforms
policy = steps[-3].policy
sha = lambda im: hashlib.sha256(im.tobytes()).hexdigest()
out = {"policy": [[[op.name, op.prob, op.magnitude] for op in pair] for pair in policy], "ops": [], "runs": []}

# Every op at every level: the pixels for the one or two signs it may choose.
im = photo(40, 30)
for name in sorted({op.name for pair in policy for op in pair}):
    for level in range(11):
        op = AugmentOp(name, prob=1.0, magnitude=level, hparams=policy[0][0].hparams)
        out["ops"].append({"name": name, "level": level, "sha256": sorted({sha(op(im)) for _ in range(20)})})

for name in "rgb_down_301x227.png", "rgb_up_37x53.png", "rgb_tall_8x400.png", "p_120x88.png", "rgba_150x90.png", "la_61x40.png", "l_101x23.png", "jpeg_420_333x250.jpg":
    for _ in range(25):
        im = Image.open(name)
        draws.clear()
        for step in steps[:-3]:
            im = step(im)
        im = steps[-3](im.convert("RGB"))
        out["runs"].append({"picture": name, "draws": draws[:], "sha256": sha(im)})
with open("timm.json", "w") as f:
    f.write("{\n")
    f.write(",\n".join(f'"{k}": [\n' + ",\n".join(json.dumps(row) for row in rows) + "\n]" for k, rows in out.items()))
    f.write("\n}\n")
