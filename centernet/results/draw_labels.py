"""Labels of detections: fitted to the image, placed where they cover each other least."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

from PIL import Image, ImageDraw, ImageFont

from centernet.results.colors import Color, contrast_color

Rectangle = tuple[int, int, int, int]

MAX_HIDDEN = 0.25
MAX_COVER = 1 / 3


class Label(NamedTuple):
    """A text for an object.

    Attributes:
        text: What to write.
        area: The object's first and last column and row: left, top, right, bottom.
        color: Background.
        font_size: In pixels.
    """

    text: str
    area: Rectangle
    color: Color
    font_size: float


def draw_labels(picture: Image.Image, labels: list[Label]) -> list[Rectangle]:
    """Writes labels onto a picture; the first has the choice of place and lies on top.

    Args:
        picture: RGB; it is changed.
        labels: In order of importance.

    Returns:
        Where each label drawn lies: left, top, right, bottom, the last two exclusive. Left out are labels
        that don't fit into the picture even when shortened, that others would hide, and, after the first,
        that would make all labels cover more than a third of the picture.
    """
    placed: list[tuple[Rectangle, Label]] = []
    room = MAX_COVER * picture.size[0] * picture.size[1]
    for label in labels:
        font = _font(label.font_size)
        text = _fitted(label.text, font, picture.size)
        size = _label_size(text, font)
        if text and (not placed or size[0] * size[1] <= room):
            place, hidden = _place(label.area, size, picture.size, [other for other, _ in placed])
            if hidden <= MAX_HIDDEN * size[0] * size[1]:
                placed.append((place, label._replace(text=text)))
                room -= size[0] * size[1]
    for place, label in reversed(placed):
        _write(picture, label, place)
    return [place for place, _ in placed]


def _write(picture: Image.Image, label: Label, place: Rectangle) -> None:
    draw, font, (left, top, right, bottom) = ImageDraw.Draw(picture), _font(label.font_size), place
    draw.rectangle((left, top, right - 1, bottom - 1), fill=label.color)
    margin, above, _ = _line(font)
    draw.text((left + margin, top + margin - above), label.text, fill=contrast_color(label.color), font=font)


@functools.lru_cache(maxsize=16)
def _font(size: float) -> Any:
    try:
        return ImageFont.load_default(size)
    # Pillow without FreeType has one font of one size.
    except ImportError:
        return ImageFont.load_default()


def _line(font: Any) -> tuple[int, int, int]:
    """Gives margin, empty rows above the capitals, and height of a line without them."""
    _, top, _, bottom = font.getbbox("Xgy")
    return max(1, round((bottom - top) / 5)), round(top), round(bottom - top)


def _label_size(text: str, font: Any) -> tuple[int, int]:
    margin, _, height = _line(font)
    return round(font.getlength(text) + 0.5) + 2 * margin, height + 2 * margin


def _fitted(text: str, font: Any, size: tuple[int, int]) -> str:
    """Shortens a text until its label fits into the image; it may become empty."""
    if _label_size(text, font)[1] > size[1]:
        return ""
    shorter = text
    while shorter and _label_size(shorter, font)[0] > size[0]:
        text = text[:-1]
        shorter = text and text + "…"
    return shorter


def _place(
    area: Rectangle, label: tuple[int, int], size: tuple[int, int], placed: list[Rectangle]
) -> tuple[Rectangle, int]:
    """Finds where a label covers others least, above the object, inside or below; and by how many pixels."""
    (left, top, right, bottom), (wide, high) = area, label
    corners = [
        (left, top - high),
        (right + 1 - wide, top - high),
        (left, top),
        (left, bottom + 1),
        (right + 1 - wide, top),
        (left, bottom + 1 - high),
    ]
    inside = [(min(max(x, 0), size[0] - wide), y) for x, y in corners if 0 <= y <= size[1] - high]
    places = [(x, y, x + wide, y + high) for x, y in inside or [(min(left, size[0] - wide), 0)]]
    covered = [sum(_overlap(place, other) for other in placed) for place in places]
    best = covered.index(min(covered))
    return places[best], covered[best]


def _overlap(a: Rectangle, b: Rectangle) -> int:
    return max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
