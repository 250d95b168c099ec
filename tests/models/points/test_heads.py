"""Heads: their maps, and where they start."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from centernet.errors import ConfigError
from centernet.models.heads import HEATMAP_PRIOR, Head, apply_heads
from centernet.models.points.heads import head_channels, point_heads
from centernet.models.settings import PointHeadSettings


def build(channels: dict, stacks: int = 1, **settings) -> keras.Model:
    features = [keras.Input((None, None, 8)) for _ in range(stacks)]
    return keras.Model(features, apply_heads(features, channels, PointHeadSettings(**settings)))


def test_boxes_need_a_heatmap_a_size_and_an_offset() -> None:
    assert head_channels(90, None) == {"heatmap": 90, "size": 2, "offset": 2}


def test_keypoints_need_a_heatmap_and_two_coordinates_each() -> None:
    keypoints = {"keypoint_heatmap": 17, "keypoint_regression": 34, "keypoint_offset": 34}
    assert head_channels(1, 17) == {"heatmap": 1, "size": 2, "offset": 2, **keypoints}


def test_every_stack_has_a_map_of_every_head() -> None:
    channels = head_channels(3, 4)
    model = build(point_heads(3, 4), stacks=2, filters=16)
    maps = model([np.zeros((1, 6, 5, 8), np.float32)] * 2)
    assert maps.keys() == channels.keys()
    for name, count in channels.items():
        assert [tuple(map_.shape) for map_ in maps[name]] == [(1, 6, 5, count)] * 2


def test_a_new_heatmap_says_one_tenth_everywhere_and_the_others_zero() -> None:
    maps = build(point_heads(3, 4), filters=16)([np.zeros((1, 4, 4, 8), np.float32)])
    for name, (map_,) in maps.items():
        expected = HEATMAP_PRIOR if "heatmap" in name else 0.0
        np.testing.assert_allclose(keras.ops.convert_to_numpy(map_), expected, atol=1e-6)
    assert 1 / (1 + np.exp(-HEATMAP_PRIOR)) == pytest.approx(0.1, abs=1e-3)


def test_heads_are_one_hidden_convolution_relu_and_a_pointwise_one() -> None:
    model = build({"size": Head(2)}, filters=16)
    kernels = {layer.name: tuple(layer.kernel.shape) for layer in model.layers if layer.weights}
    assert kernels == {"size_0_hidden": (3, 3, 8, 16), "size_0": (1, 1, 16, 2)}
    maps = model([np.random.default_rng(0).normal(size=(1, 4, 4, 8)).astype(np.float32)])
    assert keras.ops.shape(maps["size"][0]) == (1, 4, 4, 2)


def test_separable_heads_are_separable_in_the_hidden_convolution_only() -> None:
    model = build({"size": Head(2)}, filters=16, separable=True)
    hidden, last = (layer for layer in model.layers if layer.weights)
    assert isinstance(hidden, keras.layers.SeparableConv2D)
    assert type(last) is keras.layers.Conv2D


@pytest.mark.parametrize("wrong", [{"filters": 0}, {"kernel_size": 0}, {"kernel_size": 4}])
def test_impossible_heads_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="odd kernel size"):
        PointHeadSettings(**wrong)
