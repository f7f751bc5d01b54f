"""The drawing styles: each gives {code: 64 × 64 RGB picture on white} for the concepts that it draws."""

import io
import json
import random
import re
import unicodedata

import resvg_py
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont, ImageOps, ImageStat

import packages
from concepts import normal

SIZE = 64  # pixels, width and height of every picture
RENDER = 128  # pixels; SVGs are drawn at twice the size and reduced, as the bitmaps are

# The number of a style is the leading part of its picture ids and must never change.
STYLES = {
    "google": 1, "twitter": 2, "fluent-3d": 3, "openmoji": 4, "noto-v1": 5, "emojione": 6,
    "fluent-emoji-flat": 7, "fxemoji": 8, "streamline-emojis": 9, "noto-emoji": 10, "emojione-v1": 13, "fluent-emoji-high-contrast": 14,
    "icon-park": 15, "game-icons": 19, "mdi": 21, "hugeicons": 22, "ph": 23, "tabler": 24, "lucide": 25,
    "emojione-monotone": 26, "fa7-solid": 50, "whh": 51, "boxicons": 52, "mingcute": 53, "picon": 54, "la": 55, "ri": 56, "mynaui": 57, "uil": 58,
    "material-symbols": 59, "bi": 60, "solar": 61, "iconoir": 62, "ion": 63, "carbon": 64, "tdesign": 65, "lucide-lab": 66,
}  # fmt: skip
EARLY, LATER = list(STYLES)[:9], list(STYLES)[:19]  # what the first four cycles see, and the fifth
# Flat drawings, which pretraining shows a second time with ink lines; the number of such a style is 10 more.
INKED = ["google", "twitter", "emojione", "fluent-emoji-flat", "fxemoji"]
DRAWN = list(STYLES)
FIRST = ["google", "twitter", "fluent-3d", "noto-v1", "emojione"]  # what the first cycles of pretraining see
STYLES |= {f"{style}-inked": STYLES[style] + 10 for style in INKED}
# Drawings of lines alone, which pretraining shows a second time with colours between the lines; the number of such a style is 20 more.
LINES = ["noto-emoji", "icon-park", "hugeicons", "ph", "tabler", "lucide"]
MORE_LINES = [
    "fluent-emoji-high-contrast", "boxicons", "mingcute", "la", "ri", "mynaui", "uil", "bi", "solar", "iconoir", "carbon", "tdesign", "lucide-lab",
]  # fmt: skip
STYLES |= {f"{style}-coloured": STYLES[style] + 20 for style in LINES + MORE_LINES}
# Drawings of black areas, which pretraining shows a second time in another colour; the number of such a style is 80 more.
AREAS = ["game-icons", "mdi", "emojione-monotone", "fa7-solid", "whh", "picon", "material-symbols", "ion"]
STYLES |= {f"{style}-tinted": STYLES[style] + 80 for style in AREAS}
PAINTINGS = ["google", "twitter", "fluent-emoji-flat", "emojione"]  # whose colours they get
FRAMED = 52  # pixels, of a picture inside its margin
INK = 48  # of 255: a step of brightness within three pixels of which gets a line
# Sets that are, but for one, not of emoji, and names there that mean something else: a computer's mouse, a lifting crane, a wave of sound, fingers that count.
ICONS = DRAWN[12:]
ENDS = {"mingcute": "-line", "ri": "-line", "solar": "-linear"}  # of the names of one weight of a set that has several
AMBIGUOUS = {
    "mouse", "bat", "crane", "wave", "cricket", "seat", "back", "end", "top", "up", "on", "soon", "new", "free", "cool", "input", "play", "repeat",
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
}  # fmt: skip


def draw(style, concepts):
    """Returns {code: PIL picture} of one style in the order of `concepts`; blank renders are left out."""
    if style in ("google", "twitter"):
        sources = datasource(style, concepts)
    elif style == "fluent-3d":
        sources = fluent(concepts)
    elif style == "noto-emoji":
        return font(concepts)
    else:
        sources = iconify(style, concepts)
    pictures = {code: fit(Image.open(io.BytesIO(source))) for code, source in sources.items()}
    return {code: picture for code, picture in pictures.items() if not blank(picture)}


