"""The PyTorch side of measurements: does one piece of work with the reference's code (cn_clip) for every line on standard input, and prints the
seconds, the CPU seconds and the peak memory in MiB.

    python pytorch.py image|text BATCH f32|bf16            encode a batch, unit vectors back on the host
    python pytorch.py step BATCH f32|bf16 TOKENS           loss, gradients, AdamW, clamp; every text has TOKENS tokens and padding up to the context
    --compile       through torch.compile
    --profile FILE  no lines are read: a page of text goes to FILE, the operators and kernels that took the most time

It runs on the device that CLIPKIT_DEVICE names: on a GPU the peak is its memory's, and a batch comes from pinned memory, as in the reference's
training. CLIPKIT_TF32=1 lets its float32 products be TF32, else neither products nor convolutions are; its first line says so.
CLIPKIT_TORCH_CONFIGS names configuration files of another model than ViT-B-16 with RoBERTa-base, with commas between them.
"""
import argparse, json, os, resource, sys, time

import torch
import torch.nn.functional as F
import cn_clip.clip.model as reference

arguments = argparse.ArgumentParser()
arguments.add_argument("kind", choices=["image", "text", "step"])
arguments.add_argument("batch", type=int)
arguments.add_argument("precision", choices=["f32", "bf16"])
arguments.add_argument("tokens", type=int, nargs="?")
arguments.add_argument("--compile", action="store_true")
arguments.add_argument("--profile")
a = arguments.parse_args()

device = torch.device(os.environ.get("CLIPKIT_DEVICE", "cpu").split(":")[0])
cuda = device.type == "cuda"
tf32 = os.environ.get("CLIPKIT_TF32") == "1"
torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
configs = os.path.join(os.path.dirname(reference.__file__), "model_configs")
files = [os.path.join(configs, tower + ".json") for tower in ("ViT-B-16", "RoBERTa-wwm-ext-base-chinese")]
if os.environ.get("CLIPKIT_TORCH_CONFIGS"):
    files = os.environ["CLIPKIT_TORCH_CONFIGS"].split(",")
info = {}
for name in files:
    with open(name) as f:
        info.update(json.load(f))
side, vocabulary = info["image_resolution"], info["vocab_size"]
context = min(52, info["text_max_position_embeddings"])
torch.manual_seed(0)
model = reference.CLIP(**info).to(device)
first = min(670, vocabulary // 2)
on_host = [torch.randn(a.batch, 3, side, side), torch.randint(first, min(8000, vocabulary), (a.batch, context)), torch.arange(a.batch)]
if a.tokens:
    on_host[1][:, a.tokens:] = 0
if cuda:
    on_host = [x.pin_memory() for x in on_host]


def to_device(x):
    return x.to(device, non_blocking=True)


def half():
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=a.precision == "bf16")


if a.kind == "step":
    model.train()
    names = ("bn", "ln", "bias", "logit_scale")
    plain = [p for n, p in model.named_parameters() if any(x in n for x in names)]
    decay = [p for n, p in model.named_parameters() if not any(x in n for x in names)]
    groups = [{"params": plain, "weight_decay": 0.0}, {"params": decay, "weight_decay": 0.001}]
    optimizer = torch.optim.AdamW(groups, lr=5e-5, betas=(0.9, 0.98), eps=1e-6)
    forward = torch.compile(model, dynamic=False) if a.compile else model

    def work():
        images, texts, truth = (to_device(x) for x in on_host)
        optimizer.zero_grad()
        with half():
            i, t, scale = forward(images, texts)
            logits = scale * i @ t.t()
            loss = (F.cross_entropy(logits, truth) + F.cross_entropy(logits.t(), truth)) / 2
        loss.backward()
        optimizer.step()
        model.logit_scale.data = torch.clamp(model.logit_scale.data, 0, 4.6052)
        loss.item()
        if cuda:
            torch.cuda.synchronize()
else:
    model.eval()
    encode = model.encode_image if a.kind == "image" else model.encode_text
    encode = torch.compile(encode, dynamic=False) if a.compile else encode

    def work():
        with torch.no_grad(), half():
            y = encode(to_device(on_host[0 if a.kind == "image" else 1]))
            (y / y.norm(dim=-1, keepdim=True)).cpu()


def profile(file):
    from torch.profiler import profile, ProfilerActivity
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if cuda else [])
    for _ in range(3):
        work()
    with profile(activities=activities) as seen:
        for _ in range(3):
            work()
    key = "self_device_time_total" if cuda else "self_cpu_time_total"
    with open(file, "w") as f:
        f.write(f"PyTorch {torch.__version__}, {a.kind}, batch {a.batch}, {a.precision}, three times; TF32 {'on' if tf32 else 'off'}\n")
        rows = sorted(seen.key_averages(), key=lambda r: -getattr(r, key))
        total = sum(getattr(r, key) for r in rows) or 1
        for r in rows[:30]:
            f.write(f"{100 * getattr(r, key) / total:5.1f} %  {getattr(r, key) / 3000:9.3f} ms  {r.count // 3:6d} x  {r.key[:100]}\n")


work()
if a.profile:
    profile(a.profile)
    sys.exit()
print("ready", torch.__version__, torch.get_num_threads(), "TF32", "on" if tf32 else "off", flush=True)
for _ in sys.stdin:
    start, cpu = time.perf_counter(), time.process_time()
    work()
    peak = torch.cuda.max_memory_allocated() // 2**20 if cuda else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(time.perf_counter() - start, time.process_time() - cpu, peak, flush=True)
