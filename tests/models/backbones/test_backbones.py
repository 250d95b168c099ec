"""Backbones: their size, what they return, and what they refuse."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from backends import forward
from goldens.reference import training
from small import TINY

from centernet.errors import ConfigError
from centernet.models.backbones import BACKBONES, Hourglass, Hourglass104, MobileNetV2FPN, build_backbone
from centernet.models.backbones.build import without_initialization
from centernet.models.input_normalization import default_preprocessing
from centernet.models.presets import find_model, list_models

# Name → parameters (moving averages included), stacks, channels of each map, multiple of the input's sides.
NETWORKS = {
    "hourglass104": (187_817_856, 2, 256, 128),
    "hourglass52": (93_721_472, 1, 256, 128),
    "mobilenetv2_fpn": (2_350_656, 1, 24, 32),
    "resnet50_v1_fpn": (24_863_552, 1, 64, 32),
    "resnet101_v1_fpn": (43_934_016, 1, 64, 32),
    "resnet50_v2": (29_422_464, 1, 64, 32),
    "resnet101_v2": (48_484_224, 1, 64, 32),
    "resnet18_deconv": (15_383_488, 1, 256, 32),
    "resnet101_deconv": (53_094_336, 1, 256, 32),
}
PUBLISHED = {
    "hourglass104": "centernet_hg104_512x512_coco17_tpu-8",
    "mobilenetv2_fpn": "centernet_mobilenetv2fpn_512x512_coco17_od",
    "resnet50_v1_fpn": "centernet_resnet50_v1_fpn_512x512_coco17_tpu-8",
    "resnet101_v1_fpn": "centernet_resnet101_v1_fpn_512x512_coco17_tpu-8",
    "resnet50_v2": "centernet_resnet50_v2_512x512_coco17_tpu-8",
}
SMALL = {"filters": (8, 8, 12), "blocks": (1, 1, 2), "stem_filters": 8}


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.fixture(scope="module", params=NETWORKS)
def network(request: pytest.FixtureRequest) -> tuple[str, Any]:
    with without_initialization():
        return request.param, build_backbone(request.param)


def test_parameters_and_maps(network: tuple[str, Any]) -> None:
    name, model = network
    parameters, stacks, channels, multiple = NETWORKS[name]
    assert model.count_params() == parameters
    assert model.compute_output_shape((2, 128, 256, 3)) == [(2, 32, 64, channels)] * stacks
    assert model.input_multiple == multiple
    assert model.name == name


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_as_many_as_in_the_published_file(name: str) -> None:
    file = training(PUBLISHED[name])
    trunk_end = "_base_model/layer_with_weights-101/" if name == "resnet50_v2" else None  # not used, not ours
    sizes = {key: math.prod(shape) for key, shape in file.items() if "/_feature_extractor/" in key}
    assert sum(size for key, size in sizes.items() if not (trunk_end and trunk_end in key)) == NETWORKS[name][0]


def test_every_backbone_is_described_here() -> None:
    assert BACKBONES.keys() - {TINY} == NETWORKS.keys() | {"hourglass"}
    assert {find_model(name).backbone["name"] for name in list_models().names} <= NETWORKS.keys()


@pytest.mark.parametrize("stacks", [1, 2, 3])
def test_a_hourglass_gives_a_list_of_one_map_a_stack(stacks: int) -> None:
    maps = forward(Hourglass(stacks, **SMALL), noise(2, 32, 48, 3))
    assert [map_.shape for map_ in maps] == [(2, 8, 12, 8)] * stacks


@pytest.mark.parametrize("name", ["mobilenetv2_fpn", "resnet50_v2"])
def test_a_backbone_with_one_stack_gives_a_list_too(name: str) -> None:
    with without_initialization():
        model = build_backbone(name, input_shape=(64, 96, 3))
    (found,) = forward(model, noise(2, 64, 96, 3))
    assert found.shape == (2, 16, 24, NETWORKS[name][2])


def test_a_narrow_mobilenet_has_fewer_parameters_and_plain_convolutions_more() -> None:
    counts = [MobileNetV2FPN(**options).count_params() for options in ({"alpha": 0.35}, {}, {"separable": False})]
    assert counts == sorted(counts)
    assert len(set(counts)) == 3


def test_weights_are_read_from_a_file(tmp_path: Path) -> None:
    saved = Hourglass(2, **SMALL)
    path = tmp_path / "trunk.weights.h5"
    saved.save_weights(path)
    loaded = Hourglass(2, **SMALL, weights=str(path))
    batch = noise(1, 32, 32, 3)
    for ours, theirs in zip(forward(loaded, batch), forward(saved, batch), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_weights_of_another_width_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "trunk.weights.h5"
    Hourglass(1, **SMALL).save_weights(path)
    with pytest.raises(ValueError, match="could not be loaded"), pytest.warns(UserWarning, match="Skipping"):
        Hourglass(1, **{**SMALL, "filters": (8, 8, 16)}, weights=str(path))


@pytest.mark.parametrize(
    "build",
    [lambda weights: Hourglass(1, **SMALL, weights=weights), lambda weights: MobileNetV2FPN(weights=weights)],
    ids=["hourglass", "mobilenet"],
)
@pytest.mark.parametrize("weights", ["ckpt-0", "missing.weights.h5", "coco"])
def test_weights_that_are_not_there_are_refused(build: Callable[[str], Any], weights: str) -> None:
    with pytest.raises(ConfigError, match=rf"\.weights\.h5 file\. Received: '{weights}'"):
        build(weights)


def test_there_are_no_imagenet_weights_for_the_hourglass() -> None:
    with pytest.raises(ConfigError, match="'imagenet'"):
        Hourglass104(weights="imagenet")


@pytest.mark.parametrize("name", NETWORKS)
def test_an_input_that_is_no_multiple_of_the_stride_is_refused(name: str) -> None:
    multiple = NETWORKS[name][3]
    with pytest.raises(ConfigError, match=rf"multiples of {multiple}.*\(96, 100, 3\)"):
        build_backbone(name, input_shape=(96, 100, 3))


def test_the_multiple_follows_from_the_depth() -> None:
    assert Hourglass(1, **SMALL, input_shape=(48, 32, 3)).input_multiple == 16
    with pytest.raises(ConfigError, match="multiples of 16"):
        Hourglass(1, **SMALL, input_shape=(40, 32, 3))


@pytest.mark.parametrize("shape", [{"filters": (8,), "blocks": (1,)}, {"filters": (8, 8), "blocks": (1,)}])
def test_a_hourglass_needs_blocks_for_every_width(shape: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(ConfigError, match="filters and blocks of one length"):
        Hourglass(1, **shape)


def own_network(stride: int, stacks: int) -> keras.Model:
    """A plain Keras model down to stride 16, with channel attention, and maps of a stride of its own."""
    x = inputs = keras.Input((None, None, 3))
    while stride > 1:
        x = keras.layers.Conv2D(8, 3, strides=2, padding="same")(x)
        stride //= 2
    deep = keras.layers.AveragePooling2D(4)(x)
    gate = keras.layers.Dense(8)(keras.layers.GlobalAveragePooling2D(keepdims=True)(deep))
    x = keras.layers.Add()([x, keras.layers.UpSampling2D(4)(keras.layers.Multiply()([deep, gate]))])
    return keras.Model(inputs, [x] * stacks if stacks > 1 else x)


@pytest.mark.parametrize("stacks", [1, 2])
def test_a_plain_model_is_a_backbone(monkeypatch: pytest.MonkeyPatch, stacks: int) -> None:
    monkeypatch.setitem(BACKBONES, "own", lambda: own_network(4, stacks))
    backbone = build_backbone("own")
    assert backbone.input_multiple == 16
    maps = backbone(np.zeros((1, 32, 48, 3), "float32"))
    assert [tuple(one.shape) for one in maps] == [(1, 8, 12, 8)] * stacks


def test_a_plain_model_of_another_stride_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKBONES, "own", lambda: own_network(8, 1))
    with pytest.raises(ConfigError, match=r"maps have a stride of 4: \(batch, 64, 64, channels\).*\(None, 32, 32, 8\)"):
        build_backbone("own")


def test_a_network_in_a_network_is_a_backbone(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, own_network(4, 1)(inputs / 255.0))
    monkeypatch.setitem(BACKBONES, "own", lambda: model)
    assert build_backbone("own").input_multiple == 4  # nothing smaller is seen from outside
    model.input_multiple = 16
    assert build_backbone("own").input_multiple == 16
    assert isinstance(build_backbone("own")(np.zeros((1, 16, 16, 3), "float32")), list)


@pytest.mark.parametrize(
    "build",
    [
        lambda: keras.Sequential([keras.layers.Conv2D(8, 3, strides=4, padding="same")]),
        lambda: keras.Model(image := keras.Input((512, 512, 3)), keras.layers.AveragePooling2D(4)(image)),
        lambda: keras.Model([image := keras.Input((None, None, 3)), keras.Input((1,))], image),
    ],
)
def test_what_is_no_functional_model_of_images_of_any_size_is_refused(
    build: Callable[[], keras.Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BACKBONES, "own", build)
    with pytest.raises(ConfigError, match=r"a functional model with one input of shape \(None, None, 3\)"):
        build_backbone("own")


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"resnet50_v1_fpn.*backbone='resnet5'"):
        build_backbone("resnet5")


@pytest.mark.parametrize(("name", "accepted"), [("hourglass104", "stem_filters"), ("mobilenetv2_fpn", "alpha")])
def test_an_unknown_option_is_refused_with_the_known_ones(name: str, accepted: str) -> None:
    with pytest.raises(ConfigError, match=rf"'depth': 3.*it takes.*'{accepted}'"):
        build_backbone(name, depth=3)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_default_preprocessing_is_the_published_one(name: str) -> None:
    assert default_preprocessing(name) == find_model(PUBLISHED[name]).preprocessing


def test_the_default_preprocessing_takes_another_size() -> None:
    changed = default_preprocessing("resnet50_v2", image_size=(256, 320))
    assert changed.size == (256, 320)
    assert changed.mean == default_preprocessing("resnet50_v2").mean
