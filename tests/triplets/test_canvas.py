"""The canvas of an image: the reference's geometry, and OpenCV's resize bit for bit."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from goldens.merging import CHAINS, arrays, group, image_size, scales
from hypothesis import given
from hypothesis import strategies as st

from centernet.errors import ConfigError, SourceError
from centernet.triplets.canvas import fit_canvas, place, resize_bilinear

SIDES = st.integers(1, 700)
SCALES = st.sampled_from([0.6, 1, 1.2, 1.5, 1.8])


@pytest.mark.parametrize("height", [100, 126, 127, 128, 255, 256])
def test_the_canvas_is_that_of_the_reference(height: int) -> None:
    padded, top, bottom, left, right, *_, first, last, row_above, row_below = arrays("canvas")[f"crop_image/h{height}"][
        1:
    ]
    canvas = fit_canvas((height, right - left), exact=True)
    rows = height - canvas.lost[0]
    assert canvas.size[0] == padded
    assert canvas.border == (top, left)
    assert (canvas.border[0], canvas.border[0] + rows - 1) == (first, last)
    assert (1, rows) == (row_above, row_below)
    assert canvas.border[0] + rows == bottom


@pytest.mark.parametrize("chain", CHAINS)
def test_sizes_borders_and_ratios_are_those_of_the_reference(chain: str) -> None:
    for scale in scales(chain):
        expected = group("chains", f"{chain}/scale{scale}/crop/")
        canvas = fit_canvas(image_size(chain), scale, exact=True)
        np.testing.assert_array_equal(canvas.new_size, expected["new_size"])
        np.testing.assert_array_equal(canvas.size, expected["inp_size"])
        np.testing.assert_array_equal(canvas.output_size, expected["out_size"])
        np.testing.assert_array_equal(canvas.border, expected["border"][[0, 2]])


@given(SIDES, SIDES, SCALES, st.booleans())
def test_only_the_exact_canvas_loses_pixels_and_only_of_sides_that_fill_it(
    height: int, width: int, scale: float, exact: bool
) -> None:
    canvas = fit_canvas((height, width), scale, exact=exact)
    for side, length, border, lost in zip(canvas.new_size, canvas.size, canvas.border, canvas.lost, strict=True):
        assert length % 128 == 127
        assert 0 <= border <= border + side <= length < side + 128
        assert lost == (exact and side % 128 == 127)


@pytest.mark.parametrize(("exact", "rows"), [(True, 126), (False, 127)])
def test_an_image_that_fills_the_canvas_keeps_its_last_row_by_default(exact: bool, rows: int) -> None:
    image = np.full((127, 60, 3), 9, np.uint8)
    placed = place(image, fit_canvas((127, 60), exact=exact))
    filled = np.flatnonzero(placed[:, 63].any(axis=1))
    assert placed.shape == (127, 127, 3)
    np.testing.assert_array_equal(filled, np.arange(rows))
    np.testing.assert_array_equal(np.flatnonzero(placed[0].any(axis=1)), np.arange(33, 93))


def test_a_pixel_of_the_image_lies_where_the_geometry_says() -> None:
    image = np.zeros((200, 380, 3), np.uint8)
    image[37, 251] = 255
    canvas = fit_canvas((200, 380))
    np.testing.assert_array_equal(np.argwhere(place(image, canvas)[..., 0]), [[37 + 27, 251 + 1]])
    np.testing.assert_array_equal(canvas.border, (27, 1))


def test_a_scale_never_makes_an_image_vanish() -> None:
    canvas = fit_canvas((1, 300), 0.6)
    assert canvas.new_size == (1, 180)
    assert place(np.ones((1, 300, 3), np.uint8), canvas).any()


@pytest.mark.parametrize("scale", [0.6, 0.75, 1.2, 1.25, 1.5, 1.8])
def test_a_resized_image_is_opencvs_bit_for_bit(scale: float) -> None:
    expected = group("canvas", f"resized_{scale}/")
    resized = resize_bilinear(arrays("canvas")["image"], tuple(expected["size"][:2]))
    np.testing.assert_array_equal(resized[expected["index"]], expected["rows"])
    assert zlib.crc32(resized.tobytes()) == expected["crc"]


@given(SIDES.filter(lambda side: side < 60), SIDES.filter(lambda side: side < 60), SCALES, st.integers(0, 255))
def test_an_even_image_stays_even(height: int, width: int, scale: float, value: int) -> None:
    canvas = fit_canvas((height, width), scale)
    resized = resize_bilinear(np.full((height, width, 3), value, np.uint8), canvas.new_size)
    np.testing.assert_array_equal(resized, np.full((*canvas.new_size, 3), value, np.uint8))


def test_halving_takes_means_of_four() -> None:
    image = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3) * 3
    means = (image.reshape(2, 2, 3, 2, 3).sum(axis=(1, 3)) + 2) // 4
    np.testing.assert_array_equal(resize_bilinear(image, (2, 3)), means)


@pytest.mark.parametrize(("size", "scale"), [((0, 5), 1), ((5, 5), 0), ((5, 5), -1), ((5, 5), float("nan"))])
def test_sizes_and_scales_must_be_positive(size: tuple[int, int], scale: float) -> None:
    with pytest.raises(ConfigError, match="positive image size and scale"):
        fit_canvas(size, scale)


@pytest.mark.parametrize("image", [np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)])
def test_only_uint8_images_with_pixels_are_resized(image: np.ndarray) -> None:
    with pytest.raises(SourceError, match="uint8"):
        resize_bilinear(image, (2, 2))
