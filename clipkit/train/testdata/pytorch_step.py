"""The PyTorch side of BenchmarkFullStep: one full training step (loss, gradients, AdamW, clamp) with the reference's code for every line on
standard input; prints the seconds, the CPU seconds and the peak memory in MiB.

python pytorch_step.py BATCH f32|bf16 TOKENS      needs torch and cn-clip; every text has TOKENS tokens and padding up to 52
On a GPU where CLIPKIT_DEVICE names one, and the peak is then its memory's; the batch comes from pinned memory, as in the reference's training.
"""
import json, os, resource, sys, time

import torch
import torch.nn.functional as F
import cn_clip.clip.model as reference

device = torch.device(os.environ.get("CLIPKIT_DEVICE", "cpu").split(":")[0])
cuda = device.type == "cuda"
batch, precision, tokens = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
configs = os.path.join(os.path.dirname(reference.__file__), "model_configs")
info = {}
for tower in ("ViT-B-16", "RoBERTa-wwm-ext-base-chinese"):
    with open(os.path.join(configs, tower + ".json")) as f:
        info.update(json.load(f))
torch.manual_seed(0)
model = reference.CLIP(**info).train().to(device)
plain = [p for n, p in model.named_parameters() if "bn" in n or "ln" in n or "bias" in n or "logit_scale" in n]
decay = [p for n, p in model.named_parameters() if not ("bn" in n or "ln" in n or "bias" in n or "logit_scale" in n)]
optimizer = torch.optim.AdamW([{"params": plain, "weight_decay": 0.0}, {"params": decay, "weight_decay": 0.001}], lr=5e-5, betas=(0.9, 0.98), eps=1e-6)
on_host = [torch.randn(batch, 3, 224, 224), torch.randint(670, 8000, (batch, 52)), torch.arange(batch)]
on_host[1][:, tokens:] = 0
if cuda:
    on_host = [x.pin_memory() for x in on_host]


def step():
    images, texts, truth = (x.to(device, non_blocking=True) for x in on_host)
    optimizer.zero_grad()
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
        i, t, scale = model(images, texts)
        logits = scale * i @ t.t()
        loss = (F.cross_entropy(logits, truth) + F.cross_entropy(logits.t(), truth)) / 2
    loss.backward()
    optimizer.step()
    model.logit_scale.data = torch.clamp(model.logit_scale.data, 0, 4.6052)
    loss.item()
    if cuda:
        torch.cuda.synchronize()


step()
print("ready", torch.__version__, torch.get_num_threads(), flush=True)
for _ in sys.stdin:
    start, cpu = time.perf_counter(), time.process_time()
    step()
    peak = torch.cuda.max_memory_allocated() // 2**20 if cuda else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(time.perf_counter() - start, time.process_time() - cpu, peak, flush=True)
