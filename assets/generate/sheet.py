"""A contact sheet for the eye: one emoji a row, one style a column, so that a wrong picture stands out."""

import random

from PIL import Image

import pictures

ROWS, BLOCKS = 20, 4


def draw(codes, drawn, seed=1):
    """drawn is {style: {code: picture}}; returns one picture of up to 80 random emoji of `codes`."""
    chosen = random.Random(seed).sample(sorted(codes), min(len(codes), ROWS * BLOCKS))
    block = (len(drawn) + 1) * pictures.SIZE
    sheet = Image.new("RGB", (block * BLOCKS, ROWS * pictures.SIZE), "white")
    for place, code in enumerate(chosen):
        for column, style in enumerate(drawn.values()):
            if code in style:
                x, y = place // ROWS * block + column * pictures.SIZE, place % ROWS * pictures.SIZE
                sheet.paste(style[code], (x, y))
    return sheet
