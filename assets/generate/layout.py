"""Chinese-CLIP's raw layout (its README_En.md:262-300): SPLIT_imgs.tsv with base64 pictures, SPLIT_texts.jsonl with captions.

Ids say what they stand for: a picture is style * 10000 + concept index, a text is concept index * 10 + caption number.
"""

import base64
import io
import json
import os
import zipfile

from PIL import Image

from pictures import STYLES


def plain_png(picture):
    """A PNG that is quickly read and not small."""
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=1)
    return out.getvalue()


def png(picture):
    """A PNG of at most 256 colours: every decoder gives the same pixels, unlike JPEG.

    Pictures with more colours lose a little (OpenMoji: mean squared error 0.3 of 255², JPEG at quality 85: 52)
    and get a third smaller than without loss, which keeps the archive under its limit.
    """
    colours = min(256, len(picture.getcolors(picture.width * picture.height)))
    out = io.BytesIO()
    picture.quantize(colours, method=Image.Quantize.MEDIANCUT, kmeans=3, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


def files(split, concepts, drawn):
    """Returns {file name: bytes} of one split of {style: {code: picture}}: one text for all styles of a concept."""
    rows, texts = [], []
    for concept in concepts:
        ids = []
        for style, pictures in drawn.items():
            if concept.code in pictures:
                ids.append(STYLES[style] * 10000 + concept.index)
                rows.append(f"{ids[-1]}\t{base64.b64encode(png(pictures[concept.code])).decode()}\n")
        for number, caption in enumerate(concept.captions()):
            row = {"text_id": concept.index * 10 + number, "text": caption, "image_ids": ids}
            texts.append(json.dumps(row, ensure_ascii=False) + "\n")
    return {f"{split}_imgs.tsv": "".join(rows).encode(), f"{split}_texts.jsonl": "".join(texts).encode()}


def studied_pictures(concepts, drawn):
    """Returns the pictures' file of a train split for pretraining, and {code: [picture id, …]}, of {code: concept} and {style: {code: picture}}."""
    rows, ids = [], {}
    for style, pictures in drawn.items():
        for code, picture in pictures.items():
            number = STYLES[style] * 10000 + concepts[code].index
            rows.append(f"{number}\t{base64.b64encode(plain_png(picture)).decode()}\n")
            ids.setdefault(code, []).append(number)
    return "".join(rows).encode(), ids


def studied_texts(shared, ids):
    """Returns the captions' file of a train split for pretraining, of {caption: [concept, …]} and {code: [picture id, …]}."""
    texts = []
    for number, (caption, found) in enumerate(shared.items()):
        row = {"text_id": number, "text": caption, "image_ids": [one for concept in found for one in ids.get(concept.code, [])]}
        texts.append(json.dumps(row, ensure_ascii=False) + "\n")
    return "".join(texts).encode()


def write_zip(path, contents, comment):
    """The same contents give the same bytes: sorted names, one fixed time, fixed attributes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.comment = comment.encode()
        for name, data in sorted(contents.items()):
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED, compresslevel=9)
    write(path, out.getvalue())


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_bytes(data)
    os.replace(unfinished, path)
    print(f"wrote {path}: {len(data):,} bytes")
