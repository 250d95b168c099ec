"""Render a blood smear to try the detector `bccd` on: `python examples/render_blood_cells.py out.png`.

Everything in the picture is drawn here; it stands in for a microscope photo, which we could not ship.
"""

from __future__ import annotations

import sys

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

WIDTH, HEIGHT = 640, 480
BACKGROUND, RED, PALE, NUCLEUS, PLASMA, PLATELET = (
    (196, 190, 186), (172, 142, 138), (186, 164, 160), (112, 104, 186), (190, 180, 200), (140, 134, 186),
)  # fmt: skip
# Center and radius in pixels.
RED_CELLS = [
    (70, 90, 55), (190, 60, 50), (60, 300, 56), (560, 90, 58), (575, 330, 56), (430, 400, 55), (200, 410, 54),
    (90, 425, 46), (475, 215, 52), (380, 70, 53),
]  # fmt: skip
WHITE_CELL = (280, 220, 95)
PLATELETS = [(150, 190, 17), (455, 310, 18), (300, 370, 16), (490, 60, 15)]


def render(seed: int = 7) -> Image.Image:
    """The picture: ten red cells, a white one and four platelets, 640×480."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (WIDTH, HEIGHT), BACKGROUND)
    for x, y, radius in RED_CELLS:
        _blob(image, rng, x, y, radius, RED, blur=1.6)
        _blob(image, rng, x, y, radius * 0.45, PALE, blur=9)
    x, y, radius = WHITE_CELL
    _blob(image, rng, x, y, radius, PLASMA, blur=4)
    for angle in (0.4, 2.3, 4.3):
        _blob(image, rng, x + 32 * np.cos(angle), y + 32 * np.sin(angle), radius * 0.46, NUCLEUS, blur=2.5)
    for x, y, radius in PLATELETS:
        _blob(image, rng, x, y, radius, PLATELET, blur=3)
    light = 1 + 0.03 * np.cos(np.linspace(0, 3, WIDTH))[None, :, None]
    grain = rng.normal(0, 5, (HEIGHT, WIDTH, 3))
    pixels = np.clip(np.asarray(image) * light + grain, 0, 255).astype(np.uint8)
    return Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(0.8))


def _blob(
    image: Image.Image, rng: np.random.Generator, x: float, y: float, radius: float, color: tuple[int, ...], blur: float
) -> None:
    """Paint a round shape with an uneven, soft edge and a darker rim."""
    angles = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    waves = sum(rng.normal(0, 0.02) * np.cos(k * angles + rng.uniform(0, 6)) for k in (2, 3, 4, 5))
    outline = [
        (x + radius * (1 + w) * np.cos(a), y + radius * (1 + w) * np.sin(a)) for a, w in zip(angles, waves, strict=True)
    ]
    mask = Image.new("L", image.size)
    ImageDraw.Draw(mask).polygon(outline, fill=255)
    image.paste(tuple(int(0.94 * c) for c in color), mask=mask.filter(ImageFilter.GaussianBlur(blur)))
    inner = mask.filter(ImageFilter.MinFilter(5)).filter(ImageFilter.GaussianBlur(blur + 3))
    image.paste(color, mask=inner)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    render().save(sys.argv[1])
