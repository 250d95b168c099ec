"""A description of a model is understood or refused, with the part that is wrong."""

from __future__ import annotations

import json

import numpy as np
import pytest

from centernet import list_models
from centernet.data.classes import class_names
from centernet.data.keypoints import KeypointTask
from centernet.errors import ConfigError
from centernet.models.config import ModelConfig
from centernet.models.settings import PointDecoderSettings, PointHeadSettings
from centernet.ops.preprocessing import Preprocessing

SMALL = {
    "name": "small",
    "backbone": {"name": "hourglass52"},
    "preprocessing": {"size": [128, 128]},
    "classes": ["a", "b"],
}
KEYPOINTS = {"class_name": "a", "names": ["left", "right"], "skeleton": [[0, 1]], "flip": [1, 0]}


def described(**changes):
    """The small description with parts changed, or taken out where the new value is `...`."""
    return {key: value for key, value in {**SMALL, **changes}.items() if value is not ...}


@pytest.mark.parametrize("model", list_models(), ids=list_models().names)
def test_every_preset_survives_the_way_through_json(model):
    assert ModelConfig.from_dict(json.loads(json.dumps(model.to_dict()))) == model


def test_what_is_left_out_gets_its_default():
    config = ModelConfig.from_dict(SMALL)
    assert (config.heads, config.decoder) == (PointHeadSettings(), PointDecoderSettings())
    assert (config.family, config.task, config.dataset_ids) == ("points", "boxes", (1, 2))
    assert config.keypoint_class is None


@pytest.mark.parametrize("key", ["heads", "decoder", "archive", "published", "keypoints", "dataset_ids"])
def test_an_empty_section_is_the_same_as_none(key):
    assert ModelConfig.from_dict(described(**{key: None})) == ModelConfig.from_dict(SMALL)


@pytest.mark.parametrize(
    ("changes", "near"),
    [
        ({"clases": ["a"]}, "'classes'"),
        ({"heads": {"filter": 64}}, "'filters'"),
        ({"preprocessing": {"size": [128, 128], "means": [0, 0, 0]}}, "'mean'"),
        ({"decoder": {"max_detection": 10}}, "'max_detections'"),
        ({"keypoints": {**KEYPOINTS, "skeletton": []}}, "'skeleton'"),
        ({"archive": {"ulr": "https://example.org/a.tar.gz"}}, "'url'"),
        ({"published": {"box_AP": 40}}, "'box_ap'"),
    ],
)
def test_an_unknown_key_is_told_with_its_place_and_the_nearest_one(changes, near):
    with pytest.raises(ConfigError, match=f"Unknown key .* my.yaml.* Did you mean {near}") as caught:
        ModelConfig.from_dict(described(**changes), "my.yaml")
    section = next(iter(changes))
    assert section in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": None},
        {"name": ""},
        {"name": 5},
        {"name": ...},
        {"family": "triangles"},
        {"family": ["points"]},
        {"task": "masks"},
        {"task": ["boxes"]},
        {"task": "keypoints"},
        {"backbone": ...},
        {"backbone": None},
        {"backbone": "hourglass52"},
        {"backbone": {}},
        {"backbone": {"name": 50}},
        {"classes": ...},
        {"classes": 3.5},
        {"classes": 0},
        {"classes": -2},
        {"classes": True},
        {"classes": None},
        {"classes": "cat"},
        {"classes": []},
        {"classes": ["a", "a"]},
        {"classes": ["a", ""]},
        {"classes": ["a", 1]},
        {"classes": {"a": 1}},
        {"dataset_ids": [1]},
        {"dataset_ids": ["x", "y"]},
        {"dataset_ids": 7},
        {"preprocessing": ...},
        {"preprocessing": None},
        {"preprocessing": 5},
        {"preprocessing": {}},
        *(
            {"preprocessing": {"size": [128, 128], **values}}
            for values in (
                {"size": "abc"},
                {"size": "ab"},
                {"size": 128},
                {"size": [128]},
                {"size": [128, 128, 3]},
                {"size": [128.5, 128]},
                {"size": [0, 128]},
                {"size": [True, 128]},
                {"mean": None},
                {"mean": "abc"},
                {"mean": [1, 2]},
                {"mean": [1, 2, float("nan")]},
                {"std": [1, 1, 0]},
                {"std": [1, 1, float("inf")]},
                {"channels": "gbr"},
                {"channels": ["rgb"]},
                {"sampling": 1},
            )
        ),
        {"heads": 3},
        {"heads": [1]},
        {"heads": {"filters": "many"}},
        {"heads": {"filters": 0}},
        {"heads": {"filters": 2.5}},
        {"heads": {"kernel_size": 2}},
        {"heads": {"separable": "yes"}},
        {"decoder": "2021-07"},
        {"decoder": {"rules": "2022"}},
        {"decoder": {"rules": ["2021-07"]}},
        {"decoder": {"max_detections": 0}},
        {"decoder": {"max_detections": None}},
        {"decoder": {"box_scale": "big"}},
        {"archive": "https://example.org/a.tar.gz"},
        {"archive": {"url": 5}},
        {"archive": {"sha256": ["x"]}},
        {"archive": {"sha256": {"a": 12345}}},
        {"published": {"box_ap": "high"}},
        *(
            {"task": "boxes+keypoints", "keypoints": {**KEYPOINTS, **values}}
            for values in (
                {"class_name": "c"},
                {"class_name": None},
                {"names": None},
                {"names": "lr"},
                {"skeleton": [[0, 2]]},
                {"skeleton": [["x", "y"]]},
                {"skeleton": [0, 1]},
                {"skeleton": [[0, 1, 1]]},
                {"flip": [0]},
                {"flip": ["x", "y"]},
                {"deviations": [0.1, None]},
            )
        ),
        {"task": "boxes+keypoints", "keypoints": "people"},
        {"task": "boxes+keypoints"},
        {"keypoints": KEYPOINTS},
    ],
    ids=str,
)
def test_a_value_that_cannot_be_is_a_config_error(changes):
    with pytest.raises(ConfigError, match="Expected"):
        ModelConfig.from_dict(described(**changes), "my.yaml")


