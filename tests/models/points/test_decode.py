"""Decoding: what the reference makes of its own head maps, for every model under every era's rules."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from backends import Tolerance
from goldens.compare import check, reference_form
from goldens.images import SMALL_SIZE
from goldens.reference import KEYPOINT_MODELS, MODELS, group, last_maps, unit
from keras import ops

from centernet.models.config import ModelConfig
from centernet.models.points.decode import decode
from centernet.models.presets import find_model
from centernet.models.settings import PointDecoderSettings

ERAS = ("post_published", "post_2021", "post_published_on_tf215")


def run(
    maps: dict[str, np.ndarray], sizes: Any, settings: PointDecoderSettings, **options: Any
) -> dict[str, np.ndarray]:
    tensors = {name: ops.convert_to_tensor(value) for name, value in maps.items()}
    found = decode(tensors, ops.convert_to_tensor(np.int32(sizes)), settings, **options)
    return {name: ops.convert_to_numpy(value) for name, value in found.items()}


def decoded(config: ModelConfig, era: str, maps: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What our decoder makes of head maps of the small canvas under the rules of an era."""
    rules = "2021-07" if era == "post_2021" else config.decoder.rules
    settings = dataclasses.replace(config.decoder, rules=rules)
    exact = era.endswith("_on_tf215")
    return run(maps, [SMALL_SIZE], settings, keypoint_class=config.keypoint_class, exact=exact)


def cases() -> list[tuple[str, str]]:
    return [(model, era) for model in MODELS for era in ERAS if group(model, era)]


@pytest.mark.parametrize(("model", "era"), cases())
def test_detections_are_those_of_the_reference(model: str, era: str, tolerance: Tolerance) -> None:
    found = decoded(find_model(model), era, last_maps(model))
    expected = group(model, era)
    check(reference_form(found), expected, size=SMALL_SIZE, pixels=1e-3, score=tolerance.score)
    assert ("keypoints" in found) == (model in KEYPOINT_MODELS)


def test_every_model_is_decoded_under_both_rules_and_old_keypoints_under_new_runtimes_too() -> None:
    assert len(cases()) == 2 * len(MODELS) + sum("mobilenet" not in model for model in KEYPOINT_MODELS)


@pytest.mark.parametrize(
    ("rules", "era"),
    [("2021-07", ""), ("2021-02", "published_2021_02"), ("2020-07", "published_2020_07")],
)
def test_boxes_of_the_unit_are_those_of_the_reference(rules: str, era: str) -> None:
    # Each peak gets a channel of its own and less probability than the one before, so that they come in order.
    rows, columns = unit("boxes/y"), unit("boxes/x")
    count = rows.shape[1]
    heatmap = np.full((2, *unit("boxes/offset").shape[1:3], count), -30, np.float32)
    rank = np.arange(count)
    for image in range(2):
        heatmap[image, rows[image], columns[image], rank] = 2 - 0.1 * rank
    maps = {"heatmap": heatmap, "size": unit("boxes/height_width"), "offset": unit("boxes/offset")}
    settings = PointDecoderSettings(max_detections=count, rules=rules)
    found = run(maps, unit("boxes/true_image_shapes")[:, :2], settings)
    np.testing.assert_array_equal(found["class_ids"], [rank, rank])
    boxes = found["boxes"][..., [1, 0, 3, 2]]
    np.testing.assert_allclose(boxes, unit("boxes/boxes_normalized", era), atol=1e-6)


@pytest.mark.parametrize(("rules", "clip"), [("2020-07", True), ("2021-07", False)])
def test_keypoints_are_normalized_as_by_the_reference(rules: str, clip: bool) -> None:
    """Keypoints that no candidate replaces, of objects at the cells of the unit."""
    distinct = slice(0, 5)  # the sixth object of the unit lies in the cell of the fifth
    rows, columns = unit("keypoints/input/y")[0, distinct], unit("keypoints/input/x")[0, distinct]
    shape = unit("keypoints/input/heatmap").shape
    heatmap = np.full((*shape[:3], 2), -30, np.float32)
    heatmap[0, rows, columns, 1] = 2 - 0.1 * np.arange(len(rows))
    maps = {
        "heatmap": heatmap,
        "size": np.ones((*shape[:3], 2), np.float32),
        "offset": np.zeros((*shape[:3], 2), np.float32),
        "keypoint_heatmap": np.full(shape, -30, np.float32),
        "keypoint_regression": unit("keypoints/input/regression"),
        "keypoint_offset": unit("keypoints/input/offset_per_keypoint"),
    }
    settings = PointDecoderSettings(max_detections=len(rows), candidates=3, rules=rules, unmatched_score=0.7)
    found = run(maps, [(80, 100)], settings, keypoint_class=1)
    expected = f"keypoints/normalize_clip_{clip}"
    points = found["keypoints"][..., ::-1]
    np.testing.assert_allclose(points, unit(f"{expected}/keypoints")[:, distinct], atol=1e-6)
    np.testing.assert_allclose(found["keypoint_scores"], unit(f"{expected}/scores")[:, distinct], atol=1e-6)


@pytest.mark.parametrize("model", KEYPOINT_MODELS)
def test_only_objects_of_the_class_with_keypoints_have_them(model: str) -> None:
    config = find_model(model)
    found = decoded(config, "post_published", last_maps(model))
    others = found["class_ids"] != config.keypoint_class
    assert not found["keypoints"][others].any()
    assert not found["keypoint_scores"][others].any()
    assert found["keypoints"][~others].any()


def test_a_batch_is_decoded_image_by_image() -> None:
    model = "centernet_resnet50_v1_fpn_512x512_kpts_coco17_tpu-8"
    config, maps = find_model(model), last_maps(model)
    mirrored = {name: value[:, ::-1, ::-1].copy() for name, value in maps.items()}
    both = {name: np.concatenate([maps[name], mirrored[name]]) for name in maps}
    sizes = [SMALL_SIZE, (128, 90)]
    options = {"settings": config.decoder, "keypoint_class": config.keypoint_class}
    together = run(both, sizes, **options)
    for row, (alone, size) in enumerate(zip((maps, mirrored), sizes, strict=True)):
        for name, value in run(alone, [size], **options).items():
            np.testing.assert_allclose(together[name][row], value[0], atol=1e-6)


def test_fewer_detections_are_the_best_of_more() -> None:
    model = "centernet_resnet50_v2_512x512_coco17_tpu-8"
    config, maps = find_model(model), last_maps(model)
    many = run(maps, [SMALL_SIZE], config.decoder)
    few = run(maps, [SMALL_SIZE], dataclasses.replace(config.decoder, max_detections=7))
    for name in many:
        np.testing.assert_array_equal(few[name], many[name][:, :7])
