"""Targets of keypoints: those of the reference's assigners, and what must hold of any keypoints."""

from __future__ import annotations

from functools import cache
from typing import Any

import keras
import numpy as np
import pytest
from goldens.point_training import UNIT_SIZE, of_units, training, unit_objects
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from centernet.errors import CenterNetError
from centernet.models.points.targets import point_targets
from centernet.models.settings import PointTargetSettings

UNITS = {"perkp_r3": 3, "perkp_r1": 1, "shared_r0": 0}
OUTPUT = (24, 32)
ERAS = {"2021-07": "", "2020-07": "published_2020_07/"}
VECTORS = (
    "keypoint_mask",
    *(f"keypoint_{name}{ending}" for name in ("offset", "regression") for ending in ("", "_cell", "_mask")),
)
FEW = st.integers(0, 2**32 - 1)


@cache
def rendering(radius: int, rule: str, deviations: tuple[float, ...]):
    """`point_targets` with keypoints of class 0, as the backend compiles it."""
    options: dict[str, Any] = {"input_size": UNIT_SIZE, "output_size": OUTPUT, "num_classes": 2, "keypoint_class": 0}
    options |= {
        "settings": PointTargetSettings(keypoint_radius=radius, keypoint_mask=rule),
        "deviations": deviations,
    }

    def function(boxes, class_ids, keypoints, ignore):
        return point_targets(boxes, class_ids, ignore, keypoints=keypoints, **options)

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(function, autograph=False)
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    return function


def render(boxes, class_ids, keypoints, ignore=None, *, radius: int = 3, rule: str = "2020-07", deviations=()):
    """The keypoints' targets, and `cell`; padding to a common shape saves compilations."""
    images, count, kinds, _ = np.shape(keypoints)
    ignore = np.zeros((images, count), bool) if ignore is None else ignore
    more = [(0, max(least - number, 0)) for least, number in zip((2, 4, 3), (images, count, kinds), strict=True)]
    arrays = (
        np.pad(np.float32(boxes), [*more[:2], (0, 0)]),
        np.pad(np.int32(class_ids), more[:2], constant_values=-1),
        np.pad(np.float32(keypoints), [*more, (0, 0)]),
        np.pad(ignore, more[:2]),
    )
    deviations = (*deviations, *[1.0] * more[2][1]) if deviations else ()
    found = rendering(radius, rule, tuple(deviations))(*map(ops.convert_to_tensor, arrays))
    targets = {name: ops.convert_to_numpy(value)[:images] for name, value in found.items()}
    maps = {name: value[..., :kinds] for name, value in targets.items() if name.startswith("keypoint_heatmap")}
    vectors = {name: targets[name][:, :count, :kinds] for name in VECTORS}
    return maps | vectors | {"cell": targets["cell"][:, :count]}


def unit_targets(radius: int, rule: str = "2020-07", only: float | None = None) -> dict[str, np.ndarray]:
    """Of the reference's unit; `only` the objects of a weight count, others are left out."""
    objects, weights = unit_objects("kp_targets")
    if only is not None:
        objects["class_ids"] = np.where(weights == only, objects["class_ids"], -1)
    deviations = [float(f"{value:.2f}") for value in training()["kp_targets/input/keypoint_std"]]
    return render(**objects, ignore=weights == 0, radius=radius, rule=rule, deviations=deviations)


