"""What `freeze` keeps as it is."""

from __future__ import annotations

from types import SimpleNamespace

import keras
import pytest
from small import small_detector

from centernet import PointDetector
from centernet.errors import ConfigError
from centernet.training.temporary_changes import frozen


@pytest.fixture(scope="module")
def detector():
    return small_detector(lively=False)


def test_nothing(detector):
    with frozen(detector, None) as layers:
        assert layers == ()
        assert len(detector.non_trainable_variables) == sum("moving" in v.name for v in detector.variables)


def test_the_backbone(detector):
    with frozen(detector, "backbone") as layers:
        assert len(layers) == sum(bool(layer.weights) for layer in detector.backbone.layers)
        heads = {v.path.split("/")[0].split("_")[0] for v in detector.trainable_variables}
    assert heads == {"heatmap", "size", "offset"}


@pytest.mark.parametrize(("stage", "last"), [(1, "block_1_expand"), (2, "block_3_expand"), (4, "block_13_expand")])
def test_stages_of_a_trunk(stage, last):
    detector = PointDetector("mobilenetv2_fpn", 2, image_size=(64, 64))
    with frozen(detector, f"stages:{stage}") as layers:
        # The convolution with the stride, after the 1×1 convolution in front of it, is the first that is not.
        assert layers[-1].startswith(last)
        assert layers[-1].endswith("BN")
        trained = {v.path.split("/")[0] for v in detector.trainable_variables}
    assert not trained & set(layers)


def test_pooled_vectors_are_no_maps_of_a_larger_stride():
    inputs = keras.Input((64, 64, 3))
    x = keras.layers.Conv2D(4, 3, 2, "same", name="first")(inputs)
    weights = keras.layers.Dense(4, name="squeezed")(keras.layers.GlobalAveragePooling2D(keepdims=True)(x))
    x = keras.layers.Conv2D(4, 3, 2, "same", name="second")(x * weights)
    backbone = keras.Model(inputs, x)
    backbone.input_multiple = 4
    detector = SimpleNamespace(backbone=backbone)
    for stage, names in ((1, ("first", "squeezed")), (2, ("first", "squeezed", "second"))):
        with frozen(detector, f"stages:{stage}") as layers:
            assert layers == names


@pytest.mark.parametrize("what", [None, "backbone", "stages:2"])
def test_everything_is_as_its_user_had_it_afterwards_whatever_happens(what):
    detector = PointDetector("mobilenetv2_fpn", 2, image_size=(64, 64))
    detector.backbone.layers[4].trainable = False
    detector.get_layer("size_0").trainable = False
    before = [layer.trainable for layer in detector._flatten_layers()]
    own = {v.path for v in detector.trainable_variables}

    def interrupted():
        with frozen(detector, what):
            assert {v.path for v in detector.trainable_variables} <= own
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [layer.trainable for layer in detector._flatten_layers()] == before
    assert {v.path for v in detector.trainable_variables} == own


@pytest.mark.parametrize("what", ["heads", "stages", "stages:x", ""])
def test_something_else_is_refused(detector, what):
    with pytest.raises(ConfigError, match="'backbone', 'stages:N' or None"), frozen(detector, what):
        pass
