"""Objects of a batch: which boxes are some, and which cells they cover."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from centernet.errors import CenterNetError
from centernet.ops.objects import covered_cells, objects_inside

SIZE = (7, 9)


def inside(boxes, class_ids) -> tuple[np.ndarray, np.ndarray]:
    tensors = ops.convert_to_tensor(np.float32(boxes)), ops.convert_to_tensor(np.int32(class_ids))
    return tuple(ops.convert_to_numpy(value) for value in objects_inside(*tensors, (60, 80), 3)[:2])


def covered(boxes: np.ndarray, channels: np.ndarray) -> np.ndarray:
    tensors = ops.convert_to_tensor(np.float32(boxes)), ops.convert_to_tensor(channels)
    return ops.convert_to_numpy(covered_cells(*tensors, SIZE))


def plainly_covered(boxes: np.ndarray, channels: np.ndarray) -> np.ndarray:
    cells = np.zeros((len(boxes), *SIZE, channels.shape[-1]), bool)
    for image, number, channel in np.argwhere(channels):
        x0, y0, x1, y1 = boxes[image, number]
        for y, x in np.ndindex(SIZE):
            cells[image, y, x, channel] |= x0 <= x < x1 and y0 <= y < y1
    return cells


def test_boxes_are_clipped_and_what_is_no_object_is_zero() -> None:
    boxes = [
        [10, 10, 30, 30],
        [-5, 20, 90, 70],
        [10, 10, 10, 30],
        [85, 10, 95, 20],
        [10, np.nan, 20, 30],
        [1, 2, 3, 4],
        [1, 2, 3, 4],
    ]
    found, mask = inside([boxes], [[0, 2, 1, 1, 1, 3, -1]])
    assert mask.tolist() == [[True, True, False, False, False, False, False]]
    np.testing.assert_array_equal(found[0, :2], [[10, 10, 30, 30], [0, 20, 80, 60]])
    assert not found[0, 2:].any()
    assert found.dtype == np.float32


def test_shapes_that_don_t_belong_together_are_refused() -> None:
    with pytest.raises(CenterNetError, match=r"Received: \(1, 2, 3\) and \(1, 2\)"):
        inside(np.zeros((1, 2, 3)), np.zeros((1, 2)))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_covered_cells_are_those_of_a_plain_loop(seed: int) -> None:
    random = np.random.default_rng(seed)
    corners = np.sort(random.integers(-8, 40, (2, 3, 2, 2)) / 4, axis=2)  # some on the edges of cells
    boxes, channels = corners.reshape(2, 3, 4), random.random((2, 3, 2)) < 0.5
    np.testing.assert_array_equal(covered(boxes, channels), plainly_covered(boxes, channels))


def test_no_boxes_cover_nothing() -> None:
    assert not covered(np.zeros((2, 0, 4)), np.zeros((2, 0, 3), bool)).any()
    assert not covered(np.zeros((2, 1, 4)), np.ones((2, 1, 3), bool)).any()
