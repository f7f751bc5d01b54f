"""What the reference makes of a checkpoint that clipkit wrote: features of one picture and one text, as JSON on standard output.

python reference_features.py CHECKPOINT.pt VISION TEXT RESOLUTION PIXELS.bin SENTENCE      needs torch and cn-clip

PIXELS.bin holds [3,R,R] float32; the features are not normalised.
"""
import contextlib, json, sys

import numpy
import torch
from cn_clip import clip

checkpoint, vision, text, resolution, pixels, sentence = sys.argv[1:]
state = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)  # nothing but tensors and numbers is in it
with contextlib.redirect_stdout(sys.stderr):
    model, _ = clip.load_from_name(checkpoint, device="cpu", vision_model_name=vision, text_model_name=text, input_resolution=int(resolution))
model.eval()
r = int(resolution)
x, ids = torch.from_numpy(numpy.fromfile(pixels, dtype="float32").reshape(1, 3, r, r)), clip.tokenize([sentence])


def features():
    with torch.no_grad():
        return {"image": model.encode_image(x)[0].tolist(), "text": model.encode_text(ids)[0].tolist()}


result = {"parameters": sum(p.numel() for p in model.parameters()), "f16": features()}  # load_from_name has rounded the weights
model.load_state_dict({k.removeprefix("module."): v for k, v in state["state_dict"].items()})  # unrounded
result["f32"] = features()
print(json.dumps(result))
