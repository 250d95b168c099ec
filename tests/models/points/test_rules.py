"""The rules of the PyTorch reference and of the three exporters: which preset has which, and what each rule does."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from goldens.reference import MODELS, group
from keras import ops

from centernet.errors import ConfigError
from centernet.models.points.decode import decode
from centernet.models.presets import find_model
from centernet.models.settings import RULES, PointDecoderSettings

SIDE = 20  # cells
IMAGE = (80, 80)  # pixels on the canvas


def maps(size: tuple[float, float], at: tuple[int, int] = (10, 10), classes: int = 2) -> dict[str, Any]:
    """One object of class 0 with one keypoint, which is regressed two cells left and up of the center."""
    heatmap = np.full((1, SIDE, SIDE, classes), -9, np.float32)
    heatmap[0, *at, 0] = 2
    zeros = np.zeros((1, SIDE, SIDE, 2), np.float32)
    made = {
        "heatmap": heatmap,
        "size": zeros + np.float32(size),
        "offset": zeros,
        "keypoint_heatmap": np.full((1, SIDE, SIDE, 1), -9, np.float32),
        "keypoint_regression": zeros - 2,
        "keypoint_offset": zeros,
    }
    return {name: ops.convert_to_tensor(value) for name, value in made.items()}


def first(rules: str, made: dict[str, Any], image: tuple[int, int] = IMAGE) -> dict[str, np.ndarray]:
    """The best detection, in pixels of the canvas."""
    settings = PointDecoderSettings(max_detections=1, candidates=3, rules=rules)
    found = decode(made, ops.convert_to_tensor([image]), settings, keypoint_class=0)
    arrays = {name: ops.convert_to_numpy(value)[0, 0] for name, value in found.items()}
    scale = np.float32(image[::-1])
    return arrays | {
        "boxes": arrays["boxes"] * np.tile(scale, 2),
        "keypoints": arrays["keypoints"] * scale,
    }


@pytest.mark.parametrize("model", MODELS)
def test_each_published_model_has_the_rules_of_its_exporter(model: str) -> None:
    rules = find_model(model).decoder.rules
    assert rules == ("2021-02" if "mobilenet" in model else "2020-07")


@pytest.mark.parametrize("model", MODELS)
def test_each_published_model_gives_as_many_boxes_as_its_export(model: str) -> None:
    expected = group(model, "post_published")["detection_scores"].shape[1]
    assert find_model(model).decoder.max_detections == expected


@pytest.mark.parametrize("rules", RULES)
def test_a_negative_size_inverts_the_box_only_under_the_rules_before_2021(rules: str) -> None:
    box = first(rules, maps(size=(-2, 4)))["boxes"]
    rows = (44, 36) if rules < "2021" else (40, 40)
    np.testing.assert_allclose(box, (32, rows[0], 48, rows[1]), atol=1e-4)


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("classes", [1, 2])
def test_keypoints_outside_are_dropped_by_models_of_several_classes_of_the_first_two_exporters(
    rules: str, classes: int
) -> None:
    found = first(rules, maps(size=(4, 4), at=(1, 10), classes=classes))
    dropped = rules in ("2020-07", "2021-02") and classes > 1
    np.testing.assert_allclose(found["keypoints"][0], (32, 0 if dropped else -4), atol=1e-4)
    assert found["keypoint_scores"][0] == pytest.approx(0 if dropped else 0.1)


@pytest.mark.parametrize("rules", RULES)
def test_the_box_that_keypoints_are_searched_in_ends_at_the_grid_under_the_last_rules(rules: str) -> None:
    # Half of the box lies beyond the grid: clipped, its longer side is half as long, and the search radius too.
    made = maps(size=(2, 20), at=(10, 0))
    heatmap = np.full((1, SIDE, SIDE, 1), -9, np.float32)
    heatmap[0, 10, 3, 0] = 1  # five cells from the regressed position (8, -2); 7.2 and 3.6 are the radii
    made["keypoint_heatmap"] = ops.convert_to_tensor(heatmap)
    made["keypoint_regression"] = ops.convert_to_tensor(np.zeros((1, SIDE, SIDE, 2), np.float32) - [0, 2])
    matched = rules != "2021-07"
    score = first(rules, made)["keypoint_scores"][0]
    assert (score > 0.5) == matched


@pytest.mark.parametrize("rules", RULES)
def test_only_the_last_rules_ignore_centers_whose_index_exceeds_the_image_in_pixels(rules: str) -> None:
    thin = (8, 80)  # the center's row is 10
    score = first(rules, maps(size=(4, 4)), thin)["scores"]
    assert (score > 0.5) == (rules != "2021-07")


@pytest.mark.parametrize("classes", [1, 2])
def test_only_models_of_one_class_give_keypoints_to_rows_without_an_object(classes: int) -> None:
    made = maps(size=(4, 4), classes=classes)
    nothing = np.full((1, SIDE, SIDE, classes), -200, np.float32)  # a probability of exactly zero
    nothing[0, 10, 10, 0] = 2
    made["heatmap"] = ops.convert_to_tensor(nothing)
    made["keypoint_regression"] = ops.convert_to_tensor(np.full((1, SIDE, SIDE, 2), 3, np.float32))
    settings = PointDecoderSettings(max_detections=2, candidates=3, rules="2021-02")
    found = decode(made, ops.convert_to_tensor([IMAGE]), settings, keypoint_class=0)
    assert ops.convert_to_numpy(found["scores"])[0, 1] == 0
    scores = ops.convert_to_numpy(found["keypoint_scores"])[0, :, 0]
    np.testing.assert_allclose(scores, [0.1, 0.1 if classes == 1 else 0], atol=1e-6)


def test_rules_differ_from_each_other() -> None:
    assert len({dataclasses.astuple(rules) for rules in RULES.values()}) == len(RULES)


def test_unknown_rules_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"2020-07.*rules='2019'"):
        PointDecoderSettings(rules="2019")


@pytest.mark.parametrize("rules", RULES)
def test_a_cell_almost_as_good_as_its_neighbour_is_a_peak_only_to_the_exporters(rules: str) -> None:
    made = maps(size=(4, 4))
    heatmap = ops.convert_to_numpy(made["heatmap"]).copy()
    heatmap[0, 10, 11, 0] = 2 - 2e-6  # a probability 2e-7 lower
    settings = PointDecoderSettings(max_detections=2, candidates=3, rules=rules)
    found = decode(made | {"heatmap": ops.convert_to_tensor(heatmap)}, ops.convert_to_tensor([IMAGE]), settings)
    assert (ops.convert_to_numpy(found["scores"])[0, 1] > 0.5) == (rules != "2019-04")
