"""Targets: those of the reference's sampler, and what must hold of any boxes."""

from __future__ import annotations

from functools import cache

import keras
import numpy as np
import pytest
from goldens.training import KEYPOINTS, sample_boxes, sample_targets
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from centernet.data.batches.fitting import pad_objects
from centernet.errors import CenterNetError
from centernet.models.settings import TripletTargetSettings
from centernet.models.triplets.targets import triplet_targets
from centernet.ops.objects import IGNORED

INPUT, OUTPUT, CLASSES = (64, 80), (16, 20), 4
SAMPLES = {"units": ((511, 511), (128, 128)), "hg104": ((255, 255), (64, 64))}
FEW = st.integers(0, 2**32 - 1)


@cache
def rendering(input_size: tuple[int, int], output_size: tuple[int, int], num_classes: int):
    """`triplet_targets` as the backend compiles it."""

    def function(boxes, class_ids, ignore=None):
        return triplet_targets(
            boxes, class_ids, ignore, input_size=input_size, output_size=output_size, num_classes=num_classes
        )

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(function, autograph=False)
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    return function


def render(
    boxes, class_ids, input_size=INPUT, output_size=OUTPUT, num_classes=CLASSES, ignore=None
) -> dict[str, np.ndarray]:
    arrays = np.float32(boxes), np.int32(class_ids), *(() if ignore is None else (np.array(ignore),))
    found = rendering(input_size, output_size, num_classes)(*map(ops.convert_to_tensor, arrays))
    return {name: ops.convert_to_numpy(value) for name, value in found.items()}


