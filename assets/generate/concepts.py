"""Which emoji there are, their Chinese names, and the five captions of each.

A concept is named by its code points in lower-case hexadecimal joined by "-", without the
presentation selector U+FE0F, which the sources write or omit as they please: "2764-200d-1f525".
"""

import json
import random
from dataclasses import dataclass

import packages

TEMPLATES = ["一张{}的图片", "{}的表情符号", "一个{}图标"]


@dataclass(frozen=True)
class Concept:
    code: str  # "1f43c"
    index: int  # position in the sorted list of all concepts; the ids of pictures and texts are made of it
    name: str  # "熊猫", distinct from every other concept's
    keywords: tuple  # ("头", "猫熊", …), may be empty
    english: str  # "panda", the CLDR short name after which icon sets call their files
    entry: dict  # its entry in emoji-datasource's emoji.json: names, picture file, categories

    def sided(self):
        """Whether its mirror image is of something else, or has a writing the wrong way round."""
        return self.entry["category"] in ("Symbols", "Flags") or self.entry["subcategory"] == "time" or any(sign in self.name for sign in "左右弦")

    def captions(self):
        """Five different texts: name; template; name and keywords; keyword: name; name related to keyword."""
        chance = random.Random(self.code)  # seeded by the concept, so that no other concept changes these captions
        keywords = list(self.keywords)
        chance.shuffle(keywords)
        name = self.name
        return [
            name,
            chance.choice(TEMPLATES).format(name),
            f"{name}，{'、'.join(keywords[:3])}" if keywords else f"画的是{name}",
            f"{keywords[0]}：{name}" if keywords else f"图中是{name}",
            f"与{keywords[1]}有关的{name}" if len(keywords) > 1 else f"一幅{name}的小图",
        ]


def load():
    """Returns {code: Concept} for every base emoji (no skin tones) that has a Chinese name, sorted by code."""
    chinese, english = annotations("zh"), annotations("en")
    table = packages.members("emoji-datasource-google", lambda path: path == "emoji.json")["emoji.json"]
    entries = {normal(entry["unified"]): entry for entry in json.loads(table)}
    named = sorted(code for code in entries if code in chinese and code in english)
    concepts = {}
    for index, code in enumerate(named):
        name = clean(chinese[code]["tts"][0])
        keywords = dict.fromkeys(clean(word) for word in chinese[code].get("default", []))
        concepts[code] = Concept(
            code, index, name, tuple(word for word in keywords if word != name), english[code]["tts"][0], entries[code]
        )
    if len({concept.name for concept in concepts.values()}) != len(concepts):
        raise ValueError("two emoji have the same Chinese name after cleaning; retrieval needs distinct ones")
    return concepts


def annotations(language):
    """CLDR's {code: {"tts": [name], "default": [keyword, …]}} of one language, sequences included."""
    found = {}
    for package, folder in [("cldr-annotations-derived-full", "annotationsDerived"), ("cldr-annotations-full", "annotations")]:
        file = f"{folder}/{language}/annotations.json"
        table = json.loads(packages.members(package, lambda path: path == file)[file])[folder]["annotations"]
        found |= {normal("-".join(f"{ord(sign):04x}" for sign in text)): entry for text, entry in table.items()}
    return {code: entry for code, entry in found.items() if entry.get("tts")}


def normal(code):
    return "-".join(point for point in code.lower().split("-") if point != "fe0f")


def clean(text):
    """Full-width punctuation and no curly quotes, which the BERT vocabulary lacks."""
    return text.replace("“", "").replace("”", "").replace(": ", "：").replace(", ", "、").strip()