def some_people(seed: int, kinds: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes of two images, their classes, and keypoints, some outside the input and some not labeled."""
    random = np.random.default_rng(seed)
    limit = np.array(UNIT_SIZE[::-1])
    corners = np.sort(random.uniform(0, limit, (2, 4, 2, 2)), axis=2).reshape(2, 4, 4)
    points = random.uniform(-8, limit + 8, (2, 4, kinds, 2))
    visible = random.integers(0, 3, (2, 4, kinds, 1))
    return corners, random.integers(-1, 2, (2, 4)), np.concatenate([points, visible], axis=-1)


def test_the_heatmap_is_the_reference_s() -> None:
    expected = training()["kp_targets/perkp_r3/heatmap/heatmap"]
    counted, halves = (unit_targets(3, only=weight)["keypoint_heatmap"] for weight in (1, 0.5))
    assert halves.max() == 1
    np.testing.assert_allclose(np.maximum(counted, halves / 2), expected, atol=1e-6)
    np.testing.assert_array_equal(counted == 1, expected == 1)


@pytest.mark.parametrize("rule", ERAS)
def test_heatmaps_count_where_the_reference_s_do(rule: str) -> None:
    expected = training()[f"{ERAS[rule]}kp_targets/perkp_r3/heatmap/valid_mask"] == 1
    expected = expected if expected.ndim == 4 else np.repeat(expected[..., None], 5, axis=-1)
    if rule == "2020-07":
        # That code includes the end of a box, and so the first cell for a box of zeros without weight.
        assert not expected[0, 0, 0].any()
        expected[0, 0, 0] = True
    assert not expected.all()
    np.testing.assert_array_equal(unit_targets(3, rule)["keypoint_heatmap_mask"], expected)


def test_as_many_keypoints_count_as_in_the_reference() -> None:
    objects, weights = unit_objects("kp_targets")
    labeled = unit_targets(3)["keypoint_mask"]
    counts = training()["kp_targets/perkp_r3/heatmap/num_instances"]
    # The reference truncates its sum of weights.
    np.testing.assert_array_equal(np.floor((labeled * weights[..., None]).sum(axis=1)), counts)
    assert labeled.shape == objects["keypoints"].shape[:3]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("name", ["offset", "regression"])
def test_cells_that_are_asked_and_their_vectors_are_the_reference_s(unit: str, name: str) -> None:
    found = unit_targets(UNITS[unit])
    cell, mask, vectors = (of_units(found[f"keypoint_{name}{ending}"]) for ending in ("_cell", "_mask", ""))
    reference = {key: training()[f"kp_targets/{unit}/{name}/{key}"] for key in ("indices", "offsets", "weights")}
    reference = {key: value.reshape(*mask.shape, *value.shape[1:]) for key, value in reference.items()}
    np.testing.assert_array_equal(mask, reference["weights"] > 0)
    _, rows, columns, *kind = np.moveaxis(reference["indices"], -1, 0)
    np.testing.assert_array_equal(cell[mask], (rows * OUTPUT[1] + columns)[mask])
    # Vectors have up to 31 cells, so this is float32's precision of a position.
    np.testing.assert_allclose(vectors[mask], reference["offsets"][mask], atol=4e-6)
    if kind:
        np.testing.assert_array_equal(kind[0][mask], np.nonzero(mask)[1])
    assert not vectors[~mask].any()
    assert not cell[~mask].any()


def test_shapes_and_types() -> None:
    found = render(*some_people(0))
    described = {name: (value.shape, value.dtype) for name, value in found.items()}
    around = {"": ((2, 4, 3, 29, 2), np.float32), "_cell": ((2, 4, 3, 29), np.int32), "_mask": ((2, 4, 3, 29), bool)}
    assert described == {
        "cell": ((2, 4), np.int32),
        "keypoint_heatmap": ((2, *OUTPUT, 3), np.float32),
        "keypoint_heatmap_mask": ((2, *OUTPUT, 3), bool),
        "keypoint_mask": ((2, 4, 3), bool),
        **{f"keypoint_offset{ending}": kind for ending, kind in around.items()},
        **{f"keypoint_regression{ending}": kind for ending, kind in around.items()},
    }


@settings(max_examples=20, deadline=None)
@given(FEW)
def test_every_cell_that_is_asked_leads_to_the_keypoint(seed: int) -> None:
    boxes, class_ids, keypoints = some_people(seed)
    found = render(boxes, class_ids, keypoints)
    labeled = (class_ids == 0)[..., None] & (keypoints[..., 2] > 0)
    np.testing.assert_array_equal(found["keypoint_mask"], labeled)
    for name in ("keypoint_offset", "keypoint_regression"):
        mask = found[f"{name}_mask"]
        cells = np.stack(np.divmod(found[f"{name}_cell"], OUTPUT[1]), axis=-1)
        reached = 4 * (cells + found[name])[..., ::-1]
        asked = np.broadcast_to(keypoints[..., None, :2], reached.shape)
        np.testing.assert_allclose(reached[mask], asked[mask], atol=1e-3)
    centers = np.stack(np.divmod(found["cell"], OUTPUT[1]), axis=-1)[:, :, None, None]
    cells = np.stack(np.divmod(found["keypoint_regression_cell"], OUTPUT[1]), axis=-1)
    distances = np.square(cells - centers).sum(axis=-1)
    assert distances[found["keypoint_regression_mask"]].max(initial=0) <= 9
    # The discs of objects and keypoints in the middle of the map are whole.
    inside = ((centers >= 3) & (centers < np.array(OUTPUT) - 3)).all(axis=-1)[..., 0]
    assert (found["keypoint_regression_mask"].sum(axis=-1)[labeled & inside] == 29).all()


@settings(max_examples=10, deadline=None)
@given(FEW)
def test_each_keypoint_in_the_map_has_one_peak_and_there_are_no_others(seed: int) -> None:
    boxes, class_ids, keypoints = some_people(seed)
    heatmap = render(boxes, class_ids, keypoints, deviations=(0.25, 1.0, 1.07))["keypoint_heatmap"]
    labeled = (class_ids == 0)[..., None] & (keypoints[..., 2] > 0)
    places = {
        (int(image), int(y // 4), int(x // 4), int(kind))
        for image, number, kind in np.argwhere(labeled)
        for x, y in [keypoints[image, number, kind, :2]]
        if 0 <= x < UNIT_SIZE[1] and 0 <= y < UNIT_SIZE[0]
    }
    assert {tuple(map(int, place)) for place in np.argwhere(heatmap == 1)} == places


@pytest.mark.parametrize("wrong", [[np.nan, 4, 2], [4, np.nan, 1], [4, 4, 0], [np.nan, np.nan, np.nan]], ids=str)
def test_a_keypoint_that_is_none_is_not_labeled(wrong: list[float]) -> None:
    box, good = [[[8, 8, 60, 60]]], [30, 40, 1]
    found, alone = render(box, [[0]], [[[good, wrong]]]), render(box, [[0]], [[[good, [0, 0, 0]]]])
    assert found["keypoint_mask"].tolist() == [[[True, False]]]
    for name, value in alone.items():
        np.testing.assert_array_equal(found[name], value)


def test_a_larger_deviation_makes_a_wider_gaussian() -> None:
    point = [60, 40, 2]
    heatmap = render([[[8, 8, 90, 90]]], [[0]], [[[point, point]]], deviations=(0.5, 1.0))["keypoint_heatmap"]
    narrow, wide = heatmap.sum(axis=(0, 1, 2))
    assert 1 < narrow < wide
    plain = render([[[8, 8, 90, 90]]], [[0]], [[[point, point]]])["keypoint_heatmap"]
    np.testing.assert_allclose(plain[..., 0], heatmap[..., 1], atol=1e-7)


def test_an_ignored_object_has_no_keypoints_but_hides_some() -> None:
    boxes, point = [[[8, 8, 60, 60], [64, 16, 120, 80]]], [[[[30, 30, 2]], [[90, 40, 2]]]]
    found = render(boxes, [[0, 0]], point, np.array([[False, True]]))
    assert found["keypoint_mask"].tolist() == [[[True], [False]]]
    covered = np.zeros(OUTPUT, bool)
    covered[4:20, 16:30] = True
    np.testing.assert_array_equal(found["keypoint_heatmap_mask"][0, ..., 0], ~covered)


def test_another_class_hides_keypoints_under_the_later_rule_only() -> None:
    boxes, point = [[[8, 8, 60, 60], [64, 16, 120, 80]]], [[[[30, 30, 2]], [[90, 40, 2]]]]
    masks = {rule: render(boxes, [[0, 1]], point, rule=rule)["keypoint_heatmap_mask"] for rule in ERAS}
    assert masks["2020-07"].all()
    assert (~masks["2021-07"]).sum() == 16 * 14


def test_images_without_objects_have_empty_targets() -> None:
    found = render(np.zeros((2, 4, 4)), np.full((2, 4), -1), np.ones((2, 4, 3, 3)))
    assert found.pop("keypoint_heatmap_mask").all()
    assert not any(value.any() for value in found.values())


def test_no_slots_at_all_are_no_objects() -> None:
    arrays = np.zeros((2, 0, 4), np.float32), np.zeros((2, 0), np.int32), np.zeros((2, 0, 3, 3), np.float32)
    found = rendering(3, "2020-07", ())(*map(ops.convert_to_tensor, (*arrays, np.zeros((2, 0), bool))))
    assert ops.convert_to_numpy(found["keypoint_heatmap_mask"]).all()
    assert found["keypoint_heatmap"].shape == (2, *OUTPUT, 3)
    assert not ops.convert_to_numpy(found["keypoint_heatmap"]).any()


def test_another_number_of_deviations_is_refused() -> None:
    with pytest.raises(CenterNetError, match=r"each of 3 keypoints\. Received: 2"):
        render(*some_people(0), deviations=(1.0, 1.0))
