"""Distinguishable colors for classes, and a color map for heatmaps."""

from __future__ import annotations

import math

import numpy as np

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