@pytest.mark.parametrize("data", [None, 5, "points", ["name"]])
def test_something_else_than_keys_and_values_is_a_config_error(data):
    with pytest.raises(ConfigError, match=r"Expected keys and values in my\.yaml"):
        ModelConfig.from_dict(data, "my.yaml")


def test_the_place_of_a_wrong_value_is_told():
    with pytest.raises(ConfigError, match=r"size to be a list of 2, each a whole number.*preprocessing of my\.yaml"):
        ModelConfig.from_dict(described(preprocessing={"size": "abc"}), "my.yaml")


def test_missing_keys_are_named():
    with pytest.raises(ConfigError, match=r"Expected backbone, classes in my\.yaml"):
        ModelConfig.from_dict(described(backbone=..., classes=...), "my.yaml")


def test_a_description_made_of_tuples_and_numpy_numbers_is_the_same_as_the_one_read_from_json():
    config = ModelConfig(
        name="small",
        backbone={"name": "hourglass", "filters": (np.int64(16), 16), "momentum": np.float64(0.5)},
        preprocessing=Preprocessing(tuple(np.array([128, 64])), mean=np.array([1.5, 2.5, 3.5])),
        classes=("a", "b"),
        heads=PointHeadSettings(filters=np.int32(8)),
        decoder=PointDecoderSettings(),
        dataset_ids=tuple(np.array([3, 7])),
        task="boxes+keypoints",
        keypoints=KeypointTask("a", ["left", "right"], np.array([[0, 1]]), deviations=np.array([0.25, 0.5])),
    )
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert config.keypoint_class == 0


@pytest.mark.parametrize(
    ("name", "identifier"),
    [
        ("bccd", "bccd"),
        ("centernet_hg104_512x512_coco17_tpu-8", "centernet_hg104_512x512_coco17_tpu-8"),
        ("my model (1)", "my_model_1_"),
        ("../../etc/passwd", "etc_passwd"),
        ("_x", "x"),
        ("日本", "detector"),
        ("..", "detector"),
    ],
)
def test_any_name_has_a_form_for_graphs_and_folders(name, identifier):
    assert ModelConfig.from_dict(described(name=name)).identifier == identifier


def test_classes_come_as_names_or_a_number():
    assert class_names(3) == class_names(np.int64(3)) == ("class_0", "class_1", "class_2")
    assert class_names(np.array(["a", "b"])) == class_names(name for name in "ab") == ("a", "b")


@pytest.mark.parametrize("classes", ["cats", {"a", "b"}, b"ab", 2.0, None, [None]])
def test_classes_without_an_order_or_names_are_refused(classes):
    with pytest.raises(ConfigError, match="Expected classes as a list of names or their number"):
        class_names(classes)
