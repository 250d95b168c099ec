"""Targets of boxes: those of the reference's assigners, and what must hold of any boxes."""

from __future__ import annotations

from functools import cache

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
from centernet.ops.objects import IGNORED

INPUT, OUTPUT, CLASSES = (64, 80), (16, 20), 4
FEW = st.integers(0, 2**32 - 1)


@cache
def rendering(input_size: tuple[int, int], output_size: tuple[int, int], num_classes: int, names: tuple[str, ...]):
    """`point_targets` as the backend compiles it, with arguments of these names."""
    sizes = {"input_size": input_size, "output_size": output_size, "num_classes": num_classes}

    def function(*arrays):
        return point_targets(**dict(zip(names, arrays, strict=True)), **sizes)

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(function, autograph=False)
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    return function


def render(
    boxes, class_ids, input_size=INPUT, output_size=OUTPUT, num_classes=CLASSES, ignore=None, image_sizes=None
) -> dict[str, np.ndarray]:
    """The targets; padding to a common shape saves compilations."""
    images, count = np.shape(class_ids)
    more = [(0, max(least - number, 0)) for least, number in zip((2, 6), (images, count), strict=True)]
    arrays = {
        "boxes": np.pad(np.float32(boxes), [*more, (0, 0)]),
        "class_ids": np.pad(np.int32(class_ids), more, constant_values=-1),
    }
    if ignore is not None:
        arrays["ignore"] = np.pad(ignore, more)
    if image_sizes is not None:
        arrays["image_sizes"] = np.pad(np.int32(image_sizes), [more[0], (0, 0)])
    function = rendering(input_size, output_size, num_classes, tuple(arrays))
    found = function(*map(ops.convert_to_tensor, arrays.values()))
    targets = {name: ops.convert_to_numpy(value)[:images] for name, value in found.items()}
    return {name: value if name.startswith("heatmap") else value[:, :count] for name, value in targets.items()}