def datasource(style, concepts):
    """emoji-datasource-*: PNG files named by emoji.json."""
    folder = f"img/{style}/64/"
    files = packages.members(f"emoji-datasource-{style}", lambda path: path.startswith(folder))
    return {
        code: files[folder + concept.entry["image"]]
        for code, concept in concepts.items()
        if concept.entry[f"has_img_{style}"] and folder + concept.entry["image"] in files
    }


def fluent(concepts):
    """@lobehub/fluent-emoji-3d: WebP files named by code points, U+FE0F included."""
    files = packages.members("@lobehub/fluent-emoji-3d", lambda path: path.endswith(".webp"))
    by_code = {normal(path.rsplit("/", 1)[1].removesuffix(".webp")): data for path, data in files.items()}
    return {code: by_code[code] for code in concepts if code in by_code}


def iconify(style, concepts):
    """@iconify-json/*: SVG bodies by name, and in chars.json names by code points (empty in old sets)."""
    files = packages.members(f"@iconify-json/{style}", lambda path: path in ("icons.json", "chars.json"))
    icons = json.loads(files["icons.json"])
    if end := ENDS.get(style):
        icons |= {"icons": {name.removesuffix(end): icon for name, icon in icons["icons"].items() if name.endswith(end)}, "aliases": {}}
    names = {normal(code): name for code, name in json.loads(files.get("chars.json", "{}")).items()}
    if not any(code in names for code in concepts):
        names = match(icons, concepts, AMBIGUOUS if style in ICONS else ())
    return {code: svg(icons, names[code]) for code in concepts if code in names}


def match(icons, concepts, ambiguous):
    """Returns {code: icon name} for a set whose icons, but for those with ambiguous names, are called after CLDR short names, old or new.

    Names are reused over the years ("cricket" was the game and became the insect), so an icon is given
    away once, and the surest kind of match goes first: present name to icon, present name to alias, older names.
    """
    own = {spelling(name): name for name in icons["icons"] if name not in ambiguous}
    aliases = {spelling(name): entry["parent"] for name, entry in icons.get("aliases", {}).items()}
    found, taken = {}, set()
    for names, table in [(present_names, own), (present_names, aliases), (older_names, aliases | own)]:
        for code, concept in concepts.items():
            icon = next((table[key] for key in map(spelling, names(concept)) if key in table), None)
            if code not in found and icon in icons["icons"] and icon not in taken:
                found[code] = icon
                taken.add(icon)
    return found


def present_names(concept):
    return [concept.english, re.sub(r" \(.*\)", "", concept.english)]


def older_names(concept):
    return [concept.entry["name"] or "", *concept.entry["short_names"], f"flag for {concept.english}"]


def spelling(name):
    """Reduces "flag: Côte d’Ivoire" and "flag-for-cote-divoire" to the same letters."""
    name = name.lower().replace("flag: ", "flag for ").replace("&", "and").replace("#", "pound").replace("*", "asterisk")
    return re.sub(r"[^a-z0-9]", "", unicodedata.normalize("NFKD", name))