def some_boxes(seed: int, count: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Boxes of two images whose corners and centers lie on no cell's edge, and classes, some of them padding."""
    random = np.random.default_rng(seed)
    cells = np.array(OUTPUT[::-1])
    first = random.integers(0, cells, (2, count, 2))
    last = random.integers(first, cells)
    boxes = np.concatenate([4 * first + 1, 4 * last + 2.0], axis=-1)
    return boxes, random.integers(-1, CLASSES, (2, count))


def peaks(heatmap: np.ndarray) -> set[tuple[int, ...]]:
    """Image, row, column and class of what is exactly 1."""
    return {tuple(map(int, place)) for place in np.argwhere(heatmap == 1)}


def plain_gaussians(boxes: np.ndarray, class_ids: np.ndarray, keypoint: str) -> np.ndarray:
    """A heatmap in float64, object by object, after the reference's sampler."""
    heatmap = np.zeros((len(boxes), *OUTPUT, CLASSES))
    rows, columns = np.ogrid[: OUTPUT[0], : OUTPUT[1]]
    for image, number in np.argwhere(class_ids >= 0):
        x0, y0, x1, y1 = boxes[image, number] / 4
        width, height = np.ceil(x1 - x0), np.ceil(y1 - y0)
        radius = int(np.sqrt(0.49 * (height + width) ** 2 + 0.84 * height * width) - 0.7 * (height + width) + 1e-9)
        x, y = {"top_left": (x0, y0), "bottom_right": (x1, y1), "center": ((x0 + x1) / 2, (y0 + y1) / 2)}[keypoint]
        dx, dy = columns - int(x), rows - int(y)
        deviation = (2 * radius + 1) / (5 if keypoint == "center" else 6)
        inside = np.maximum(np.abs(dx), np.abs(dy)) <= radius
        values = inside * np.exp(-(dx**2 + dy**2) / (2 * deviation**2))
        channel = heatmap[image, ..., class_ids[image, number]]
        np.maximum(channel, values, out=channel)
    return heatmap


@pytest.mark.parametrize("sample", SAMPLES)
def test_targets_are_those_of_the_reference_s_sampler(sample: str) -> None:
    expected = sample_targets(sample)
    boxes, class_ids = sample_boxes(sample)
    padded = pad_objects(expected["mask"].shape[1], boxes=boxes, class_ids=class_ids)
    found = render(padded["boxes"], padded["class_ids"], *SAMPLES[sample], 80)
    assert set(found) == set(expected)
    np.testing.assert_array_equal(found["mask"], expected["mask"])
    for keypoint in KEYPOINTS:
        np.testing.assert_array_equal(found[f"{keypoint}_cell"], expected[f"{keypoint}_cell"])
        # Cells have numbers up to 128, so this is float32's precision of a position.
        np.testing.assert_allclose(found[f"{keypoint}_offset"], expected[f"{keypoint}_offset"], atol=1.5e-5)
        np.testing.assert_allclose(found[keypoint], expected[keypoint], atol=1e-6)
        assert peaks(found[keypoint]) == peaks(expected[keypoint])


def test_cells_around_a_keypoint_are_asked_for_its_place() -> None:
    sizes = {"input_size": INPUT, "output_size": OUTPUT, "num_classes": CLASSES}
    inputs = ops.convert_to_tensor(np.float32([[[1, 9, 50, 50], [9, 9, 50, 50]]])), ops.convert_to_tensor([[2, -1]])
    found = triplet_targets(*inputs, **sizes, settings=TripletTargetSettings(offset_radius=1))
    found = {name: ops.convert_to_numpy(value) for name, value in found.items()}
    for keypoint, place in (("top_left", (0.25, 2.25)), ("bottom_right", (12.5, 12.5)), ("center", (6.375, 7.375))):
        mask, cell = found[f"{keypoint}_offset_mask"], found[f"{keypoint}_offset_cell"]
        assert mask.sum(axis=-1).tolist() == [[4 if keypoint == "top_left" else 5, 0]]  # one is left of the map
        rows, columns = divmod(cell, OUTPUT[1])
        places = np.stack([columns, rows], axis=-1) + found[f"{keypoint}_offset"]
        np.testing.assert_allclose(places[mask], [place] * mask.sum(), atol=1e-5)
        assert found[f"{keypoint}_cell"][0, 0] in cell[0, 0]


def test_shapes_and_types() -> None:
    found = render(*some_boxes(0))
    for keypoint in KEYPOINTS:
        assert (found[keypoint].shape, found[keypoint].dtype) == ((2, *OUTPUT, CLASSES), np.float32)
        offset, cell = found[f"{keypoint}_offset"], found[f"{keypoint}_cell"]
        assert (offset.shape, offset.dtype) == ((2, 6, 2), np.float32)
        assert (cell.shape, cell.dtype) == ((2, 6), np.int32)
    assert (found["mask"].shape, found["mask"].dtype) == ((2, 6), bool)


@settings(max_examples=30, deadline=None)
@given(FEW)
def test_each_object_has_one_peak_in_its_cell_and_class_and_there_are_no_others(seed: int) -> None:
    boxes, class_ids = some_boxes(seed)
    found = render(boxes, class_ids)
    for keypoint in KEYPOINTS:
        cells = found[f"{keypoint}_cell"]
        places = {
            (int(image), *divmod(int(cells[image, number]), OUTPUT[1]), int(class_ids[image, number]))
            for image, number in np.argwhere(class_ids >= 0)
        }
        assert peaks(found[keypoint]) == places
        assert found[keypoint].min() >= 0
        assert found[keypoint].max() <= 1


@settings(max_examples=20, deadline=None)
@given(FEW)
def test_heatmaps_equal_a_plain_restatement(seed: int) -> None:
    boxes, class_ids = some_boxes(seed)
    found = render(boxes, class_ids)
    for keypoint in KEYPOINTS:
        np.testing.assert_allclose(found[keypoint], plain_gaussians(boxes, class_ids, keypoint), atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(FEW)
def test_cells_and_offsets_give_the_boxes_back(seed: int) -> None:
    boxes, class_ids = some_boxes(seed)
    found = render(boxes, class_ids)
    points = {}
    for keypoint in KEYPOINTS:
        cell = found[f"{keypoint}_cell"]
        points[keypoint] = 4 * (np.stack([cell % OUTPUT[1], cell // OUTPUT[1]], axis=-1) + found[f"{keypoint}_offset"])
    corners = np.concatenate([points["top_left"], points["bottom_right"]], axis=-1)
    np.testing.assert_allclose(corners[class_ids >= 0], boxes[class_ids >= 0], atol=1e-4)
    centers = (boxes[..., :2] + boxes[..., 2:]) / 2
    np.testing.assert_allclose(points["center"][class_ids >= 0], centers[class_ids >= 0], atol=1e-4)


@settings(max_examples=20, deadline=None)
@given(FEW)
def test_turning_the_image_by_half_a_turn_turns_the_heatmaps_and_swaps_the_corners(seed: int) -> None:
    boxes, class_ids = some_boxes(seed)
    height, width = INPUT
    turned = np.array([width, height, width, height]) - boxes[..., [2, 3, 0, 1]]
    before, after = render(boxes, class_ids), render(turned, class_ids)
    for keypoint, partner in (("top_left", "bottom_right"), ("bottom_right", "top_left"), ("center", "center")):
        np.testing.assert_allclose(after[keypoint], before[partner][:, ::-1, ::-1], atol=1e-6)


@settings(max_examples=10, deadline=None)
@given(FEW)
def test_a_mirrored_image_has_mirrored_centers(seed: int) -> None:
    boxes, class_ids = some_boxes(seed)
    mirrored = boxes.copy()
    mirrored[..., [0, 2]] = INPUT[1] - boxes[..., [2, 0]]
    before, after = render(boxes, class_ids), render(mirrored, class_ids)
    np.testing.assert_allclose(after["center"], before["center"][:, :, ::-1], atol=1e-6)


@settings(max_examples=10, deadline=None)
@given(FEW)
def test_the_order_of_the_objects_does_not_matter(seed: int) -> None:
    boxes, class_ids = some_boxes(seed)
    order = np.random.default_rng(seed).permutation(boxes.shape[1])
    before, after = render(boxes, class_ids), render(boxes[:, order], class_ids[:, order])
    for keypoint in KEYPOINTS:
        np.testing.assert_allclose(after[keypoint], before[keypoint], atol=1e-7)
        np.testing.assert_array_equal(after[f"{keypoint}_cell"], before[f"{keypoint}_cell"][:, order])


@pytest.mark.parametrize("xla", [False, True])
def test_tensorflow_compiles_targets_for_any_batch(xla: bool) -> None:
    if keras.backend.backend() != "tensorflow":
        pytest.skip("of TensorFlow's tracing")
    import tensorflow as tf

    boxes, class_ids = some_boxes(1)
    signature = [tf.TensorSpec((None, 6, 4)), tf.TensorSpec((None, 6), tf.int32)]
    traced = tf.function(
        lambda *batch: triplet_targets(*batch, input_size=INPUT, output_size=OUTPUT, num_classes=CLASSES),
        input_signature=signature,
        jit_compile=xla,
    )
    for images in (1, 2):
        found = traced(np.float32(boxes[:images]), np.int32(class_ids[:images]))
        for name, expected in render(boxes[:images], class_ids[:images]).items():
            np.testing.assert_allclose(found[name], expected, atol=1e-6)


def test_the_center_s_gaussian_is_wider_than_the_corners() -> None:
    found = render([[[9, 9, 50, 50]]], [[2]])
    (top_left, center) = (found[keypoint].sum() for keypoint in ("top_left", "center"))
    assert 1 < top_left < center


def test_images_without_objects_have_empty_targets() -> None:
    for boxes, class_ids in ((np.zeros((2, 3, 4)), np.full((2, 3), -1)), (np.zeros((2, 0, 4)), np.zeros((2, 0)))):
        found = render(boxes, class_ids)
        assert not any(value.any() for value in found.values())
        assert found["center"].shape == (2, *OUTPUT, CLASSES)


def test_more_objects_than_the_reference_allows_are_all_rendered() -> None:
    random = np.random.default_rng(0)
    count = 384  # three times the objects that the published training has room for
    boxes = np.concatenate([random.uniform(0, 40, (1, count, 2)), random.uniform(45, 64, (1, count, 2))], axis=-1)
    found = render(boxes, np.zeros((1, count)))
    assert found["mask"].sum() == count
    rows, columns = np.divmod(found["center_cell"][0], OUTPUT[1])
    assert (found["center"][0, rows, columns, 0] == 1).all()


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
        np.testing.assert_allclose(found[name] if name in KEYPOINTS else found[name][:, :1], value, atol=1e-7)


def test_corners_on_the_edge_of_the_input_belong_to_the_last_cell() -> None:
    found = render([[[0, 0, 80, 64], [-9, -9, 99, 99]]], [[0, 0]])
    np.testing.assert_array_equal(found["top_left_cell"], [[0, 0]])
    np.testing.assert_array_equal(found["bottom_right_cell"], [[15 * 20 + 19] * 2])
    np.testing.assert_array_equal(found["bottom_right_offset"], np.ones((1, 2, 2)))


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(CenterNetError, match=r"\(batch, n, 4\).*Received: \(2, 3, 4\) and \(2, 2\)"):
        render(np.zeros((2, 3, 4)), np.zeros((2, 2)))


def test_a_crowd_is_neither_an_object_nor_wrong_in_the_cells_that_it_touches() -> None:
    boxes = [[[8, 12, 40, 44], [9, 21, 70, 33], [20, 24, 28, 32]]]
    found = render(boxes, [[1, 2, 2]], ignore=[[False, True, False]])
    without = render(boxes, [[1, -1, 2]])
    touched = np.zeros(OUTPUT, bool)
    touched[5:9, 2:18] = True  # 2.25–17.5 by 5.25–8.25 cells
    for name, value in without.items():
        if name not in KEYPOINTS:
            np.testing.assert_array_equal(found[name], value)
            continue
        spared, before = found[name][0, ..., 2], value[0, ..., 2]
        np.testing.assert_array_equal(spared, np.where(touched & (before < 1), np.float32(IGNORED), before))
        np.testing.assert_array_equal(found[name][..., [0, 1, 3]], value[..., [0, 1, 3]])
        assert peaks(found[name]) == peaks(value)