def some_boxes(seed: int, count: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Boxes of two images whose centers lie on no cell's edge, and classes, some of them padding."""
    random = np.random.default_rng(seed)
    cells = np.array(OUTPUT[::-1])
    first = random.integers(0, cells, (2, count, 2))
    last = random.integers(first, cells)
    boxes = np.concatenate([4 * first + 1, 4 * last + 2.5], axis=-1)
    return boxes, random.integers(-1, CLASSES, (2, count))


def peaks(heatmap: np.ndarray) -> set[tuple[int, ...]]:
    """Image, row, column and class of what is exactly 1."""
    return {tuple(map(int, place)) for place in np.argwhere(heatmap == 1)}


def plain_heatmap(boxes: np.ndarray, class_ids: np.ndarray) -> np.ndarray:
    """In float64, object by object, everywhere."""
    heatmap = np.zeros((len(boxes), *OUTPUT, CLASSES))
    rows, columns = np.ogrid[: OUTPUT[0], : OUTPUT[1]]
    for image, number in np.argwhere(class_ids >= 0):
        x0, y0, x1, y1 = boxes[image, number] / 4
        width, height = x1 - x0, y1 - y0
        radius = int(np.sqrt(0.49 * (height + width) ** 2 + 0.84 * height * width) - 0.7 * (height + width) + 1e-9)
        squared = (columns - int((x0 + x1) / 2)) ** 2 + (rows - int((y0 + y1) / 2)) ** 2
        channel = heatmap[image, ..., class_ids[image, number]]
        np.maximum(channel, np.exp(-squared / 2 / ((2 * radius + 1) / 6) ** 2), out=channel)
    return heatmap


def unit_targets(class_ids: np.ndarray) -> dict[str, np.ndarray]:
    objects, _ = unit_objects("targets")
    return render(objects["boxes"], class_ids, UNIT_SIZE, (24, 32))


def test_the_heatmap_is_the_reference_s() -> None:
    objects, weights = unit_objects("targets")
    ids, expected = objects["class_ids"], training()["targets/center/heatmap"].copy()
    point = objects["boxes"][..., 2:] == objects["boxes"][..., :2]
    (image, number), *others = np.argwhere(point.all(axis=-1) & (weights > 0))
    assert not others
    expected[image, ..., ids[image, number]] = 0  # a box without area, alone of its class, which the reference draws
    counted = unit_targets(np.where(weights == 1, ids, -1))["heatmap"]
    halves = unit_targets(np.where(weights == 0.5, ids, -1))["heatmap"]
    assert halves.max() == 1
    np.testing.assert_allclose(np.maximum(counted, halves / 2), expected, atol=1e-6)
    assert peaks(counted) == peaks(expected)


def test_cells_sizes_and_offsets_are_the_reference_s() -> None:
    objects, weights = unit_objects("targets")
    found = unit_targets(np.where(weights > 0, objects["class_ids"], -1))
    expected = {name.removeprefix("targets/box/"): value for name, value in training().items()}
    mask = of_units(found["mask"])
    has_area = (expected["height_width"] > 0).all(axis=-1)
    np.testing.assert_array_equal(mask, (expected["weights"] > 0) & has_area)
    _, rows, columns = expected["indices"].T
    np.testing.assert_array_equal(of_units(found["cell"])[mask], (rows * 32 + columns)[mask])
    # Sizes have up to 31 cells, so this is float32's precision of a position.
    np.testing.assert_allclose(of_units(found["size"])[mask], expected["height_width"][mask], atol=4e-6)
    np.testing.assert_allclose(of_units(found["offset"])[mask], expected["offsets"][mask], atol=4e-6)


def test_heatmaps_count_where_the_reference_s_do() -> None:
    sizes = training()["valid_weights/true_shapes"][:, :2]
    found = render(np.zeros((2, 1, 4)), np.full((2, 1), -1), (128, 128), (32, 32), image_sizes=sizes)["heatmap_mask"]
    np.testing.assert_array_equal(found.reshape(2, -1), training()["valid_weights/weights"] == 1)
    odd = render(np.zeros((1, 1, 4)), [[-1]], image_sizes=np.int32([[33, 80]]))["heatmap_mask"]
    assert odd[0, ..., 0].sum(axis=0).tolist() == [9] * 20


def test_shapes_and_types() -> None:
    found = render(*some_boxes(0))
    described = {name: (value.shape, value.dtype) for name, value in found.items()}
    assert described == {
        "heatmap": ((2, *OUTPUT, CLASSES), np.float32),
        "mask": ((2, 6), bool),
        "cell": ((2, 6), np.int32),
        "size": ((2, 6, 2), np.float32),
        "offset": ((2, 6, 2), np.float32),
    }


@settings(max_examples=30, deadline=None)
@given(FEW)
def test_each_object_has_one_peak_in_its_cell_and_class_and_there_are_no_others(seed: int) -> None:
    boxes, class_ids = some_boxes(seed)
    found = render(boxes, class_ids)
    places = {
        (int(image), *divmod(int(found["cell"][image, number]), OUTPUT[1]), int(class_ids[image, number]))
        for image, number in np.argwhere(class_ids >= 0)
    }
    assert peaks(found["heatmap"]) == places
    assert 0 <= found["heatmap"].min() <= found["heatmap"].max() <= 1


@settings(max_examples=20, deadline=None)
@given(FEW)
def test_the_heatmap_is_what_single_precision_can_tell_of_gaussians_without_an_end(seed: int) -> None:
    boxes, class_ids = some_boxes(seed)
    found, expected = render(boxes, class_ids)["heatmap"], plain_heatmap(boxes, class_ids)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    missing = expected[found == 0]
    np.testing.assert_array_equal(1 - missing.astype(np.float32), 1)


@settings(max_examples=20, deadline=None)
@given(FEW)
def test_cells_sizes_and_offsets_give_the_boxes_back(seed: int) -> None:
    boxes, class_ids = some_boxes(seed)
    found = render(boxes, class_ids)
    index = np.stack(np.divmod(found["cell"], OUTPUT[1]), axis=-1)
    center, half = 4 * (index + found["offset"]), 2 * found["size"]
    corners = np.concatenate([(center - half)[..., ::-1], (center + half)[..., ::-1]], axis=-1)
    np.testing.assert_allclose(corners[class_ids >= 0], boxes[class_ids >= 0], atol=1e-4)
    assert (found["offset"] >= 0).all()
    assert (found["offset"] < 1).all()


@settings(max_examples=20, deadline=None)
@given(FEW)
def test_a_mirrored_image_has_mirrored_targets(seed: int) -> None:
    boxes, class_ids = some_boxes(seed)
    mirrored = boxes.copy()
    mirrored[..., [0, 2]] = INPUT[1] - boxes[..., [2, 0]]
    before, after = render(boxes, class_ids), render(mirrored, class_ids)
    np.testing.assert_allclose(after["heatmap"], before["heatmap"][:, :, ::-1], atol=1e-6)
    np.testing.assert_allclose(after["size"], before["size"], atol=1e-5)


@settings(max_examples=10, deadline=None)
@given(FEW)
def test_the_order_of_the_objects_does_not_matter(seed: int) -> None:
    boxes, class_ids = some_boxes(seed)
    order = np.random.default_rng(seed).permutation(boxes.shape[1])
    before, after = render(boxes, class_ids), render(boxes[:, order], class_ids[:, order])
    np.testing.assert_allclose(after["heatmap"], before["heatmap"], atol=1e-7)
    for name in ("mask", "cell", "size", "offset"):
        np.testing.assert_array_equal(after[name], before[name][:, order])


@pytest.mark.parametrize("xla", [False, True])
def test_tensorflow_compiles_targets_for_any_batch(xla: bool) -> None:
    if keras.backend.backend() != "tensorflow":
        pytest.skip("of TensorFlow's tracing")
    import tensorflow as tf

    boxes, class_ids = map(np.array, some_boxes(1))
    keypoints = np.random.default_rng(1).uniform(0, 64, (2, 6, 3, 3)).astype(np.float32)
    ignore = np.arange(6) == np.array([[2], [3]])
    sizes = {"input_size": INPUT, "output_size": OUTPUT, "num_classes": CLASSES}
    types = tf.float32, tf.int32, tf.bool, tf.float32
    signature = [
        tf.TensorSpec((None, *value.shape[1:]), kind)
        for value, kind in zip((boxes, class_ids, ignore, keypoints), types, strict=True)
    ]
    traced = tf.function(
        lambda *batch: point_targets(*batch[:3], keypoints=batch[3], keypoint_class=1, **sizes),
        input_signature=signature,
        jit_compile=xla,
    )
    batch = np.float32(boxes), np.int32(class_ids), ignore, keypoints
    expected = point_targets(*map(tf.constant, batch[:3]), keypoints=keypoints, keypoint_class=1, **sizes)
    for images in (1, 2):
        found = traced(*(value[:images] for value in batch))
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value[:images], atol=1e-6)


