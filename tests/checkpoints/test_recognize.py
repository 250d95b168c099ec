from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from checkpoint_writer import SUFFIX, write_training
from goldens.checkpoints import write
from goldens.reference import MODELS, manifests, read_json
from small import BACKBONE, small_detector

from centernet.checkpoints.model_garden.object_graph import zoo_names
from centernet.checkpoints.zoo.recognize import fits, infer_config, recognize
from centernet.checkpoints.zoo.tf_checkpoint import TensorFlowCheckpoint
from centernet.data.keypoints import KeypointTask
from centernet.errors import CheckpointError
from centernet.models.presets import find_model
from centernet.models.settings import PointHeadSettings

GARDEN = read_json(Path(__file__).parents[1] / "goldens" / "model_garden" / "names.json.gz")["hourglass104"]


class Names(TensorFlowCheckpoint):
    """The names and shapes of a checkpoint whose tensors nobody wants to write."""

    def __init__(self, shapes, translated=None):
        self.shapes = {name: tuple(shape) for name, shape in shapes.items()}
        self._children, self._translated = [], translated or {}


def names_of(model, *, published):
    manifest = manifests()[model]
    extra = manifest["published_extra"] if published else {}
    return Names({f"{name}{SUFFIX}": shape for name, shape in {**manifest["training"], **extra}.items()})


@pytest.mark.parametrize("published", [True, False], ids=["with_imagenet_classifier", "without"])
@pytest.mark.parametrize("model", MODELS)
def test_every_published_model_is_told_from_its_names(model, published):
    preset, found = find_model(model), recognize(names_of(model, published=published))
    assert found.backbone.items() <= {"momentum": 0.1, **preset.backbone}.items()
    assert found.classes == len(preset.classes)
    assert found.keypoints == (17 if "kpts" in model else None)
    assert PointHeadSettings(**found.heads) == preset.heads
    assert preset.backbone["name"] in str(found)


def test_a_checkpoint_of_model_garden_is_told_from_its_names():
    translated = {zoo: key for key, zoo in zoo_names(GARDEN).items()}
    found = recognize(Names(GARDEN, translated))
    assert (found.backbone["name"], found.classes, found.keypoints) == ("hourglass104", 90, None)
    assert str(found) == "hourglass104 with 90 classes"


@pytest.mark.parametrize(
    "sizes",
    [
        BACKBONE,
        {"stacks": 3, "filters": [16, 24, 32], "blocks": [1, 2, 1], "stem_filters": 16},
        {"stacks": 2, "filters": [24, 16], "blocks": [2, 3], "stem_filters": 24},
    ],
    ids=str,
)
def test_an_hourglass_of_any_size_is_described_and_can_be_built(tmp_path, sizes):
    detector = small_detector(
        3, lively=False, backbone={**sizes, "name": "hourglass"}, heads=PointHeadSettings(filters=8, kernel_size=1)
    )
    prefix = write_training(detector, tmp_path / "any name" / "checkpoint" / "ckpt-7")
    config = infer_config(prefix)
    assert config.backbone == {**sizes, "name": "hourglass", "momentum": 0.1}
    assert config.heads == PointHeadSettings(filters=8, kernel_size=1)
    assert (config.name, config.classes) == ("any name", ("class_0", "class_1", "class_2"))
    assert "hourglass (stacks=" in str(recognize(TensorFlowCheckpoint(prefix)))


def test_names_that_only_tensors_can_not_tell_are_assumed_and_that_is_said(tmp_path, caplog):
    prefix = write_training(small_detector(lively=False), tmp_path / "ckpt-0")
    with caplog.at_level("WARNING", "centernet"):
        config = infer_config(prefix)
    assert (config.preprocessing.size, config.decoder.rules) == ((512, 512), "2021-07")
    assert "no description beside it" in caplog.text
    assert "512×512" in caplog.text


@pytest.mark.parametrize(
    ("classes", "keypoints", "class_name", "names"),
    [
        (1, 17, "person", "nose"),
        (90, 17, "person", "nose"),
        (1, 5, "class_0", "keypoint_0"),
        (2, 17, "class_0", "keypoint_0"),
        (90, 4, "person", "keypoint_0"),
    ],
)
def test_names_are_coco_s_only_where_the_numbers_are(tmp_path, classes, keypoints, class_name, names):
    task = KeypointTask("class_0", tuple(f"k{n}" for n in range(keypoints)))
    detector = small_detector(classes, lively=False, keypoints=task)
    config = infer_config(write_training(detector, tmp_path / "ckpt-0", task="any_task"))
    assert len(config.classes) == classes
    assert (config.keypoints.class_name, config.keypoints.names[0]) == (class_name, names)
    assert len(config.keypoints.names) == keypoints


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["model/_box_predictor/_prediction_heads/class_predictions/kernel"], "an SSD or EfficientDet"),
        (["model/_first_stage_box_predictor/x/kernel"], "a Faster R-CNN"),
        (["model/_second_stage_feature_extractor/x/kernel"], "a Faster R-CNN"),
        (["layer_with_weights-0/kernel"], "a network that this library doesn't know"),
        (["model/_feature_extractor/_base_model/layer_with_weights-0/kernel"], "a network that"),
    ],
)
def test_other_detectors_are_named(tmp_path, names, message):
    prefix = write(tmp_path / "ckpt-0", {name: np.zeros(2, np.float32) for name in names}, {})
    with pytest.raises(CheckpointError, match=f"Expected a CenterNet .* It looks like {message}"):
        infer_config(prefix)


def test_a_description_fits_a_checkpoint_of_the_same_network_classes_and_keypoints(tmp_path):
    detector = small_detector(lively=False)
    prefix = write_training(detector, tmp_path / "ckpt-0")
    assert fits(prefix, detector.config)
    for other in (
        small_detector(3, lively=False),
        small_detector(lively=False, keypoints=KeypointTask("a", ("x",))),
        small_detector(lively=False, backbone="mobilenetv2_fpn"),
    ):
        assert not fits(prefix, other.config)
