"""The other side of BenchmarkAgainstPillow: python pillow_speed.py PHOTO.jpg. Prints what it runs; then for each number n read, the seconds that n
pictures take from bytes to a normalised tensor."""
import io
import sys
import time

from PIL import Image, __version__

data = open(sys.argv[1], "rb").read()
try:
    import torch
    from cn_clip.clip.utils import image_transform

    torch.set_num_threads(1)
    transform = image_transform(224)
    print(f"Pillow {__version__} with cn_clip's image_transform", flush=True)
except ImportError:
    import numpy as np

    mean = np.array((0.48145466, 0.4578275, 0.40821073), np.float32)
    std = np.array((0.26862954, 0.26130258, 0.27577711), np.float32)

    def transform(im):
        a = np.asarray(im.resize((224, 224), Image.Resampling.BICUBIC).convert("RGB"), np.float32)
        return ((a / 255 - mean) / std).transpose(2, 0, 1).copy()

    print(f"Pillow {__version__} with numpy", flush=True)
for line in sys.stdin:
    n, start = int(line), time.perf_counter()
    for _ in range(n):
        transform(Image.open(io.BytesIO(data)))
    print(time.perf_counter() - start, flush=True)