def test_images_without_objects_have_empty_targets() -> None:
    boxes, nothing = np.full((2, 6, 4), 9.0), np.full((2, 6), -1)
    found = render(boxes, nothing, ignore=nothing == -1)
    assert not any(value.any() for value in found.values())


def test_no_slots_at_all_are_no_objects() -> None:
    arrays = np.zeros((2, 0, 4), np.float32), np.zeros((2, 0), np.int32), np.zeros((2, 0), bool)
    function = rendering(INPUT, OUTPUT, CLASSES, ("boxes", "class_ids", "ignore"))
    heatmap = ops.convert_to_numpy(function(*map(ops.convert_to_tensor, arrays))["heatmap"])
    assert not heatmap.any()
    assert heatmap.shape == (2, *OUTPUT, CLASSES)


@pytest.mark.parametrize(
    ("box", "class_id"),
    [
        pytest.param([10, 10, 10, 30], 0, id="no width"),
        pytest.param([30, 10, 10, 30], 0, id="inverted"),
        pytest.param([-20, 10, -5, 30], 0, id="outside"),
        pytest.param([np.nan, 10, 20, 30], 0, id="not a number"),
        pytest.param([10, 10, 30, 30], CLASSES, id="unknown class"),
        pytest.param([10, 10, 30, 30], -1, id="padding"),
    ],
)
def test_what_is_no_object_is_left_out_like_padding(box: list[float], class_id: int) -> None:
    good = [8, 12, 40, 44]
    found, alone = render([[good, box]], [[1, class_id]]), render([[good]], [[1]])
    assert found["mask"].tolist() == [[True, False]]
    for name, value in alone.items():
        np.testing.assert_allclose(found[name] if name == "heatmap" else found[name][:, :1], value, atol=1e-7)
        assert name == "heatmap" or not found[name][:, 1].any()


