"""OpenCV's resize, bit for bit."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from goldens.merging import arrays, group
from hypothesis import given, settings
from hypothesis import strategies as st

from centernet.errors import SourceError
from centernet.ops.resize import resize_like_opencv

SIDES = st.integers(1, 59)


@pytest.mark.parametrize("scale", [0.6, 0.75, 1.2, 1.25, 1.5, 1.8])
def test_a_resized_image_is_opencvs_bit_for_bit(scale: float) -> None:
    expected = group("canvas", f"resized_{scale}/")
    resized = resize_like_opencv(arrays("canvas")["image"], tuple(expected["size"][:2]))
    np.testing.assert_array_equal(resized[expected["index"]], expected["rows"])
    assert zlib.crc32(resized.tobytes()) == expected["crc"]


@settings(deadline=None)
@given(SIDES, SIDES, SIDES, SIDES, st.integers(0, 255))
def test_an_even_image_stays_even(height: int, width: int, new_height: int, new_width: int, value: int) -> None:
    resized = resize_like_opencv(np.full((height, width, 3), value, np.uint8), (new_height, new_width))
    np.testing.assert_array_equal(resized, np.full((new_height, new_width, 3), value, np.uint8))


def test_halving_takes_means_of_four() -> None:
    image = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3) * 3
    means = (image.reshape(2, 2, 3, 2, 3).sum(axis=(1, 3)) + 2) // 4
    np.testing.assert_array_equal(resize_like_opencv(image, (2, 3)), means)


@pytest.mark.parametrize("image", [np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)])
def test_only_uint8_images_with_pixels_are_resized(image: np.ndarray) -> None:
    with pytest.raises(SourceError, match="uint8"):
        resize_like_opencv(image, (2, 2))