def svg(icons, name):
    """Draws one icon; aliases are other names of icons."""
    icon = icons["icons"].get(name) or icons["icons"][icons["aliases"][name]["parent"]]
    left, top = icon.get("left", 0), icon.get("top", 0)
    width, height = (icon.get(side, icons.get(side, 16)) for side in ("width", "height"))
    document = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{left} {top} {width} {height}" width="{width}" height="{height}">{icon["body"]}</svg>'
    )
    return bytes(resvg_py.svg_to_bytes(svg_string=document, width=RENDER, height=RENDER * height // width))


def font(concepts):
    """Noto Emoji, a font of lines. A sequence that it has no sign for would be several signs in a row, and is left out."""
    file = packages.members("@expo-google-fonts/noto-emoji", lambda path: path.endswith("400Regular.ttf"))
    letters = ImageFont.truetype(io.BytesIO(next(iter(file.values()))), RENDER)
    missing = letters.getmask("\U0010fffd").getbbox()
    pictures = {}
    for code in concepts:
        text = "".join(chr(int(point, 16)) for point in code.split("-"))
        left, top, right, bottom = letters.getbbox(text)
        if right - left > 1.5 * RENDER or letters.getmask(text).getbbox() in (None, missing):
            continue
        picture = Image.new("RGB", (right - left, bottom - top), "white")
        ImageDraw.Draw(picture).text((-left, -top), text, "black", letters)
        pictures[code] = fit(picture)
    return pictures


def fit(picture):
    """Centres the picture on a white square, aspect preserved, and reduces it to SIZE."""
    picture = picture.convert("RGBA")
    side = max(picture.size)
    square = Image.new("RGBA", (side, side), "white")
    square.alpha_composite(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return square.convert("RGB").resize((SIZE, SIZE), Image.LANCZOS)


def inked(picture):
    """Black lines along all edges, as people draw with a pen: where a drawing has none of its own, only colours tell the shapes apart."""
    large = picture.resize((RENDER, RENDER), Image.LANCZOS).filter(ImageFilter.MedianFilter(3))
    step = ImageChops.subtract(large.filter(ImageFilter.MaxFilter(3)), large.filter(ImageFilter.MinFilter(3)))
    red, green, blue = step.split()
    edge = ImageChops.lighter(ImageChops.lighter(red, green), blue).point(lambda level: 255 if level > INK else 0)
    large.paste("black", mask=edge.filter(ImageFilter.MaxFilter(3)))
    return large.resize((SIZE, SIZE), Image.LANCZOS)


def coloured(lines, painting):
    """Flat colours between the lines: each area that lines enclose gets the mean colour of the same place in a painting of the same emoji."""
    lines = lines.resize((RENDER, RENDER), Image.LANCZOS)
    painting = painting.resize((RENDER, RENDER), Image.LANCZOS)
    areas = lines.convert("L").point(lambda level: 255 if level > 127 else 0)  # 0 ink, 255 paper, 1 outside, 2 an area that is being painted, 3 painted
    framed = Image.new("L", (RENDER + 2, RENDER + 2), 255)
    framed.paste(areas, (1, 1))
    ImageDraw.floodfill(framed, (0, 0), 1)
    areas = framed.crop((1, 1, RENDER + 1, RENDER + 1))
    colours = Image.new("RGB", lines.size, "white")
    while (start := areas.tobytes().find(255)) >= 0:
        ImageDraw.floodfill(areas, (start % RENDER, start // RENDER), 2)
        area = areas.point(lambda level: 255 if level == 2 else 0)
        colours.paste(tuple(round(mean) for mean in ImageStat.Stat(painting, area).mean), mask=area)
        areas = areas.point(lambda level: 3 if level == 2 else level)
    return ImageChops.multiply(colours, lines).resize((SIZE, SIZE), Image.LANCZOS)


def tinted(areas, painting):
    """Black areas in the mean colour of the same place in a painting of the same emoji, darker where that is nearly white."""
    black = areas.convert("L").point(lambda level: 255 if level < 128 else 0)
    mean = ImageStat.Stat(painting, black).mean
    return ImageOps.colorize(areas.convert("L"), tuple(round(channel * min(1, 400 / (sum(mean) + 1))) for channel in mean), "white")


def framed(picture):
    """With a margin: OpenMoji's drawings leave one, as people's do, and a random crop takes part of it away again."""
    whole = Image.new("RGB", (SIZE, SIZE), "white")
    whole.paste(picture.resize((FRAMED, FRAMED), Image.LANCZOS), ((SIZE - FRAMED) // 2,) * 2)
    return whole


def turned(style, concept, picture):
    """The mirror image of every second picture, but for those that have a side: other people's dogs look the other way."""
    mirror = not concept.sided() and random.Random(f"mirror {style} {concept.code}").random() < 0.5
    return ImageOps.mirror(picture) if mirror else picture


def blank(picture):
    """One colour all over, or nearly."""
    return max(high - low for low, high in picture.getextrema()) < 32
