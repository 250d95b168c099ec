"""Boxes: the reference's corners, and round trips."""

from __future__ import annotations

import numpy as np
import pytest
from goldens.reference import unit
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from keras import ops

from centernet.ops.boxes import enlarge, from_center

PAIRS = hnp.arrays(np.float32, (4, 2), elements=st.floats(-500, 500, width=32))


def to_numpy(value) -> np.ndarray:
    return ops.convert_to_numpy(value)


@pytest.mark.parametrize(("era", "least_size"), [("published_2020_07", -np.inf), ("published_2021_02", 0.0)])
def test_corners_are_those_of_the_reference(era: str, least_size: float) -> None:
    images = np.arange(2)[:, None]
    rows, columns = unit("boxes/y"), unit("boxes/x")
    size = np.maximum(unit("boxes/height_width")[images, rows, columns], np.float32(least_size))
    center = np.stack([rows, columns], -1) + unit("boxes/offset")[images, rows, columns]
    boxes = to_numpy(from_center(*map(ops.convert_to_tensor, (center.astype(np.float32), size))))
    np.testing.assert_allclose(boxes[..., [1, 0, 3, 2]], unit("boxes/boxes_strided", era), atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(PAIRS, PAIRS)
def test_center_and_size_come_back_from_the_corners(center: np.ndarray, size: np.ndarray) -> None:
    boxes = to_numpy(from_center(ops.convert_to_tensor(center), ops.convert_to_tensor(size)))
    np.testing.assert_allclose((boxes[:, :2] + boxes[:, 2:]) / 2, center[:, ::-1], atol=1e-3)
    np.testing.assert_allclose(boxes[:, 2:] - boxes[:, :2], size[:, ::-1], atol=1e-3)


@settings(max_examples=30, deadline=None)
@given(PAIRS, PAIRS, st.sampled_from([0.0, 0.5, 1.0, 1.2, 3.0]))
def test_enlarging_keeps_the_center_and_scales_the_size(center: np.ndarray, size: np.ndarray, factor: float) -> None:
    boxes = from_center(ops.convert_to_tensor(center), ops.convert_to_tensor(size))
    expected = from_center(ops.convert_to_tensor(center), ops.convert_to_tensor(size * np.float32(factor)))
    np.testing.assert_allclose(to_numpy(enlarge(boxes, factor)), to_numpy(expected), atol=1e-2)


def test_a_box_is_x_before_y_from_a_center_that_is_y_before_x() -> None:
    boxes = from_center(ops.convert_to_tensor([[10.0, 20.0]]), ops.convert_to_tensor([[4.0, 8.0]]))
    np.testing.assert_array_equal(to_numpy(boxes), [[16.0, 8.0, 24.0, 12.0]])
