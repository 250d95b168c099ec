"""Batches that can't be trained on are refused before anything is computed."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import numpy as np
import pytest

from centernet.data.keypoints import KeypointTask
from centernet.errors import ConfigError
from centernet.models.config import ModelConfig
from centernet.models.settings import PointDecoderSettings, PointHeadSettings
from centernet.ops.preprocessing import Preprocessing
from centernet.training.checks import check_batch

CONFIG = ModelConfig(
    name="some_detector",
    backbone={"name": "mobilenetv2_fpn"},
    preprocessing=Preprocessing((64, 64)),
    classes=("a", "b", "c"),
    heads=PointHeadSettings(),
    decoder=PointDecoderSettings(),
)
TASK = KeypointTask("b", ("nose", "tail"))
WITH_KEYPOINTS = dataclasses.replace(CONFIG, task="boxes+keypoints", keypoints=TASK)
IMAGES = np.zeros((2, 64, 64, 3), np.float32)


def objects(**more: Any) -> dict[str, Any]:
    return {"boxes": np.zeros((2, 5, 4), np.float32), "class_ids": np.full((2, 5), -1, np.int32)} | more


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"ignore": np.zeros((2, 5), bool)},
        {"keypoints": np.zeros((2, 5, 2, 3), np.float32)},
        {"class_ids": np.zeros((2, 5), np.int64)},
    ],
)
def test_arrays_of_the_right_form_pass(more: dict[str, Any]) -> None:
    check_batch(CONFIG, IMAGES, objects(**more))


def test_a_batch_of_any_size_passes() -> None:
    images, boxes = keras.KerasTensor((None, 64, 64, 3)), keras.KerasTensor((None, None, 4))
    check_batch(CONFIG, images, {"boxes": boxes, "class_ids": keras.KerasTensor((None, None), dtype="int32")})


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 64, 64, 3), np.uint8), "float batch.*dtype uint8.*preprocess"),
        ([np.zeros((64, 64, 3))], "Received: list"),
        (np.zeros((64, 64, 3), np.float32), r"Received: shape \(64, 64, 3\)"),
        (np.zeros((2, 64, 64, 4), np.float32), r"Received: shape \(2, 64, 64, 4\)"),
        (keras.KerasTensor((None, None, 64, 3)), r"size known.*Received: shape \(None, None, 64, 3\)"),
    ],
    ids=["uint8", "list", "one image", "four channels", "any height"],
)
def test_images_of_another_form_are_refused(x: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_batch(CONFIG, x, objects())


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "Received: NoneType"),
        (np.zeros((2, 5, 4)), "Received: ndarray"),
        ({"class_ids": np.zeros((2, 5), np.int32)}, r"Received: \['class_ids'\]"),
        (objects(labels=np.zeros((2, 5))), "Received: .*'labels'"),
        (objects(boxes=np.zeros((2, 5, 5))), r"boxes of shape \(2, 5, 5\), not \(2, 5, 4\)"),
        (objects(boxes=np.zeros((2, 4, 4))), r"boxes of shape \(2, 4, 4\), not \(2, 5, 4\)"),
        (objects(boxes=np.zeros((5, 4))), r"boxes of shape \(5, 4\)"),
        (objects(class_ids=np.zeros((2, 5, 1), np.int32)), r"class_ids of shape \(2, 5, 1\)"),
        (objects(class_ids=np.zeros((), np.int32)), r"class_ids of shape \(\)"),
        (objects(class_ids=np.zeros((2, 5), np.float32)), "integer type. Received: float32"),
        (objects(ignore=np.zeros((2, 4), bool)), r"ignore of shape \(2, 4\), not \(2, 5\)"),
        (objects(keypoints=np.zeros((2, 5, 2, 2))), r"keypoints of shape \(2, 5, 2, 2\)"),
    ],
)
def test_objects_of_another_form_are_refused(y: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_batch(CONFIG, IMAGES, y)


def test_a_model_that_finds_keypoints_asks_for_them() -> None:
    with pytest.raises(ConfigError, match="Expected keypoints in y"):
        check_batch(WITH_KEYPOINTS, IMAGES, objects())
    with pytest.raises(ConfigError, match=r"keypoints of shape \(2, 5, 3, 3\), not \(2, 5, 2, 3\)"):
        check_batch(WITH_KEYPOINTS, IMAGES, objects(keypoints=np.zeros((2, 5, 3, 3))))
    check_batch(WITH_KEYPOINTS, IMAGES, objects(keypoints=np.zeros((2, 5, 2, 3))))


@pytest.mark.parametrize("wrong", [3, 90, -2])
def test_class_ids_that_no_class_has_are_refused(wrong: int) -> None:
    ids = np.int32([[0, -1, 2, 0, wrong]] * 2)
    with pytest.raises(ConfigError, match=f"from 0 to 2, of the 3 classes.*Received: .*{wrong}"):
        check_batch(CONFIG, IMAGES, objects(class_ids=ids))
    check_batch(CONFIG, IMAGES, objects(class_ids=ids.clip(-1, 2)))


@pytest.mark.parametrize("own", [{"sample_weight": np.ones(2)}, {"loss": "mse"}])
def test_losses_and_weights_of_the_user_are_refused(own: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="compile without a loss, and no sample_weight"):
        check_batch(CONFIG, IMAGES, objects(), **own)
