"""Makes the emoji data sets. Run from the repository root:

    python3 assets/generate/emoji.py

Needs Python 3.11 or later, npm, and the package registries on the first run; about seven minutes.
  assets/emoji/emoji.zip     OpenMoji, split by emoji into train, valid and test; compiled into the assets package
  datasets/emoji-styles/     five other styles, all emoji, for pretraining the small model; not committed
  datasets/emoji-more/       eight, five of them also with ink lines, with more captions, for its third cycle; not committed
  datasets/emoji-words/      the same pictures, with the words that people type, for its fourth cycle; not committed
  datasets/emoji-lines/      those and sixteen styles more, most of them drawn in lines, for its fifth cycle; not committed
  datasets/emoji-hands/      those and thirty-nine more, icon sets and what is coloured from them, for its sixth and seventh cycles; not committed
  datasets/emoji-turned/     the same, and every second picture that has no side is its mirror image, for its eighth cycle; not committed
  datasets/emoji-owned/      the same pictures, and a word in an emoji's name is no keyword of other kinds of emoji, for its ninth cycle; not committed
  .tools/emoji-sheet.png     80 random emoji in all styles, to look at after any change to the matching or the ink
Two runs write the same bytes. Whoever changes emoji.zip puts the printed sha256 into assets/emoji_test.go.
"""

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ENVIRONMENT = ROOT / ".tools" / "emoji-venv"
PYTHON = ENVIRONMENT / "bin" / "python"


def enter_environment():
    """Continues this program inside a virtual environment that holds exactly requirements.txt."""
    wanted = HERE / "requirements.txt"
    installed = ENVIRONMENT / "installed.txt"  # written last, so an interrupted installation starts over
    if not installed.exists() or installed.read_text() != wanted.read_text():
        print("making", ENVIRONMENT, flush=True)
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        venv.create(ENVIRONMENT, with_pip=True)
        subprocess.run([PYTHON, "-m", "pip", "install", "--quiet", "--requirement", wanted], check=True)
        shutil.copyfile(wanted, installed)
    if Path(sys.prefix) != ENVIRONMENT:
        os.execv(PYTHON, [PYTHON, *sys.argv])


def main():
    import captions
    import concepts
    import layout
    import pictures
    import sheet

    known = concepts.load()
    drawn = {style: pictures.draw(style, known) for style in pictures.DRAWN}
    for style, found in drawn.items():
        print(f"{style}: {len(found)} of {len(known)} emoji")

    openmoji = {"openmoji": drawn["openmoji"]}
    contents = {}
    for split, codes in json.loads((HERE / "split.json").read_text()).items():
        missing = [code for code in codes if code not in drawn["openmoji"]]
        if missing:
            sys.exit(f"split.json, {split}: no OpenMoji picture or Chinese name for {', '.join(missing)}")
        contents |= layout.files(split, [known[code] for code in sorted(codes)], openmoji)
    archive = ROOT / "assets" / "emoji" / "emoji.zip"
    comment = "Pictures: OpenMoji, CC BY-SA 4.0, openmoji.org. Captions: after Unicode CLDR, Unicode-3.0."
    layout.write_zip(archive, contents, comment)
    print("sha256", hashlib.sha256(archive.read_bytes()).hexdigest())

    first = {style: drawn[style] for style in pictures.FIRST}
    for name, data in layout.files("train", known.values(), first).items():
        layout.write(ROOT / "datasets" / "emoji-styles" / name, data)

    others = {style: drawn[style] for style in pictures.EARLY if style != "openmoji"}
    others |= {f"{style}-inked": {code: pictures.inked(found) for code, found in drawn[style].items()} for style in pictures.INKED}
    typed = captions.shared(known.values(), captions.typed)
    study(known, others, {"emoji-more": captions.shared(known.values(), captions.studied), "emoji-words": typed})
    others |= {style: drawn[style] for style in pictures.LATER if style != "openmoji"}
    for style in pictures.LINES:
        others[f"{style}-coloured"] = {code: pictures.coloured(found, drawn["google"][code]) for code, found in drawn[style].items()}
    study(known, others, {"emoji-lines": typed})

    others |= {style: found for style, found in drawn.items() if style != "openmoji"}
    for styles, ending, painted in [(pictures.LINES + pictures.MORE_LINES, "coloured", pictures.coloured), (pictures.AREAS, "tinted", pictures.tinted)]:
        for style in styles:
            others[f"{style}-{ending}"] = {code: painted(found, painting(drawn, style, code)) for code, found in drawn[style].items()}
    study(known, others, {"emoji-hands": typed})
    study(known, others, {"emoji-turned": typed, "emoji-owned": captions.owned(typed)}, pictures.turned)

    sheet.draw(known, drawn | others).save(ROOT / ".tools" / "emoji-sheet.png")


def painting(drawn, style, code):
    """One painting of an emoji, another for another style."""
    import pictures

    able = [drawn[painter][code] for painter in pictures.PAINTINGS if code in drawn[painter]]
    return random.Random(f"{style} {code}").choice(able)


def study(known, styles, folders, changed=lambda style, concept, picture: picture):
    """Writes data sets for pretraining, {folder: {caption: [concept, …]}}, of the same {style: {code: picture}}, changed."""
    import layout
    import pictures

    framed = {style: {code: changed(style, known[code], pictures.framed(found)) for code, found in of.items()} for style, of in styles.items()}
    rows, ids = layout.studied_pictures(known, framed)
    for folder, said in folders.items():
        layout.write(ROOT / "datasets" / folder / "train_imgs.tsv", rows)
        layout.write(ROOT / "datasets" / folder / "train_texts.jsonl", layout.studied_texts(said, ids))


if __name__ == "__main__":
    enter_environment()
    main()
