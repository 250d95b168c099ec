"""Objects on a canvas: a plain loop over boxes and points that restates the map, and what becomes of cut ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops
from training.augmentation.probes import CANVAS, SLOTS, augment, probe_batch

from centernet.training.augmentation.objects import first_objects, place_objects
from centernet.training.augmentation.windows import Windows

BATCH, POINTS = 4, 25
FLIP = (1, 0, *range(2, POINTS))


def random_windows(rng: np.random.Generator, parts: int) -> dict[str, np.ndarray]:
    low = np.zeros((BATCH, parts, 2), np.float32)
    high = np.full((BATCH, parts, 2), 40, np.float32)
    if parts > 1:
        low[:, 1], high[:, 0] = 17, 17
    return {
        "sources": rng.integers(0, BATCH, (BATCH, parts)).astype(np.int32),
        "sizes": rng.integers(5, 60, (BATCH, parts, 2)).astype(np.float32),
        "mirrored": rng.random((BATCH, parts, 2)) < 0.5,
        "starts": rng.uniform(-30, 30, (BATCH, parts, 2)).astype(np.float32),
        "ratios": rng.uniform(0.3, 3, (BATCH, parts, 2)).astype(np.float32),
        "low": low,
        "high": high,
    }


def random_objects(rng: np.random.Generator) -> dict[str, np.ndarray]:
    ends = rng.uniform(0, 50, (BATCH, SLOTS, 2, 2))
    keypoints = rng.uniform(0, 50, (BATCH, SLOTS, POINTS, 3))
    keypoints[..., 2] = rng.integers(0, 3, keypoints.shape[:3])
    return {
        "boxes": np.concatenate([ends.min(axis=2), ends.max(axis=2)], axis=-1).astype(np.float32),
        "class_ids": rng.integers(-1, 3, (BATCH, SLOTS)).astype(np.int32),
        "ignore": rng.random((BATCH, SLOTS)) < 0.3,
        "keypoints": keypoints.astype(np.float32),
    }


def plain_object(objects: dict[str, np.ndarray], windows: dict[str, np.ndarray], at: Any, slot: int, cut: str) -> Any:
    """Box, class id, ignore and keypoints of one object in one part of a canvas, or None."""
    photo = windows["sources"][at]
    height, width = windows["sizes"][at].astype(np.float64)
    down, right = windows["mirrored"][at]
    (top, left), (rows, columns) = (windows[name][at].astype(np.float64) for name in ("starts", "ratios"))

    def move(x: float, y: float) -> tuple[float, float]:
        x, y = width - x if right else x, height - y if down else y
        return (x - left) / columns, (y - top) / rows

    ends = [move(0, 0), move(width, height)]
    low = [max(windows["low"][at][1 - axis], min(end[axis] for end in ends)) for axis in (0, 1)]
    high = [min(windows["high"][at][1 - axis], max(end[axis] for end in ends)) for axis in (0, 1)]
    box = objects["boxes"][photo, slot].astype(np.float64)
    corners = np.sort([move(*box[:2]), move(*box[2:])], axis=0)
    middle = corners.mean(axis=0)
    centered = all(low[axis] <= middle[axis] < high[axis] for axis in (0, 1))
    clipped = [max(low[i % 2], min(high[i % 2], value)) for i, value in enumerate(corners.ravel())]
    seen = clipped[2] > clipped[0] and clipped[3] > clipped[1]
    ignore = objects["ignore"][photo, slot]
    class_id = objects["class_ids"][photo, slot]
    if class_id < 0 or not (seen if ignore else centered or (cut != "drop" and seen)):
        return None
    source = objects["keypoints"][photo, slot].astype(np.float64)
    if down != right:
        source = source[list(FLIP)]
    points = np.zeros((POINTS, 3))
    for index, (x, y, visibility) in enumerate(source):
        x, y = move(x, y)
        if visibility and low[0] <= x <= high[0] and low[1] <= y <= high[1]:
            points[index] = x, y, visibility
    return clipped, class_id, ignore or (cut == "ignore" and not centered), points


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1, 4]), st.sampled_from(["drop", "ignore", "keep"]))
def test_objects_equal_a_plain_loop(seed: int, parts: int, cut: Any) -> None:
    rng = np.random.default_rng(seed)
    windows, objects = random_windows(rng, parts), random_objects(rng)
    tensors = Windows(**{name: ops.convert_to_tensor(values) for name, values in windows.items()})
    inputs = {name: ops.convert_to_tensor(values) for name, values in objects.items()}
    placed = {k: ops.convert_to_numpy(v) for k, v in place_objects(inputs, tensors, FLIP, cut).items()}
    assert placed["boxes"].shape == (BATCH, parts * SLOTS, 4)
    for at in np.ndindex(BATCH, parts):
        for slot in range(SLOTS):
            row = at[0], at[1] * SLOTS + slot
            expected = plain_object(objects, windows, at, slot, cut)
            if expected is None:
                assert placed["class_ids"][row] == -1
                assert not any(placed[name][row].any() for name in ("boxes", "ignore", "keypoints"))
                continue
            np.testing.assert_allclose(placed["boxes"][row], expected[0], atol=1e-3)
            assert (placed["class_ids"][row], placed["ignore"][row]) == expected[1:3]
            np.testing.assert_allclose(placed["keypoints"][row], expected[3], atol=1e-3)


@pytest.mark.parametrize(("cut", "class_id", "ignore"), [("drop", -1, False), ("ignore", 0, True), ("keep", 0, False)])
def test_a_box_whose_center_leaves_becomes_what_was_asked_for(cut: str, class_id: int, ignore: bool) -> None:
    batch = probe_batch([CANVAS])
    batch["boxes"][0, :4] = [[2, 15, 16, 25], [0, 0, 5, 5], [2, 15, 16, 25], [0, 0, 5, 5]]
    batch["class_ids"][0, :4] = 0
    batch["ignore"][0, 2:4] = True
    found = augment(batch, crop=(0.5, 0.5), cut_objects=cut)  # sees 10–30 in both directions
    np.testing.assert_array_equal(found["class_ids"][0, :4], [class_id, -1, 0, -1])
    np.testing.assert_array_equal(found["ignore"][0, :4], [ignore, False, True, False])
    np.testing.assert_allclose(found["boxes"][0, 2], [0, 10, 12, 30], atol=1e-4)


def test_a_person_keeps_left_and_right_in_a_mirrored_photo_and_in_one_turned_by_half_a_circle() -> None:
    batch = probe_batch([CANVAS], points=3)
    batch["keypoints"][0, 0] = [[10, 5, 2], [30, 6, 1], [20, 30, 2]]  # two that are a pair, and one in the middle
    once = augment(batch, flip=(1, 0, 2), horizontal_flip=1.0)["keypoints"][0, 0]
    twice = augment(batch, flip=(1, 0, 2), horizontal_flip=1.0, vertical_flip=1.0)["keypoints"][0, 0]
    np.testing.assert_allclose(once, [[10, 6, 1], [30, 5, 2], [20, 30, 2]], atol=1e-4)
    np.testing.assert_allclose(twice, [[30, 35, 2], [10, 34, 1], [20, 10, 2]], atol=1e-4)


def test_objects_move_up_in_their_order() -> None:
    ids = ops.convert_to_tensor([[-1, 3, -1, 1, 2], [0, 1, 2, 3, 4]])
    boxes = ops.cast(ops.stack([ids] * 4, axis=-1), "float32")
    found = first_objects({"class_ids": ids, "boxes": boxes}, 4)
    np.testing.assert_array_equal(ops.convert_to_numpy(found["class_ids"]), [[3, 1, 2, -1], [0, 1, 2, 3]])
    np.testing.assert_array_equal(ops.convert_to_numpy(found["boxes"])[..., 0], [[3, 1, 2, -1], [0, 1, 2, 3]])
