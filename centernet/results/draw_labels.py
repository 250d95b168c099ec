"""Labels of detections, placed inside the image with the least overlap, and the colors of classes."""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Rectangle = tuple[int, int, int, int]

MAX_HIDDEN = 0.25  # of the label
MAX_COVER = 1 / 3  # of the picture, by all labels
Color = tuple[int, int, int]
DARK: Color = (16, 16, 16)
LIGHT: Color = (255, 255, 255)
# Degrees. Any number of its multiples are spread evenly over the circle.
GOLDEN_ANGLE = 137.508
# Hue of class 0 in degrees, and the lightness of each round of `HUES_PER_ROUND` classes.
FIRST_HUE = 150.0
LIGHTNESS = (0.75, 0.64, 0.87)
HUES_PER_ROUND = 8
CHROMA = 0.19
# Black, violet, red, orange, yellow, pale yellow: lightness rises evenly, for all types of color vision.
HEAT: tuple[Color, ...] = (
    (0, 0, 4),
    (87, 16, 110),
    (188, 55, 84),
    (249, 142, 9),
    (250, 210, 60),
    (252, 255, 200),
)
# Oklab to cone responses, and those to linear sRGB (Ottosson, "A perceptual color space for image
# processing", 2020).
_CONES = np.array([[1, 0.3963378, 0.2158038], [1, -0.1055613, -0.0638542], [1, -0.0894842, -1.2914855]])
_LINEAR_RGB = np.array(
    [
        [4.0767417, -3.3077116, 0.2309699],
        [-1.2684380, 2.6097574, -0.3413194],
        [-0.0041961, -0.7034186, 1.7076147],
    ]
)


class Label(NamedTuple):
    """The label of an object.

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
    """Draw labels onto a picture; the first is placed first and is on top.

    Args:
        picture: RGB; changed in place.
        labels: Most important first.

    Returns:
        Rectangle of each drawn label: left, top, right, bottom, the last two exclusive. A label is left out if it
        doesn't fit into the picture even when shortened, if more than `MAX_HIDDEN` of it would be covered, or,
        except for the first, if all labels together would cover more than `MAX_COVER` of the picture.
    """
    placed: list[tuple[Rectangle, Label]] = []
    room = MAX_COVER * picture.size[0] * picture.size[1]
    for label in labels:
        font = _font(label.font_size)
        text = _fitted(label.text, font, picture.size)
        size = _label_size(text, font)
        if text and (not placed or size[0] * size[1] <= room):
            place, hidden = _place(label.area, size, picture.size, [rectangle for rectangle, _ in placed])
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
    # Pillow without FreeType has a single font of one size.
    except ImportError:
        return ImageFont.load_default()


def _line(font: Any) -> tuple[int, int, int]:
    """Margin, empty rows above the capitals, and height of a line without them."""
    _, top, _, bottom = font.getbbox("Xgy")
    return max(1, round((bottom - top) / 5)), round(top), round(bottom - top)


def _label_size(text: str, font: Any) -> tuple[int, int]:
    margin, _, height = _line(font)
    return round(font.getlength(text) + 0.5) + 2 * margin, height + 2 * margin


def _fitted(text: str, font: Any, size: tuple[int, int]) -> str:
    """Shorten a text until its label fits into the image; it may become empty."""
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
    """The place above, inside or below the object with the least overlap, and that overlap in pixels."""
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
    covered = [sum(_overlap(place, rectangle) for rectangle in placed) for place in places]
    best = covered.index(min(covered))
    return places[best], covered[best]


def _overlap(a: Rectangle, b: Rectangle) -> int:
    return max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))


def class_color(class_id: int) -> Color:
    """Color of a class: fixed, and far from the colors of the preceding classes.

    Args:
        class_id: 0-based class.

    Returns:
        Red, green, blue, 0–255, of medium to high lightness, which contrasts with dark outlines and text.
    """
    hue = math.radians(FIRST_HUE + class_id * GOLDEN_ANGLE)
    lightness = LIGHTNESS[class_id // HUES_PER_ROUND % len(LIGHTNESS)]
    oklab = np.array([lightness, CHROMA * math.cos(hue), CHROMA * math.sin(hue)])
    linear = (_LINEAR_RGB @ (_CONES @ oklab) ** 3).clip(0, 1)
    red, green, blue = np.rint(255 * linear ** (1 / 2.2)).astype(int).tolist()
    return red, green, blue


def contrast_color(color: Color) -> Color:
    """Black or white, whichever has more contrast with a color.

    Args:
        color: Red, green, blue, 0–255.

    Returns:
        `DARK` or `LIGHT`.
    """
    red, green, blue = ((channel / 255) ** 2.2 for channel in color)
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    # At this luminance black and white have the same contrast ratio (WCAG 2).
    return DARK if luminance > 0.18 else LIGHT
