"""What `freeze` keeps as it is."""

from __future__ import annotations

import numpy as np
import pytest
from small import small_detector

from centernet import PointDetector
from centernet.errors import ConfigError
from centernet.training.freezing import freeze


@pytest.fixture(scope="module")
def detector():
    return small_detector(lively=False)


def test_nothing(detector):
    assert freeze(detector, None) == ()
    assert len(detector.non_trainable_variables) == sum("moving" in v.name for v in detector.variables)


def test_the_backbone(detector):
    frozen = freeze(detector, "backbone")
    assert len(frozen) == sum(bool(layer.weights) for layer in detector.backbone.layers)
    assert {v.path.split("/")[0].split("_")[0] for v in detector.trainable_variables} == {"heatmap", "size", "offset"}


@pytest.mark.parametrize(("stage", "first_free"), [(1, "expanded_conv"), (2, "block_3"), (4, "block_13")])
def test_stages_of_a_trunk(stage, first_free):
    detector = PointDetector("mobilenetv2_fpn", 2, image_size=(64, 64))
    frozen = freeze(detector, f"stages:{stage}")
    assert 0 < len(frozen) < len(detector.backbone.layers)
    strides = [name for name in frozen if name.startswith(first_free)]
    assert all("expand" in name for name in strides)  # the 1×1 convolution in front of the stride is still before it


def test_what_was_frozen_before_is_free_again(detector):
    freeze(detector, "backbone")
    freeze(detector, None)
    assert detector.backbone.layers[-1].trainable
    assert np.sum([v.trainable for v in detector.trainable_variables]) == len(detector.trainable_variables)


@pytest.mark.parametrize("what", ["heads", "stages", "stages:x", ""])
def test_something_else_is_refused(detector, what):
    with pytest.raises(ConfigError, match="'backbone', 'stages:N' or None"):
        freeze(detector, what)