def test_a_box_that_leaves_the_input_is_clipped() -> None:
    found, inside = render([[[60, -9, 99, 30]]], [[2]]), render([[[60, 0, 80, 30]]], [[2]])
    for name, value in inside.items():
        np.testing.assert_array_equal(found[name], value)


def test_an_ignored_box_is_neither_asked_for_nor_wrong() -> None:
    boxes = [[[8, 12, 40, 44], [9, 20, 70, 30], [20, 24, 28, 32]]]
    classes = [[1, 2, 2]]
    found = render(boxes, classes, ignore=np.array([[False, True, False]]))
    without = render(boxes, [[1, -1, 2]])
    for name in ("mask", "cell", "size", "offset"):
        np.testing.assert_array_equal(found[name], without[name])
    assert found["mask"].tolist() == [[True, False, True]]
    inside = np.zeros(OUTPUT, bool)
    inside[5:8, 3:18] = True  # rows and columns whose index lies in the box, 2.25–17.5 by 5–7.5 cells
    spared, before = found["heatmap"][0, ..., 2], without["heatmap"][0, ..., 2]
    np.testing.assert_array_equal(spared, np.where(inside & (before < 1), np.float32(IGNORED), before))
    assert peaks(found["heatmap"]) == peaks(without["heatmap"])
    np.testing.assert_array_equal(found["heatmap"][..., :2], without["heatmap"][..., :2])
    assert (1 - np.float32(IGNORED)) ** 4 < 1e-15


def test_less_overlap_makes_wider_gaussians() -> None:
    sizes = {"input_size": INPUT, "output_size": OUTPUT, "num_classes": CLASSES}
    box = ops.convert_to_tensor(np.float32([[[9, 9, 50, 50]]])), ops.convert_to_tensor(np.int32([[2]]))
    narrow, wide = (
        float(ops.sum(point_targets(*box, **sizes, settings=PointTargetSettings(min_overlap=overlap))["heatmap"]))
        for overlap in (0.7, 0.3)
    )
    assert 1 < narrow < wide


def test_cells_around_a_center_are_asked_for_the_same_box() -> None:
    sizes = {"input_size": INPUT, "output_size": OUTPUT, "num_classes": CLASSES}
    boxes = np.float32([[[9, 9, 50, 50], [0, 0, 4, 4], [9, 9, 50, 50]]])  # the second is in a corner of the map
    inputs = ops.convert_to_tensor(boxes), ops.convert_to_tensor(np.int32([[2, 0, -1]]))
    one, more = (
        {name: ops.convert_to_numpy(value) for name, value in point_targets(*inputs, **sizes, settings=given).items()}
        for given in (PointTargetSettings(), PointTargetSettings(object_radius=1))
    )
    for name in one.keys() - {"size", "offset"}:
        np.testing.assert_array_equal(more[name], one[name])
    assert more["offset_mask"].tolist() == [[[True] * 5, [False, False, True, True, True], [False] * 5]]
    for name in ("size", "offset"):
        np.testing.assert_array_equal(more[f"{name}_mask"], more["offset_mask"])
        np.testing.assert_array_equal(more[f"{name}_cell"], more["offset_cell"])
    rows, columns = divmod(more["offset_cell"], OUTPUT[1])
    centers = (np.stack([rows, columns], axis=-1) + more["offset"])[more["offset_mask"]]
    np.testing.assert_allclose(centers, [[29.5 / 4] * 2] * 5 + [[0.5] * 2] * 3, atol=1e-5)
    np.testing.assert_allclose(more["size"][more["size_mask"]], [[41 / 4] * 2] * 5 + [[1, 1]] * 3, atol=1e-5)
    assert not more["size"][~more["size_mask"]].any()


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(CenterNetError, match=r"\(batch, n, 4\).*Received: \(2, 7, 4\) and \(2, 6\)"):
        render(np.zeros((2, 7, 4)), np.zeros((2, 6)))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"min_overlap": 1.0}, "between 0 and 1"),
        ({"keypoint_radius": -1}, "at least 0"),
        ({"object_radius": -1}, "at least 0"),
        ({"keypoint_mask": "2019"}, "'2020-07', '2021-07'"),
    ],
)
def test_settings_that_mean_nothing_are_refused(wrong: dict, message: str) -> None:
    with pytest.raises(CenterNetError, match=message):
        PointTargetSettings(**wrong)
