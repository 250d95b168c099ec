"""Peaks: the reference's, and a plain NumPy restatement of the rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from goldens.reference import unit
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from keras import ops

from centernet.ops.peaks import best_peaks, best_peaks_per_channel, gather_at, suppress_non_peaks

# One shape, because some backends compile for each; few different values, so that many are equal.
SHAPE = (2, 5, 6, 3)
each_kind = pytest.mark.parametrize("array", [ops.convert_to_tensor, np.array], ids=["tensor", "NumPy"])
HEATMAPS = hnp.arrays(np.float32, SHAPE, elements=st.sampled_from(np.float32([0, 0.1, 0.25, 0.5, 0.9, 1])))


def plain_peaks(heatmap: np.ndarray) -> np.ndarray:
    """A value that is smaller than one of its eight neighbours becomes zero."""
    _, height, width, _ = heatmap.shape
    peaks = np.zeros_like(heatmap)
    for y in range(height):
        for x in range(width):
            around = heatmap[:, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].max(axis=(1, 2))
            here = heatmap[:, y, x]
            peaks[:, y, x] = np.where(around - here < 1e-6, here, 0)
    return peaks


def plain_best(values: np.ndarray, k: int) -> np.ndarray:
    """Indices of the highest values, of equal ones the first."""
    return np.argsort(-values, kind="stable")[:k]


def to_numpy(peaks) -> list[np.ndarray]:
    return [ops.convert_to_numpy(field) for field in peaks]


def check_best(heatmap: np.ndarray, k: int, array: Callable[..., Any]) -> None:
    _, height, width, channels = heatmap.shape
    found = to_numpy(best_peaks(array(heatmap), k))
    for image, peaks in enumerate(plain_peaks(heatmap)):
        best = plain_best(peaks.ravel(), k)
        rows, columns, of_channel = np.unravel_index(best, (height, width, channels))
        for got, wanted in zip(found, (peaks.ravel()[best], rows, columns, of_channel), strict=True):
            np.testing.assert_array_equal(got[image], wanted)


@each_kind
def test_best_peaks_are_those_of_the_reference(array: Callable[..., Any]) -> None:
    found = best_peaks(array(unit("peaks/feature_map")), 12)
    for name, got in zip(("scores", "y", "x", "channel"), to_numpy(found), strict=True):
        np.testing.assert_array_equal(got, unit(f"peaks/k12_pool3_global/{name}"))


@each_kind
def test_best_peaks_per_channel_are_those_of_the_reference(array: Callable[..., Any]) -> None:
    found = best_peaks_per_channel(array(unit("peaks/feature_map")), 4)
    for name, got in zip(("scores", "y", "x", "channel"), to_numpy(found), strict=True):
        assert got.shape == (2, 5, 4)
        np.testing.assert_array_equal(got.reshape(2, -1), unit(f"peaks/k4_pool3_perchannel/{name}"))


@each_kind
@settings(max_examples=40, deadline=None)
@given(heatmap=HEATMAPS, k=st.sampled_from([1, 7, 30]))
def test_best_peaks_equal_a_full_sort_with_ties_in_order_of_position(
    array: Callable[..., Any], heatmap: np.ndarray, k: int
) -> None:
    check_best(heatmap, k, array)


@each_kind
@settings(max_examples=20, deadline=None)
@given(heatmap=HEATMAPS)
def test_best_peaks_per_channel_equal_a_full_sort(array: Callable[..., Any], heatmap: np.ndarray) -> None:
    k = 4
    found = to_numpy(best_peaks_per_channel(array(heatmap), k))
    for image, peaks in enumerate(plain_peaks(heatmap)):
        for channel in range(SHAPE[3]):
            best = plain_best(peaks[..., channel].ravel(), k)
            rows, columns = np.unravel_index(best, SHAPE[1:3])
            wanted = (peaks[..., channel].ravel()[best], rows, columns, np.full(k, channel))
            for got, expected in zip(found, wanted, strict=True):
                np.testing.assert_array_equal(got[image, channel], expected)


def test_best_peaks_of_a_real_size_equal_a_full_sort() -> None:
    heatmap = np.random.default_rng(0).random((1, 64, 64, 90), np.float32).round(3)  # rounded: many ties
    check_best(heatmap, 100, ops.convert_to_tensor)


@settings(max_examples=20, deadline=None)
@given(HEATMAPS)
def test_only_peaks_are_kept(heatmap: np.ndarray) -> None:
    kept = ops.convert_to_numpy(suppress_non_peaks(ops.convert_to_tensor(heatmap)))
    np.testing.assert_array_equal(kept, plain_peaks(heatmap))


@pytest.mark.parametrize(("difference", "kept"), [(5e-7, True), (1e-5, False)])
def test_a_value_a_millionth_below_its_neighbour_is_still_a_peak(difference: float, kept: bool) -> None:
    heatmap = np.zeros((1, 4, 4, 1), np.float32)
    heatmap[0, 1, 1:3, 0] = 0.5, 0.5 - difference
    peaks = ops.convert_to_numpy(suppress_non_peaks(ops.convert_to_tensor(heatmap)))
    assert (peaks[0, 1, 2, 0] > 0) == kept


def test_where_peaks_are_missing_the_scores_are_zero() -> None:
    heatmap = np.zeros((1, 4, 4, 2), np.float32)
    heatmap[0, 2, 1, 1] = 0.7
    scores, rows, columns, channels = to_numpy(best_peaks(ops.convert_to_tensor(heatmap), 5))
    np.testing.assert_array_equal(scores, np.float32([[0.7, 0, 0, 0, 0]]))
    assert (rows[0, 0], columns[0, 0], channels[0, 0]) == (2, 1, 1)


def test_values_are_gathered_at_the_positions_of_each_image() -> None:
    features = np.arange(2 * 3 * 4 * 2, dtype=np.float32).reshape(2, 3, 4, 2)
    rows, columns = np.int32([[0, 2, 1], [1, 1, 0]]), np.int32([[3, 0, 1], [2, 2, 0]])
    found = ops.convert_to_numpy(gather_at(*map(ops.convert_to_tensor, (features, rows, columns))))
    np.testing.assert_array_equal(found, features[np.arange(2)[:, None], rows, columns])
