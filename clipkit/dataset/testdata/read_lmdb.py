"""Reads <dir>/train with the reference's dataset class, and the last pair of <dir>/numbers, which is larger than lmdb's default map."""
import json, logging, pickle, sys

try:
    from cn_clip.training.data import LMDBDataset
except ImportError as e:
    sys.exit(f"cannot import: {e}")

lines = []
handler = logging.Handler()
handler.emit = lambda record: lines.append(record.getMessage())
logging.getLogger().addHandler(handler)
logging.getLogger().setLevel(logging.INFO)

d = LMDBDataset(sys.argv[1] + "/train", split="train", max_txt_length=52)
shapes = {tuple(d[i][0].shape) for i in range(len(d))}
assert len(shapes) == 1, shapes
pairs = [pickle.loads(d.txn_pairs.get(str(i).encode()).tobytes()) for i in range(len(d))]

n = LMDBDataset(sys.argv[1] + "/numbers", split="train", max_txt_length=52)
image_id, text_id, text = pickle.loads(n.txn_pairs.get(str(len(n) - 1).encode()).tobytes())
assert n.txn_imgs.get(str(image_id).encode()) is not None
print(json.dumps({"log": lines[0], "pairs": pairs, "shape": list(shapes.pop()), "long": [image_id, text_id, len(text), n.number_images]}))
