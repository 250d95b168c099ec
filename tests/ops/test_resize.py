"""Resizing: the reference's sizes and values, and a plain NumPy loop that restates the rule."""

from __future__ import annotations

import numpy as np
import pytest
from goldens.reference import unit
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from keras import ops

from centernet.ops.preprocessing import collate
from centernet.ops.resize import Sampling, fitted_sizes, resize_to_canvas

TABLE = unit("resize_sizes/table")  # canvas, height, width → height, width
CANVAS = (24, 32)
LARGEST = 40
SIDES = st.integers(1, LARGEST)


def resize(images: list[np.ndarray], canvas: tuple[int, int], sampling: Sampling = "legacy"):
    batch, sizes = collate(images, LARGEST)  # one shape for all, because some backends compile for each
    batch, sizes = ops.convert_to_tensor(batch), ops.convert_to_tensor(sizes)
    fitted = fitted_sizes(sizes, canvas)
    resized = resize_to_canvas(batch, sizes, fitted, ops.zeros_like(sizes), canvas, sampling)
    return ops.convert_to_numpy(resized), ops.convert_to_numpy(fitted)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def plain_size(height: int, width: int, canvas: tuple[int, int]) -> tuple[int, int]:
    scale = min(np.float32(canvas[0]) / np.float32(height), np.float32(canvas[1]) / np.float32(width))
    return tuple(max(int(np.rint(scale * np.float32(side))), 1) for side in (height, width))


def plain_axis(length: int, new_length: int, sampling: Sampling) -> list[tuple[int, int, float]]:
    """For each new pixel: the pixels before and after it, and the weight of the latter."""
    ratio = np.float32(length) / np.float32(new_length)
    taps = []
    for index in range(new_length):
        position = np.float32(index) * ratio
        if sampling == "half_pixel":
            position = max((np.float32(index) + np.float32(0.5)) * ratio - np.float32(0.5), np.float32(0))
        before = int(np.floor(position))
        taps.append((min(before, length - 1), min(before + 1, length - 1), position - before))
    return taps


def plain_resize(image: np.ndarray, canvas: tuple[int, int], sampling: Sampling) -> np.ndarray:
    height, width = plain_size(*image.shape[:2], canvas)
    result = np.zeros((*canvas, 3))
    pixels = image.astype(np.float64)
    for y, (top, bottom, down) in enumerate(plain_axis(image.shape[0], height, sampling)):
        for x, (left, right, across) in enumerate(plain_axis(image.shape[1], width, sampling)):
            upper = pixels[top, left] * (1 - across) + pixels[top, right] * across
            lower = pixels[bottom, left] * (1 - across) + pixels[bottom, right] * across
            result[y, x] = upper * (1 - down) + lower * down
    return result


@pytest.mark.parametrize("canvas", sorted(set(TABLE[:, 0].tolist())))
def test_sizes_are_those_of_the_reference(canvas: int) -> None:
    rows = TABLE[TABLE[:, 0] == canvas]
    found = ops.convert_to_numpy(fitted_sizes(ops.convert_to_tensor(rows[:, 1:3]), (canvas, canvas)))
    np.testing.assert_array_equal(found, rows[:, 3:5])


@pytest.mark.parametrize("side", [16, 5])
def test_values_are_those_of_the_reference(side: int) -> None:
    image = unit("resize_small/image").astype(np.uint8)
    resized, fitted = resize([image], (side, side))
    np.testing.assert_allclose(resized[0], unit(f"resize_small/to_{side}/image"), atol=1e-4)
    np.testing.assert_array_equal(fitted[0], unit(f"resize_small/to_{side}/true_shape")[:2])


@settings(max_examples=15, deadline=None)
@given(SIDES, SIDES, st.sampled_from(["legacy", "half_pixel"]))
@example(24, 32, "legacy")
@example(1, 40, "legacy")
@example(40, 1, "half_pixel")
def test_values_equal_a_plain_loop(height: int, width: int, sampling: Sampling) -> None:
    image = noise(height, width)
    resized, fitted = resize([image], CANVAS, sampling)
    assert tuple(fitted[0]) == plain_size(height, width, CANVAS)
    np.testing.assert_allclose(resized[0], plain_resize(image, CANVAS, sampling), atol=1e-2)


@settings(max_examples=8, deadline=None)
@given(st.lists(st.tuples(SIDES, SIDES), min_size=3, max_size=3))
def test_a_batch_of_different_sizes_equals_one_by_one(sizes: list[tuple[int, int]]) -> None:
    images = [noise(*size, seed) for seed, size in enumerate(sizes)]
    together, fitted = resize(images, CANVAS)
    for row, image in enumerate(images):
        alone, size = resize([image], CANVAS)
        np.testing.assert_array_equal(together[row], alone[0])
        np.testing.assert_array_equal(fitted[row], size[0])


@settings(max_examples=30, deadline=None)
@given(hnp.arrays(np.int32, (50, 2), elements=st.integers(1, 20000)), st.sampled_from([320, 512, 1024]))
def test_any_size_is_fitted_by_the_plain_rule_and_fills_the_canvas(sizes: np.ndarray, side: int) -> None:
    found = ops.convert_to_numpy(fitted_sizes(ops.convert_to_tensor(sizes), (side, side)))
    expected = [plain_size(height, width, (side, side)) for height, width in sizes.tolist()]
    np.testing.assert_array_equal(found, expected)
    assert (found.max(axis=1) == side).all()
    assert (found.min(axis=1) >= 1).all()


def test_an_image_of_the_canvas_size_is_not_changed() -> None:
    image = noise(*CANVAS)
    np.testing.assert_array_equal(resize([image], CANVAS)[0][0], image)
