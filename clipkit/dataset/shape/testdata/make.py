#!/usr/bin/env python3
"""Writes the set in tsv/ in every shape that dataset.Open knows, with the programs that people have them from.

    python -m venv v && v/bin/pip install datasets pyarrow webdataset pillow && v/bin/python make.py

tsv/ itself is of the embedded emoji set: the first pictures of each split, numbered from 1, with two captions each.
"""
import base64, csv, io, json, os, shutil, tarfile

import datasets, pyarrow, pyarrow.parquet, webdataset

here = os.path.dirname(os.path.abspath(__file__))
os.chdir(here)
splits = {}
for split in ("train", "valid", "test"):
    pictures = {}
    for line in open(f"tsv/{split}_imgs.tsv"):
        number, data = line.rstrip("\n").split("\t")
        pictures[int(number)] = base64.b64decode(data)
    captions = {number: [] for number in pictures}
    for line in open(f"tsv/{split}_texts.jsonl"):
        text = json.loads(line)
        captions[text["image_ids"][0]].append((text["text_id"], text["text"]))
    splits[split] = [(number, pictures[number], captions[number]) for number in pictures]
long = {"train": "train", "valid": "validation", "test": "test"}
coco = {"train": "train2017", "valid": "val2017", "test": "test2017"}
karpathy = {"train": "train", "valid": "val", "test": "test"}


def folder(*names):
    path = os.path.join(*names)
    os.makedirs(path, exist_ok=True)
    return path


for name in ("parquet", "parquet-split", "imagefolder", "webdataset", "img2dataset", "coco", "karpathy", "lists"):
    shutil.rmtree(name, ignore_errors=True)

# parquet: the datasets library, as push_to_hub shards it; the last test shard has an id column too.
for split, samples in splits.items():
    features = datasets.Features({"image": datasets.Image(), "caption": datasets.Sequence(datasets.Value("string"))})
    ds = datasets.Dataset.from_dict({
        "image": [{"bytes": data, "path": f"{number}.png"} for number, data, _ in samples],
        "caption": [[text for _, text in captions] for _, _, captions in samples]}, features=features)
    shards = 3 if split == "train" else 1
    for i in range(shards):
        ds.shard(shards, i, contiguous=True).to_parquet(f"{folder('parquet', 'data')}/{long[split]}-{i:05}-of-{shards:05}.parquet")

# parquet-split: pyarrow alone, all splits in one file and told by a column, several row groups, other codec and pages of version 2.
rows = [{"img_id": number, "jpg": data, "text": [text for _, text in captions], "split": karpathy[split]}
        for split, samples in splits.items() for number, data, captions in samples]
table = pyarrow.Table.from_pylist(rows, schema=pyarrow.schema([
    ("img_id", pyarrow.int64()), ("jpg", pyarrow.binary()), ("text", pyarrow.list_(pyarrow.string())), ("split", pyarrow.string())]))
pyarrow.parquet.write_table(table, folder("parquet-split") + "/all.parquet", compression="zstd", row_group_size=5, data_page_version="2.0", write_batch_size=2, data_page_size=1, use_dictionary=["split"])

# imagefolder: metadata.jsonl and, for one split, metadata.csv.
for split, samples in splits.items():
    path = folder("imagefolder", long[split])
    lines = []
    for number, data, captions in samples:
        open(f"{path}/{number:02}.png", "wb").write(data)
        lines += [{"file_name": f"{number:02}.png", "text": text} for _, text in captions]
    if split == "test":
        with open(f"{path}/metadata.csv", "w", newline="") as f:
            out = csv.DictWriter(f, ["file_name", "text"])
            out.writeheader()
            out.writerows(lines)
    else:
        with open(f"{path}/metadata.jsonl", "w") as f:
            f.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)

# webdataset: its own writer, a new shard every five samples.
for split, samples in splits.items():
    with webdataset.ShardWriter(f"{folder('webdataset')}/{split}-%06d.tar", maxcount=5, mtime=0, verbose=0) as out:
        for number, data, captions in samples:
            out.write({"__key__": f"{number:09}", "png": data, "json": {"caption": [text for _, text in captions]}})

# img2dataset: a folder for each split, a table and statistics beside each shard; Python's tarfile in the PAX format, members not in order.
for split, samples in splits.items():
    path = folder("img2dataset", split)
    for shard in range(0, len(samples), 4):
        members = []
        for number, data, captions in samples[shard:shard + 4]:
            meta = {"caption": [text for _, text in captions], "url": f"https://example.com/{number}.png", "key": f"{number:09}", "status": "success", "width": 72, "height": 72}
            members.append((f"{number:09}.png", data))
            members.insert(0, (f"{number:09}.json", json.dumps(meta).encode()))
        pngs = sorted(m for m in members if m[0].endswith("png"))
        jsons = sorted((m for m in members if m[0].endswith("json")), reverse=True)
        with tarfile.open(f"{path}/{shard // 4:05}.tar", "w", format=tarfile.PAX_FORMAT) as tar:
            for name, data in pngs + jsons:
                info = tarfile.TarInfo("./" + name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        keys = pyarrow.table({"key": [f"{number:09}" for number, _, _ in samples[shard:shard + 4]], "caption": ["" for _ in samples[shard:shard + 4]]})
        pyarrow.parquet.write_table(keys, f"{path}/{shard // 4:05}.parquet")
        json.dump({"count": 4, "successes": 4}, open(f"{path}/{shard // 4:05}_stats.json", "w"))

# coco: a file of annotations for each split, the pictures in folders of their own.
for split, samples in splits.items():
    path = folder("coco", coco[split])
    images, annotations = [], []
    for number, data, captions in samples:
        open(f"{path}/{number:012}.png", "wb").write(data)
        images.append({"license": 1, "file_name": f"{number:012}.png", "height": 72, "width": 72, "id": number})
        annotations += [{"image_id": number, "id": i, "caption": text} for i, text in captions]
    json.dump({"info": {"year": 2017, "more": {"deep": [1, 2]}}, "licenses": [{"id": 1, "name": "x"}], "images": images, "annotations": annotations},
              open(f"{folder('coco', 'annotations')}/captions_{coco[split]}.json", "w"))

# karpathy: one file for all splits, part of train in restval.
images = []
for split, samples in splits.items():
    for number, data, captions in samples:
        name = f"{split}_{number:06}.png"
        open(f"{folder('karpathy', 'flickr30k-images')}/{name}", "wb").write(data)
        images.append({"sentids": [i for i, _ in captions], "imgid": number, "filename": name, "split": "restval" if split == "train" and number > 6 else karpathy[split],
                       "sentences": [{"tokens": list(text), "raw": text, "imgid": number, "sentid": i} for i, text in captions]})
json.dump({"images": images, "dataset": "flickr30k"}, open("karpathy/dataset_flickr30k.json", "w"))

# lists: those that BLIP and others made of Karpathy's, one caption an element in train, all of a picture's else.
for split, samples in splits.items():
    path = folder("lists", "images", split)
    elements = []
    for number, data, captions in samples:
        open(f"{path}/{number:03}.png", "wb").write(data)
        name = f"{split}/{number:03}.png"
        if split == "train":
            elements += [{"image": name, "image_id": f"coco_{number}", "caption": text} for _, text in captions]
        else:
            elements.append({"image": name, "caption": [text for _, text in captions]})
    json.dump(elements, open(f"lists/coco_karpathy_{karpathy[split]}.json", "w"), ensure_ascii=False)
