"""Folding: a network without its normalizations computes the same."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from backends import forward
from keras import layers

from centernet import HeadSettings, PointDetector
from centernet.inference.folding import fold_batch_normalization
from centernet.models.backbones import build_backbone

SMALL_HOURGLASS = {"filters": (16, 16, 24), "blocks": (2, 2, 3), "stem_filters": 16}
NETWORKS: dict[str, dict[str, Any]] = {
    "hourglass": SMALL_HOURGLASS,
    "mobilenetv2_fpn": {},
    "resnet50_v1_fpn": {},
    "resnet50_v2": {},
    "resnet18_deconv": {},
}


def randomize(model: keras.Model) -> None:
    """Statistics and scales of a trained network's kind in every normalization, and biases."""
    rng = np.random.default_rng(0)
    draw = {
        "gamma": lambda shape: rng.uniform(0.6, 1.2, shape),
        "moving_variance": lambda shape: rng.uniform(0.6, 1.4, shape),
        "beta": lambda shape: rng.normal(0, 0.1, shape),
        "moving_mean": lambda shape: rng.normal(0, 0.1, shape),
        "bias": lambda shape: rng.normal(0, 0.1, shape),
    }
    for variable in model.variables:
        if variable.name in draw:
            variable.assign(draw[variable.name](variable.shape))


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def values(model: keras.Model, batch: np.ndarray) -> list[np.ndarray]:
    return keras.tree.flatten(forward(model, batch))


def normalizations(model: keras.Model) -> list[Any]:
    """Those of nested models as well."""
    return [layer for layer in model._flatten_layers() if isinstance(layer, layers.BatchNormalization)]


def check_folded(model: keras.Model, batch: np.ndarray, left: int) -> None:
    """The folded copy is within 1e-4 of the original, in parts of its range where that exceeds 1."""
    randomize(model)
    expected = values(model, batch)
    folded = fold_batch_normalization(model)
    found = values(folded, batch)
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert np.abs(theirs).max() > 1e-3  # something to compare
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4 * max(1, np.abs(theirs).max()))
    assert len(normalizations(folded)) == left
    assert len(normalizations(model)) > left


@pytest.mark.parametrize("name", NETWORKS)
def test_a_folded_backbone_computes_the_same(name: str) -> None:
    # ResNet v2 normalizes sums before convolutions: what follows no convolution stays.
    left = {"resnet50_v2": 16}.get(name, 0)
    check_folded(build_backbone(name, **NETWORKS[name]), noise(1, 64, 96, 3), left)


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["hourglass104", "resnet101_v1_fpn", "resnet101_v2"])
def test_a_large_folded_backbone_computes_the_same(name: str) -> None:
    left = {"resnet101_v2": 33}.get(name, 0)
    check_folded(build_backbone(name), noise(1, 128, 128, 3), left)


@pytest.mark.parametrize("separable", [False, True])
def test_a_folded_detector_computes_the_same(separable: bool) -> None:
    backbone = {"name": "hourglass", "stacks": 2, **SMALL_HOURGLASS}
    detector = PointDetector(backbone, 3, heads=HeadSettings(filters=16, separable=separable))
    check_folded(detector, noise(1, 32, 48, 3), 0)


def test_folding_leaves_the_original_alone() -> None:
    model = build_backbone("hourglass", **SMALL_HOURGLASS)
    randomize(model)
    before = [keras.ops.convert_to_numpy(variable) for variable in model.variables]
    fold_batch_normalization(model)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), value)


@pytest.mark.parametrize(
    "conv",
    [
        lambda: layers.Conv2D(5, 3, padding="same", use_bias=False),
        lambda: layers.Conv2D(5, 3, padding="same"),
        lambda: layers.Conv2DTranspose(5, 3, strides=2, padding="same"),
        lambda: layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2),
        lambda: layers.SeparableConv2D(5, 3, padding="same"),
    ],
    ids=["plain", "with bias", "transposed", "depthwise", "separable"],
)
@pytest.mark.parametrize("scaled", [True, False])
def test_every_kind_of_convolution_takes_a_normalization_in(conv: Any, scaled: bool) -> None:
    inputs = keras.Input((8, 8, 4))
    outputs = layers.BatchNormalization(scale=scaled, center=scaled)(conv()(inputs))
    check_folded(keras.Model(inputs, outputs), noise(2, 8, 8, 4), 0)


def test_a_convolution_that_is_read_twice_keeps_its_normalization() -> None:
    inputs = keras.Input((8, 8, 4))
    x = layers.Conv2D(5, 3, padding="same")(inputs)
    model = keras.Model(inputs, layers.Add()([layers.BatchNormalization()(x), x]))
    with_another = layers.BatchNormalization()(layers.Conv2D(2, 1)(model.output))
    check_folded(keras.Model(inputs, with_another), noise(2, 8, 8, 4), 1)


def test_a_convolution_whose_output_is_wanted_keeps_its_normalization() -> None:
    inputs = keras.Input((8, 8, 4))
    x = layers.Conv2D(5, 3, padding="same")(inputs)
    y = layers.BatchNormalization()(x)
    z = layers.BatchNormalization()(layers.Conv2D(2, 1)(y))
    check_folded(keras.Model(inputs, [x, z]), noise(2, 8, 8, 4), 1)


def test_a_normalization_behind_an_activation_stays() -> None:
    inputs = keras.Input((8, 8, 4))
    x = layers.BatchNormalization()(layers.Conv2D(5, 3, activation="relu")(inputs))
    x = layers.BatchNormalization()(layers.Conv2D(5, 3)(x))
    check_folded(keras.Model(inputs, x), noise(2, 8, 8, 4), 1)
