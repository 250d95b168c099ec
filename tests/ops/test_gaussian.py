"""Gaussians: the reference's, and a plain NumPy loop that restates the drawing."""

from __future__ import annotations

import re
from functools import cache

import keras
import numpy as np
import pytest
from goldens.training import training
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from centernet.ops import gaussian
from centernet.ops.gaussian import draw_gaussians, gaussian_radius, integer_radius

SIZE = (11, 14)
CLASSES = 3
BATCH, OBJECTS = 2, 5
OVERLAPS = (0.7, 0.3)
SINGLE = sorted(name for name in training("targets") if re.match(r"draw_gaussian/\d", name))
FEW = st.integers(0, 2**32 - 1)


def compiled(function):
    """The function as its backend compiles it: some compile a loop anew at every call otherwise."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(function, autograph=False)
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    return function


@cache
def drawing(heatmaps: int, size: tuple[int, int] = SIZE):
    return compiled(
        lambda centers, deviations, radii, ids: draw_gaussians(
            [centers[i] for i in range(heatmaps)], [deviations[i] for i in range(heatmaps)], radii, ids, size, CLASSES
        )
    )


def draw(centers, deviations, radii, class_ids, size: tuple[int, int] = SIZE) -> list[np.ndarray]:
    """Of arrays with one more axis, over the heatmaps, in `centers` and `deviations`."""
    arrays = np.int32(centers), np.float32(deviations), np.int32(radii), np.int32(class_ids)
    found = drawing(len(centers), size)(*map(ops.convert_to_tensor, arrays))
    return [ops.convert_to_numpy(heatmap) for heatmap in found]


def plain_draw(centers, deviations, radii, class_ids, size: tuple[int, int] = SIZE) -> np.ndarray:
    """One heatmap, cell by cell in float64."""
    heatmap = np.zeros((len(centers), *size, CLASSES))
    for image, row in enumerate(np.asarray(class_ids)):
        for number, class_id in enumerate(row):
            (x0, y0), radius, deviation = centers[image][number], radii[image][number], deviations[image][number]
            for y in range(max(y0 - radius, 0), min(y0 + radius + 1, size[0])):
                for x in range(max(x0 - radius, 0), min(x0 + radius + 1, size[1])):
                    if class_id >= 0:
                        value = np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / (2 * deviation**2))
                        heatmap[image, y, x, class_id] = max(heatmap[image, y, x, class_id], value)
    return heatmap


def some_objects(seed: int, heatmaps: int = 2):
    """Centers, deviations, radii and classes; some classes are padding."""
    random = np.random.default_rng(seed)
    shape = (BATCH, OBJECTS)
    centers = np.stack([random.integers(0, SIZE[::-1], (*shape, 2)) for _ in range(heatmaps)])
    radii = random.integers(0, 12, shape)
    deviations = np.stack([(2 * radii + 1) / divisor for divisor in (6, 5)[:heatmaps]])
    return centers, deviations, radii, random.integers(-1, CLASSES, shape)


@pytest.mark.parametrize("overlap", OVERLAPS)
def test_the_radius_is_the_reference_s(overlap: float) -> None:
    height, width = np.float32(training("targets")["gaussian_radius/hw"]).T
    expected = training("targets")[f"gaussian_radius/iou{overlap}"]
    radius = ops.convert_to_numpy(gaussian_radius(*map(ops.convert_to_tensor, (height, width)), overlap))
    np.testing.assert_allclose(radius, expected, rtol=1e-6)
    whole = ops.convert_to_numpy(integer_radius(*map(ops.convert_to_tensor, (height, width)), overlap))
    np.testing.assert_array_equal(whole, np.floor(expected))


@pytest.mark.parametrize("overlap", [0.7, 0.5, 0.3])
def test_the_radius_of_the_tensorflow_api_is_the_same(overlap: float) -> None:
    height, width, distance = (
        training("targets")[f"tensorflow_radius/{overlap}/{name}"] for name in ("height", "width", "distance")
    )
    radius = ops.convert_to_numpy(gaussian_radius(*map(ops.convert_to_tensor, (height, width)), overlap))
    np.testing.assert_allclose(radius, distance, atol=2e-5)  # it subtracts nearly equal float32 values


def test_of_the_published_three_roots_the_third_is_always_least_and_rounds_alike() -> None:
    height, width = np.meshgrid(np.arange(1.0, 301), np.arange(1.0, 301))
    roots = []
    for a, b, c in (
        (1, height + width, height * width * 0.3 / 1.7),
        (4, 2 * (height + width), 0.3 * height * width),
        (4 * 0.7, -2 * 0.7 * (height + width), (0.7 - 1) * height * width),
    ):
        roots.append((b + np.sqrt(b**2 - 4 * a * c)) / 2)
    np.testing.assert_array_equal(np.min(roots, axis=0), roots[2])
    ours = integer_radius(*(ops.convert_to_tensor(np.float32(side)) for side in (height, width)))
    np.testing.assert_array_equal(ops.convert_to_numpy(ours), np.floor(roots[2]).astype(int))


def test_a_box_without_area_has_radius_zero() -> None:
    sides = ops.convert_to_tensor(np.float32([0, 0, 5]))
    assert ops.convert_to_numpy(integer_radius(sides, ops.zeros((3,)))).tolist() == [0, 0, 0]


@pytest.mark.parametrize("name", SINGLE)
def test_a_gaussian_is_the_reference_s(name: str) -> None:
    x, y, radius, divisor = map(int, re.findall(r"_[xyrd](\d+)", name))
    deviation = (2 * radius + 1) / divisor
    found = draw([[[[x, y]]]], [[[deviation]]], [[radius]], [[1]], (10, 12))[0]
    np.testing.assert_allclose(found[0, ..., 1], training("targets")[name], atol=1e-6)
    assert not found[..., [0, 2]].any()
    assert (found == 1).sum() == 1


def test_where_gaussians_meet_the_highest_stays_as_in_the_reference() -> None:
    centers, radii = [[[3, 3], [6, 4], [3, 3]]], [[4, 2, 1]]
    found = draw([centers], (2 * np.float32([radii]) + 1) / 6, radii, [[0, 0, 0]], (10, 12))[0]
    np.testing.assert_allclose(
        found[0, ..., 0], training("targets")["draw_gaussian/overlap_3_3_4__6_4_2__3_3_1"], atol=1e-6
    )


@settings(max_examples=30, deadline=None)
@given(FEW)
def test_heatmaps_of_a_batch_equal_a_loop_over_the_objects(seed: int) -> None:
    centers, deviations, radii, class_ids = some_objects(seed)
    found = draw(centers, deviations, radii, class_ids)
    for heatmap, of_map, deviation in zip(found, centers, deviations, strict=True):
        expected = plain_draw(of_map, deviation, radii, class_ids)
        np.testing.assert_allclose(heatmap, expected, atol=1e-6)
        np.testing.assert_array_equal(heatmap == 1, expected == 1)


@pytest.mark.parametrize("chunk", [1, 64])
def test_the_size_of_the_chunks_changes_nothing(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = some_objects(4)
    whole = draw(*objects)
    monkeypatch.setattr(gaussian, "CHUNK", chunk)
    drawing.cache_clear()
    pieces = draw(*objects)
    drawing.cache_clear()
    np.testing.assert_allclose(pieces, whole, atol=1e-7)  # an exponential may round otherwise in another place


def test_windows_partly_or_wholly_outside_the_map_are_cut_off() -> None:
    centers = np.array([[[-2, 3], [20, 5], [-30, -30]]])
    radii, deviations = np.array([[4, 7, 2]]), np.array([[2.0, 3.0, 1.0]])
    found = draw([centers], [deviations], radii, [[0, 1, 2]])[0]
    np.testing.assert_allclose(found, plain_draw(centers, deviations, radii, [[0, 1, 2]]), atol=1e-6)
    assert found[..., 0].any()
    assert not found[..., 2].any()


def test_without_objects_heatmaps_are_zero() -> None:
    centers, deviations, radii, _ = some_objects(0)
    assert not np.any(draw(centers, deviations, radii, np.full((BATCH, OBJECTS), -1)))
    empty = draw(centers[:, :, :0], deviations[:, :, :0], radii[:, :0], np.zeros((BATCH, 0)))
    assert [heatmap.shape for heatmap in empty] == [(BATCH, *SIZE, CLASSES)] * 2
    assert not np.any(empty)
