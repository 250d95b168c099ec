"""Training an Objects as Points detector: its losses, and that it learns."""

from __future__ import annotations

from functools import cache

import keras
import numpy as np
import pytest
from backends import forward
from keras import ops
from small import SIZE, small_detector

from centernet.data.keypoints import KeypointTask
from centernet.models.points.losses import LossWeights
from centernet.models.settings import PointTargetSettings

POSE = KeypointTask("b", ("head", "foot"), deviations=(0.3, 0.9))
BOX_PARTS = {"heatmap", "size", "offset"}
KEYPOINT_PARTS = {"keypoint_heatmap", "keypoint_regression", "keypoint_offset"}


def batch(**more: np.ndarray) -> dict[str, np.ndarray]:
    """Two images; the second has no objects."""
    boxes = np.zeros((2, 3, 4), np.float32)
    boxes[0, :2] = [[4, 6, 40, 50], [30, 20, 60, 44]]
    keypoints = np.zeros((2, 3, 2, 3), np.float32)
    keypoints[0, 1] = [[33, 21, 2], [58, 40, 1]]
    return {"boxes": boxes, "class_ids": np.int32([[0, 1, -1], [-1] * 3]), "keypoints": keypoints} | more


def compiled(function):
    """JAX compiles every operation for every shape; once for all of them is quicker."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    return function


@cache
def maps_of(detector):
    images = np.random.default_rng(0).normal(0, 1, (2, *SIZE, 3)).astype(np.float32)
    return keras.tree.map_structure(ops.convert_to_tensor, forward(detector, images))


def losses(detector, y: dict[str, np.ndarray]) -> dict[str, float]:
    function = compiled(lambda maps, y: detector.training_losses(maps, y, SIZE))
    found = function(maps_of(detector), keras.tree.map_structure(ops.convert_to_tensor, y))
    return {name: float(value) for name, value in found.items()}


@pytest.fixture(scope="module")
def poser():
    return small_detector(keypoints=POSE)


def test_the_parts_have_the_names_of_the_heads(poser) -> None:
    found = losses(poser, batch())
    assert set(found) == {"loss"} | BOX_PARTS | KEYPOINT_PARTS
    assert min(found.values()) > 0
    assert found["loss"] == pytest.approx(sum(found.values()) - found["loss"])


def test_a_detector_of_boxes_takes_no_heed_of_keypoints() -> None:
    detector, y = small_detector(), batch()
    found = losses(detector, y)
    assert set(found) == {"loss"} | BOX_PARTS
    del y["keypoints"]
    assert losses(detector, y) == found


def test_an_ignored_object_counts_as_little_as_padding(poser) -> None:
    ignored = losses(poser, batch(ignore=np.array([[False, True, False], [False] * 3])))
    without = losses(poser, batch(class_ids=np.int32([[0, -1, -1], [-1] * 3])))
    for name in ("size", "offset"):
        assert ignored[name] == pytest.approx(without[name])
    assert ignored["heatmap"] < without["heatmap"]  # what lies in its box isn't wrong either
    assert ignored["keypoint_regression"] == ignored["keypoint_offset"] == 0


def test_the_padding_of_the_canvas_is_left_out_where_image_sizes_are_given(poser) -> None:
    whole, cropped = losses(poser, batch()), losses(poser, batch(image_sizes=np.int32([[52, 64], [0, 0]])))
    assert cropped["heatmap"] < whole["heatmap"]
    assert cropped["keypoint_heatmap"] < whole["keypoint_heatmap"]
    assert cropped["size"] == whole["size"]


def test_settings_of_training_can_be_chosen(poser, monkeypatch: pytest.MonkeyPatch) -> None:
    before = losses(poser, batch())
    monkeypatch.setattr(poser, "loss_weights", LossWeights(size=0.2))
    monkeypatch.setattr(poser, "target_settings", PointTargetSettings(keypoint_radius=0))
    after = losses(poser, batch())
    assert after["size"] == pytest.approx(2 * before["size"])
    assert after["keypoint_offset"] != pytest.approx(before["keypoint_offset"])
    for name in ("heatmap", "offset", "keypoint_heatmap"):
        assert after[name] == pytest.approx(before[name])


def test_it_learns() -> None:
    detector, y = small_detector(keypoints=POSE, lively=False), batch()
    images = np.random.default_rng(0).normal(0, 1, (2, *SIZE, 3)).astype(np.float32)
    images[0, 20:44, 30:60] += 3
    detector.compile(optimizer=keras.optimizers.Adam(1e-2))
    history = detector.fit(images, y, batch_size=2, epochs=12, verbose=0).history
    assert set(history) == {"loss"} | BOX_PARTS | KEYPOINT_PARTS
    for values in history.values():
        assert np.isfinite(values).all()
    assert history["loss"][-1] < history["loss"][0] / 2


def test_images_without_objects_can_be_learned_from() -> None:
    detector, y = small_detector(keypoints=POSE, lively=False), batch(class_ids=np.full((2, 3), -1, np.int32))
    detector.compile(optimizer=keras.optimizers.Adam(1e-2))
    history = detector.fit(np.zeros((2, *SIZE, 3), np.float32), y, batch_size=2, epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert all(np.isfinite(ops.convert_to_numpy(weight)).all() for weight in detector.weights)
