import itertools

import numpy as np
import pytest

from centernet.results.draw_labels import DARK, HEAT, LIGHT, class_color, contrast_color


def luminance(color):
    return float(np.dot((np.array(color) / 255) ** 2.2, (0.2126, 0.7152, 0.0722)))


def contrast(a, b):
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def test_a_class_always_has_the_same_color():
    assert class_color(3) == class_color(3)
    assert all(0 <= channel <= 255 and isinstance(channel, int) for channel in class_color(10**6))


def test_colors_of_the_first_classes_are_far_apart():
    distances = [
        np.linalg.norm(np.subtract(class_color(a), class_color(b))) for a, b in itertools.combinations(range(8), 2)
    ]
    assert min(distances) > 60


def test_ninety_classes_have_ninety_colors():
    assert len({class_color(i) for i in range(90)}) == 90


@pytest.mark.parametrize("color", [*map(class_color, range(90)), (255, 255, 255), (0, 0, 0), (0, 0, 255)])
def test_text_reads_on_every_color(color):
    chosen = contrast_color(color)
    other = LIGHT if chosen == DARK else DARK
    assert contrast(color, chosen) > 4.2
    assert contrast(color, chosen) > 0.9 * contrast(color, other)


def test_heat_grows_lighter_throughout():
    steps = [luminance(color) for color in HEAT]
    assert steps == sorted(steps)
