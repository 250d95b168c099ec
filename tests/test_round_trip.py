"""Boxes become targets, targets become head maps, head maps are decoded: the same boxes come back, in both families."""

from __future__ import annotations

from functools import cache
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from keras import ops
from small import small_detector
from small_triplets import small_triplets

from centernet.data.batches.fitting import pad_objects
from centernet.data.keypoints import KeypointTask
from centernet.models.points.targets import point_targets
from centernet.models.triplets.targets import triplet_targets

SIZE, CELLS, CLASSES, SLOTS = (96, 128), (24, 32), ("a", "b", "c"), 8
LOWEST = 1e-5  # probability where there is nothing
PIXELS = 0.05
KINDS = 3

# Quarters of pixels, so that some lie on the edges of cells: left, top, width, height, class.
OBJECT = st.tuples(
    st.integers(0, 4 * SIZE[1] - 8),
    st.integers(0, 4 * SIZE[0] - 8),
    st.integers(8, 512),
    st.integers(8, 384),
    st.integers(0, 2),
)


@st.composite
def objects(draw: Any) -> tuple[np.ndarray, np.ndarray]:
    """Boxes inside the input whose corners and centers all lie in cells of their own, and classes."""
    taken: set[tuple[Any, ...]] = set()
    kept = []
    for left, top, width, height, class_id in draw(st.lists(OBJECT, min_size=1, max_size=SLOTS)):
        box = np.array([left, top, min(left + width, 4 * SIZE[1]), min(top + height, 4 * SIZE[0])]) / 4
        points = box[:2], box[2:], (box[:2] + box[2:]) / 2
        last = np.array(CELLS[::-1]) - 1
        cells = {(kind, *np.minimum(point // 4, last)) for kind, point in enumerate(points)}
        if not cells & taken:
            taken |= cells
            kept.append((*box, class_id))
    rows = np.array(kept)
    return rows[:, :4], rows[:, 4].astype(int)


@cache
def rendering(function: Any):
    """A family's targets, as the backend compiles them."""

    def render(boxes, class_ids, **options):
        return function(boxes, class_ids, input_size=SIZE, output_size=CELLS, num_classes=len(CLASSES), **options)

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(render, autograph=False)
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(render, static_argnames="keypoint_class")
    return render


def targets_of(function: Any, boxes: np.ndarray, class_ids: np.ndarray, **options: Any) -> dict[str, np.ndarray]:
    padded = pad_objects(SLOTS, boxes=[boxes], class_ids=[class_ids])
    found = rendering(function)(*map(ops.convert_to_tensor, padded.values()), **options)
    return {name: ops.convert_to_numpy(value) for name, value in found.items()}


def as_logits(heatmap: np.ndarray) -> np.ndarray:
    probability = np.clip(heatmap, LOWEST, 1 - 1e-4)
    return np.log(probability / (1 - probability))


def at_cells(cells: np.ndarray, values: np.ndarray) -> np.ndarray:
    """A map `(1, height, width, channels)` with values `(n, channels)` at cells `(n,)`."""
    features = np.zeros((CELLS[0] * CELLS[1], values.shape[-1]), np.float32)
    features[cells] = values
    return features.reshape(1, *CELLS, -1)


def check_found(detector: Any, maps: dict[str, np.ndarray], boxes: np.ndarray, class_ids: np.ndarray) -> Any:
    """Hold what a detector decodes to the objects; returns its arrays, in the order of the objects."""
    tensors = {name: [ops.convert_to_tensor(value)] for name, value in maps.items()}
    found = {name: ops.convert_to_numpy(value)[0] for name, value in detector.decode(tensors, np.int32([SIZE])).items()}
    # Nothing but the objects is found.
    assert (found["scores"] > 0.5).sum() == len(boxes)
    distance = np.abs(found["boxes"][: len(boxes), None] - boxes).max(axis=-1)
    distance += 1000 * (found["class_ids"][: len(boxes), None] != class_ids)
    order = distance.argmin(axis=0)
    assert distance[order, np.arange(len(boxes))].max() <= PIXELS
    assert len(set(order)) == len(boxes)
    return {name: value[order] for name, value in found.items()}


@cache
def points(keypoints: bool = False) -> Any:
    task = KeypointTask("b", tuple(f"k{number}" for number in range(KINDS))) if keypoints else None
    return small_detector(CLASSES, image_size=SIZE, keypoints=task, lively=False)


@cache
def triplets() -> Any:
    return small_triplets(CLASSES, image_size=SIZE, lively=False)


def point_maps(targets: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    cells = targets["cell"][targets["mask"]]
    maps = {name: at_cells(cells, targets[name][targets["mask"]]) for name in ("size", "offset")}
    return {"heatmap": as_logits(targets["heatmap"])} | maps


def triplet_maps(targets: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    mask, maps = targets["mask"], {}
    tags = 2.0 * np.arange(1, mask.sum() + 1)[:, None]
    for keypoint in ("top_left", "bottom_right", "center"):
        cells = targets[f"{keypoint}_cell"][mask]
        maps[keypoint] = as_logits(targets[keypoint])
        maps[f"{keypoint}_offset"] = at_cells(cells, targets[f"{keypoint}_offset"][mask])
        if keypoint != "center":
            maps[f"{keypoint}_embedding"] = at_cells(cells, tags)
    return maps


@settings(max_examples=30, deadline=None)
@given(objects())
def test_objects_as_points_find_the_boxes_of_their_targets(case: tuple[np.ndarray, np.ndarray]) -> None:
    check_found(points(), point_maps(targets_of(point_targets, *case)), *case)


@settings(max_examples=30, deadline=None)
@given(objects())
def test_keypoint_triplets_find_the_boxes_of_their_targets(case: tuple[np.ndarray, np.ndarray]) -> None:
    check_found(triplets(), triplet_maps(targets_of(triplet_targets, *case)), *case)


def apart(cells: np.ndarray) -> bool:
    """Whether no two keypoints of one kind are in the same cell or in neighbors, where one peak hides the other."""
    distances = abs(cells[:, None] - cells[None]).max(axis=-1)
    return bool((distances[~np.eye(len(cells), dtype=bool)] > 1).all())


@settings(max_examples=20, deadline=None)
@given(objects(), st.integers(0, 2**32 - 1))
def test_objects_as_points_find_the_keypoints_of_their_targets(case: Any, seed: int) -> None:
    boxes, class_ids = case
    inside = np.random.default_rng(seed).uniform(0, 1, (len(boxes), KINDS, 2))
    positions = boxes[:, None, :2] + inside * (boxes[:, None, 2:] - boxes[:, None, :2]) * 0.999
    assume(apart(positions[class_ids == 1] // 4))
    keypoints = np.zeros((1, SLOTS, KINDS, 3), np.float32)
    keypoints[0, : len(boxes), :, :2], keypoints[0, : len(boxes), :, 2] = positions, 2
    targets = targets_of(point_targets, boxes, class_ids, keypoints=ops.convert_to_tensor(keypoints), keypoint_class=1)
    people = targets["mask"][0] & (np.pad(class_ids, (0, SLOTS - len(boxes)), constant_values=-1) == 1)
    maps = point_maps(targets) | {"keypoint_heatmap": as_logits(targets["keypoint_heatmap"])}
    middle = targets["keypoint_offset"].shape[3] // 2  # of the disc
    vectors = targets["keypoint_regression"][0, people, :, middle].reshape(-1, 2 * KINDS)
    maps["keypoint_regression"] = at_cells(targets["cell"][0, people], vectors)
    own, vectors = (targets[f"keypoint_offset{ending}"][0, people, :, middle] for ending in ("_cell", ""))
    each = [at_cells(own[:, kind], vectors[:, kind]) for kind in range(KINDS)]
    maps["keypoint_offset"] = np.concatenate(each, axis=-1)
    found = check_found(points(keypoints=True), maps, boxes, class_ids)
    kept = class_ids == 1
    np.testing.assert_allclose(found["keypoints"][kept], positions[kept], atol=PIXELS)
    assert not found["keypoints"][~kept].any()


@pytest.mark.parametrize("offset", [0.0, 0.5, 3.5])
def test_a_box_in_the_corner_of_the_input_comes_back(offset: float) -> None:
    boxes = np.array([[0, 0, 9 + offset, 7], [SIZE[1] - 9 - offset, SIZE[0] - 7, SIZE[1], SIZE[0]]])
    case = boxes, np.array([0, 2])
    check_found(points(), point_maps(targets_of(point_targets, *case)), *case)
    check_found(triplets(), triplet_maps(targets_of(triplet_targets, *case)), *case)
