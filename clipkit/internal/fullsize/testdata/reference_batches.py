"""The reference's features, not normalised, of random pictures and texts in batches, of weights that clipkit wrote.

python reference_batches.py CONFIG.json CHECKPOINT.pt FOLDER BATCH…      needs torch and cn-clip

For each batch FOLDER gets image-N.in, text-N.in (raw float32 and int64) and image-N.want, text-N.want (raw float32).
"""
import json, sys
from pathlib import Path

import torch
from cn_clip.clip.model import CLIP

config, checkpoint, folder, *batches = sys.argv[1:]
info = json.loads(Path(config).read_text())
info.pop("name", None)
context = info.pop("context_length", 52)
with torch.device("meta"):  # a large model's own random weights would take minutes
    model = CLIP(**info)
state = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)["state_dict"]
missing = model.load_state_dict({k.removeprefix("module."): v for k, v in state.items()}, strict=False, assign=True)
assert not missing.unexpected_keys, missing.unexpected_keys
for name, buffer in model.named_buffers():
    assert not buffer.is_meta or name.endswith("num_batches_tracked"), name
model.eval()
r, folder = info["image_resolution"], Path(folder)
random = torch.Generator().manual_seed(11)
for n in map(int, batches):
    pixels = torch.randn(n, 3, r, r, generator=random).clamp(-1.8, 2.1)
    ids = torch.randint(670, min(8000, info["vocab_size"]), (n, context), generator=random)
    ids[:, 0] = 101
    for i in range(n):  # texts of different lengths, padded as the tokenizer does
        end = 3 + (7 * i + 5) % (context - 3)
        ids[i, end], ids[i, end + 1:] = 102, 0
    with torch.no_grad():
        features = {"image": (pixels, model.encode_image(pixels)), "text": (ids, model.encode_text(ids))}
    for kind, (given, wanted) in features.items():
        (folder / f"{kind}-{n}.in").write_bytes(given.numpy().tobytes())
        (folder / f"{kind}-{n}.want").write_bytes(wanted.float().numpy().tobytes())
