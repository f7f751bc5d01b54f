"""Compares clipkit's imaging with Pillow on Pillow's own test pictures, or on the pictures of any other folder: a table by format of those that are
equal (mode, size and the bytes of convert("RGB")), different, refused by clipkit alone, and read by clipkit alone; then each that is not equal.
What Pillow itself refuses, and formats that clipkit does not list, are not counted; but TIFF is, which clipkit names and does not read.

pip download --no-binary :all: --no-deps pillow==13.0.0 && tar xf pillow-13.0.0.tar.gz
python pillow_pictures.py pillow-13.0.0/Tests/images [more folders]        # needs Pillow 13 and Go
"""
import hashlib
import os
import subprocess
import sys
import warnings

import PIL
from PIL import Image

LISTED = {"JPEG": "JPEG", "MPO": "JPEG", "PNG": "PNG", "GIF": "GIF", "BMP": "BMP", "WEBP": "WebP", "PPM": "PNM", "TIFF": "TIFF"}
warnings.simplefilter("ignore")


def pillow(path):
    """The format that Pillow names, if any, and what pixelhash prints for its pixels, or its error."""
    name = None
    try:
        with Image.open(path) as im:
            name = im.format
            if name in LISTED:
                mode, (w, h) = im.mode, im.size
                rgb = im.convert("RGB").tobytes()
                return name, f"{im.mode}\t{w}\t{h}\t{hashlib.sha256(rgb).hexdigest()}"
    except Exception as e:
        return name, f"!\t{type(e).__name__}: {e}"
    return name, "!\tnot listed"


def main(folders):
    paths = sorted(os.path.abspath(os.path.join(d, f)) for folder in folders for d, _, files in os.walk(folder) for f in files)
    here = os.path.dirname(os.path.abspath(__file__))
    ours = subprocess.run(["go", "run", "./pixelhash"], cwd=here, input="\n".join(paths), text=True, stdout=subprocess.PIPE, check=True).stdout.splitlines()
    counts, notes = {}, []
    for path, mine in zip(paths, ours, strict=True):
        name, theirs = pillow(path)
        read = not mine.startswith("!")
        if theirs.startswith("!"):
            if not read:
                continue
            name, verdict = LISTED.get(name, "other"), "ours alone"
        else:
            name, verdict = LISTED[name], "equal" if mine == theirs else "different" if read else "refused"
        counts.setdefault(name, {}).setdefault(verdict, []).append(path)
        if verdict != "equal":
            notes.append(f"{verdict:10}  {name:5} {os.path.basename(path)}\n            Pillow  {theirs}\n            clipkit {mine}")
    columns = "equal", "different", "refused", "ours alone"
    print(f"Pillow {PIL.__version__}: {len(paths)} files\n\n| format | " + " | ".join(columns) + " |\n|---|---|---|---|---|")
    for name in sorted(counts):
        print(f"| {name} | " + " | ".join(str(len(counts[name].get(c, []))) for c in columns) + " |")
    print("\n" + "\n".join(notes))


if __name__ == "__main__":
    main(sys.argv[1:])
