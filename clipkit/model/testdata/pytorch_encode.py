"""The PyTorch side of BenchmarkEncode: encodes one batch with the reference's code for every line on standard input, and prints
the seconds, then the CPU seconds.

python pytorch_encode.py image|text BATCH f32|bf16      needs torch and cn-clip; on a GPU where CLIPKIT_DEVICE names one
"""
import json, os, sys, time

import torch
import cn_clip.clip.model as reference

device = torch.device(os.environ.get("CLIPKIT_DEVICE", "cpu").split(":")[0])
kind, batch, precision = sys.argv[1], int(sys.argv[2]), sys.argv[3]
configs = os.path.join(os.path.dirname(reference.__file__), "model_configs")
info = {}
for tower in ("ViT-B-16", "RoBERTa-wwm-ext-base-chinese"):
    with open(os.path.join(configs, tower + ".json")) as f:
        info.update(json.load(f))
torch.manual_seed(0)
model = reference.CLIP(**info).eval().to(device)
images = torch.randn(batch, 3, 224, 224)
texts = torch.randint(670, 8000, (batch, 52))
print("ready", torch.__version__, torch.get_num_threads(), flush=True)
for _ in sys.stdin:
    start, cpu = time.perf_counter(), time.process_time()
    with torch.no_grad(), torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
        y = model.encode_image(images.to(device)) if kind == "image" else model.encode_text(texts.to(device))
        y = (y / y.norm(dim=-1, keepdim=True)).cpu()
    print(time.perf_counter() - start, time.process_time() - cpu, flush=True)
