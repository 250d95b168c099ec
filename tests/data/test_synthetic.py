"""Rendered scenes: what is drawn is what is annotated."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from centernet.data import synthetic
from centernet.data.synthetic import FIGURE, FIGURE_KEYPOINTS, FINENESS, SHAPES, outline, shapes
from centernet.errors import CenterNetError


def drawn_alone(class_name: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which part of each pixel a shape covers; its box and keypoints."""
    center, radius = rng.uniform(45, 55, 2), rng.uniform(5, 40)
    shape = outline(class_name, rng).moved(center, radius, rng.uniform(0, 7))
    pixels = np.zeros((100, 100, 3), np.float32)
    synthetic._paint(pixels, shape, np.ones(3))
    return pixels[..., 0], shape.box, shape.keypoints


@pytest.mark.parametrize("class_name", [*SHAPES, FIGURE])
def test_boxes_end_where_the_pixels_do(class_name: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        covered, box, keypoints = drawn_alone(class_name, rng)
        rows, columns = (np.flatnonzero(covered.any(axis=axis)) for axis in (1, 0))
        # The outermost pixels that have any color are those in which the box ends; one subpixel may be missing.
        touched = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
        outwards = (touched - box) * [-1, -1, 1, 1]
        assert (outwards >= -2 / FINENESS).all()
        assert (outwards <= 1 + 1 / FINENESS).all()
        for x, y in keypoints:
            assert covered[int(y), int(x)] > 0.5


def test_a_square_covers_its_area() -> None:
    shape = outline("square", np.random.default_rng(0)).moved(np.array([50.3, 49.6]), 20.7, np.pi / 4)
    pixels = np.zeros((100, 100, 3), np.float32)
    synthetic._paint(pixels, shape, np.ones(3))
    # Half a pixel along each of four sides.
    assert pixels[..., 0].sum() == pytest.approx(2 * 20.7**2, abs=0.5 * 4 * 20.7 * 2**0.5)
    profile = pixels[50, :, 0].cumsum()
    left = np.argmax(profile > 0) + 1 - profile[profile > 0][0]
    assert left == pytest.approx(shape.box[0], abs=0.5)


def test_boxes_lie_inside_and_share_no_more_than_allowed() -> None:
    for sample in shapes(60, (60, 90), max_objects=8, max_overlap=0.0, keypoints=True):
        assert (sample.boxes[:, :2] >= 0).all()
        assert (sample.boxes[:, 2:] <= [90.0001, 60.0001]).all()
        for number, first in enumerate(sample.boxes):
            for second in sample.boxes[number + 1 :]:
                assert (np.minimum(first[2:], second[2:]) <= np.maximum(first[:2], second[:2]) + 1e-4).any()


def test_scenes_are_the_same_each_time_and_others_with_another_seed() -> None:
    first, again, other = (shapes(3, (40, 50), seed=seed) for seed in (5, 5, 6))
    for sample, same, different in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(sample.image, same.image)
        np.testing.assert_array_equal(sample.image, sample.image)
        np.testing.assert_array_equal(sample.boxes, same.boxes)
        assert (sample.image != different.image).any()
    np.testing.assert_array_equal(shapes(9, (40, 50), seed=5)[2].image, first[2].image)
    assert (first[0].image.shape, first[0].image.dtype) == ((40, 50, 3), np.uint8)


def test_objects_stand_out_from_the_background() -> None:
    for sample in shapes(20, (80, 80), max_objects=1, classes=("circle",)):
        x0, y0, x1, y1 = sample.boxes[0].round().astype(int)
        inside = sample.image[(y0 + y1) // 2, (x0 + x1) // 2].astype(int)
        edge = np.concatenate([sample.image[[0, -1]].reshape(-1, 3), sample.image[:, [0, -1]].reshape(-1, 3)])
        assert np.median(np.abs(edge - inside).max(axis=1)) > 40


def test_images_are_not_kept_and_a_dataset_can_be_pickled() -> None:
    dataset = shapes(4, (500, 500), keypoints=True)
    packed = pickle.dumps(dataset)
    assert len(packed) < 20_000
    np.testing.assert_array_equal(pickle.loads(packed)[3].image, dataset[3].image)


def test_only_figures_have_keypoints_and_hidden_ones_are_marked() -> None:
    dataset = shapes(150, (120, 160), keypoints=True, max_overlap=0.6, radius=(0.15, 0.3), seed=1)
    assert dataset.class_names == (*SHAPES, "figure")
    assert dataset.keypoints == FIGURE_KEYPOINTS
    keypoints = np.concatenate([sample.keypoints for sample in dataset])
    class_ids = np.concatenate([sample.class_ids for sample in dataset])
    figures = class_ids == 4
    assert not keypoints[~figures].any()
    assert set(np.unique(keypoints[figures][..., 2])) == {1, 2}
    assert 0 < (keypoints[figures][..., 2] == 1).mean() < 0.3
    # A figure looks at the viewer and leans less than a quarter turn.
    assert (keypoints[figures][:, 3, 0] > keypoints[figures][:, 4, 0]).mean() > 0.9
    assert shapes(1)[0].keypoints is None


def test_scenes_may_be_empty_and_have_the_classes_asked_for() -> None:
    dataset = shapes(30, (40, 40), min_objects=0, max_objects=1, classes=("star", "circle"))
    assert {len(sample.boxes) for sample in dataset} == {0, 1}
    assert dataset.class_names == ("star", "circle")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"count": 0}, "count of at least 1"),
        ({"size": (4, 9)}, "8×8"),
        ({"min_objects": 3, "max_objects": 2}, "min_objects up to"),
        ({"classes": ("circle", "hexagon")}, "classes of .*star"),
        ({"classes": ()}, "classes of"),
        ({"radius": (0.3, 0.2)}, "radius"),
        ({"max_overlap": 2}, "max_overlap"),
    ],
)
def test_numbers_out_of_range_are_refused(arguments: dict, said: str) -> None:
    with pytest.raises(CenterNetError, match=said):
        shapes(**{"count": 1} | arguments)
