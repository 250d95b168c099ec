"""The canvas of an image: the reference's geometry."""

from __future__ import annotations

import numpy as np
import pytest
from goldens.merging import CHAINS, arrays, group, image_size, scales
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from centernet.errors import ConfigError
from centernet.models.triplets.geometry import Canvas, fit_canvas, scale_image
from centernet.ops.preprocessing import Preprocessing

SIDES = st.integers(1, 700)
SCALES = st.sampled_from([0.6, 1, 1.2, 1.5, 1.8])


ORIGINAL = Preprocessing((127, 127), fit="original", sampling="half_pixel", mean=(0, 0, 0), std=(1, 1, 1))
FIXED = Preprocessing((127, 255), mean=(0, 0, 0), std=(1, 1, 1))


def placed(image: np.ndarray, canvas: Canvas, *, exact: bool = False) -> np.ndarray:
    """What the network sees in a pass, before normalization."""
    seen = scale_image(image, canvas, exact=exact)
    sizes = ops.convert_to_tensor([seen.shape[:2]], dtype="int32")
    batch = ORIGINAL(ops.convert_to_tensor(seen[None]), sizes, canvas.size)
    return ops.convert_to_numpy(batch)[0].astype(np.uint8)


@pytest.mark.parametrize("height", [100, 126, 127, 128, 255, 256])
def test_the_canvas_is_that_of_the_reference(height: int) -> None:
    padded, top, bottom, left, right, *_, first, last, row_above, row_below = arrays("canvas")[f"crop_image/h{height}"][
        1:
    ]
    canvas = fit_canvas(ORIGINAL, (height, int(right - left)))
    seen = placed(np.ones((height, int(right - left), 3), np.uint8), canvas, exact=True)
    filled = np.flatnonzero(seen.any(axis=(1, 2)))
    assert canvas.size[0] == padded
    assert canvas.border == (top, left)
    assert (filled[0], filled[-1]) == (first, last)
    assert (1, len(filled)) == (row_above, row_below)
    assert canvas.border[0] + len(filled) == bottom


@pytest.mark.parametrize("chain", CHAINS)
def test_sizes_borders_and_ratios_are_those_of_the_reference(chain: str) -> None:
    for scale in scales(chain):
        expected = group("chains", f"{chain}/scale{scale}/crop/")
        canvas = fit_canvas(ORIGINAL, image_size(chain), scale)
        np.testing.assert_array_equal(canvas.new_size, expected["new_size"])
        np.testing.assert_array_equal(canvas.size, expected["inp_size"])
        np.testing.assert_array_equal(canvas.output_size, expected["out_size"])
        np.testing.assert_array_equal(canvas.border, expected["border"][[0, 2]])


@settings(deadline=None)
@given(SIDES, SIDES, SCALES)
def test_a_canvas_has_room_for_the_image_and_no_more_than_it_needs(height: int, width: int, scale: float) -> None:
    canvas = fit_canvas(ORIGINAL, (height, width), scale)
    for side, length, border in zip(canvas.new_size, canvas.size, canvas.border, strict=True):
        assert length % 128 == 127
        assert 0 <= border <= border + side <= length < side + 128


@pytest.mark.parametrize(("exact", "rows"), [(True, 126), (False, 127)])
def test_an_image_that_fills_the_canvas_keeps_its_last_row_by_default(exact: bool, rows: int) -> None:
    image = np.full((127, 60, 3), 9, np.uint8)
    seen = placed(image, fit_canvas(ORIGINAL, (127, 60)), exact=exact)
    assert seen.shape == (127, 127, 3)
    np.testing.assert_array_equal(np.flatnonzero(seen.any(axis=(1, 2))), np.arange(rows))
    np.testing.assert_array_equal(np.flatnonzero(seen.any(axis=(0, 2))), np.arange(33, 93))


@settings(deadline=None)
@given(SIDES, SIDES, SCALES)
def test_only_sides_that_fill_their_canvas_lose_pixels(height: int, width: int, scale: float) -> None:
    canvas = fit_canvas(ORIGINAL, (height, width), scale)
    image = np.zeros((height, width, 1), np.uint8)
    lost = np.subtract(canvas.new_size, scale_image(image, canvas, exact=True).shape[:2])
    np.testing.assert_array_equal(lost, [side % 128 == 127 for side in canvas.new_size])
    assert scale_image(image, canvas).shape[:2] == canvas.new_size


def test_a_pixel_of_the_image_lies_where_the_geometry_says() -> None:
    image = np.zeros((200, 380, 3), np.uint8)
    image[37, 251] = 255
    canvas = fit_canvas(ORIGINAL, (200, 380))
    np.testing.assert_array_equal(np.argwhere(placed(image, canvas)[..., 0]), [[37 + 27, 251 + 1]])
    np.testing.assert_array_equal(canvas.border, (27, 1))


def test_a_scale_never_makes_an_image_vanish() -> None:
    canvas = fit_canvas(ORIGINAL, (1, 300), 0.6)
    assert canvas.new_size == (1, 180)
    assert placed(np.ones((1, 300, 3), np.uint8), canvas).any()


@pytest.mark.parametrize(("scale", "size"), [(1, (127, 255)), (1.8, (255, 511)), (0.5, (127, 127)), (0.01, (127, 127))])
def test_a_fixed_canvas_is_scaled_to_what_the_network_takes(scale: float, size: tuple[int, int]) -> None:
    canvas = fit_canvas(FIXED.scaled(scale, 128), (50, 200), scale)
    assert canvas.size == size
    assert canvas.border == (0, 0)
    np.testing.assert_allclose(canvas.factor, np.divide(canvas.new_size, (50, 200)))
    assert canvas.new_size[1] == size[1]


@pytest.mark.parametrize(("size", "scale"), [((0, 5), 1), ((5, 5), 0), ((5, 5), -1), ((5, 5), float("nan"))])
def test_sizes_and_scales_must_be_positive(size: tuple[int, int], scale: float) -> None:
    with pytest.raises(ConfigError, match="positive image size and scale"):
        fit_canvas(ORIGINAL, size, scale)
