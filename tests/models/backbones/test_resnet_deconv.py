"""The ResNets of PyTorch's model zoo under transposed convolutions: what keras.applications has otherwise."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from backends import forward

from centernet.errors import ConfigError
from centernet.models.backbones import ResNet18Deconv, ResNet101Deconv, ResNetDeconv
from centernet.models.backbones.build import without_initialization


@pytest.fixture(scope="module", params=[18, 101])
def network(request: pytest.FixtureRequest) -> Any:
    with without_initialization():
        return ResNetDeconv(request.param)


def of_kind(network: Any, kind: type) -> list[Any]:
    return [layer for layer in network.layers if isinstance(layer, kind)]


def test_no_convolution_has_a_bias(network: Any) -> None:
    convolutions = of_kind(network, keras.layers.Conv2D) + of_kind(network, keras.layers.Conv2DTranspose)
    assert len(convolutions) > 20
    assert not any(layer.use_bias for layer in convolutions)


def test_normalization_is_pytorch_s(network: Any) -> None:
    norms = of_kind(network, keras.layers.BatchNormalization)
    assert {(layer.epsilon, layer.momentum) for layer in norms} == {(1e-5, 0.9)}


def test_stages_are_entered_by_a_3x3_convolution_with_a_stride(network: Any) -> None:
    halving = {
        layer.name: layer.kernel_size
        for layer in network.layers
        if isinstance(layer, keras.layers.Conv2D) and layer.strides == (2, 2) and "_0_" not in layer.name
    }
    step = 2 if "conv2_block1_3_conv" in {layer.name for layer in network.layers} else 1
    expected = {f"conv{stage}_block1_{step}_conv": (3, 3) for stage in (3, 4, 5)}
    assert halving == {"conv1_conv": (7, 7), **expected}


@pytest.mark.parametrize(("depth", "shortcuts"), [(18, 3), (101, 4)])
def test_shortcuts_are_projected_where_the_shape_changes(depth: int, shortcuts: int) -> None:
    with without_initialization():
        names = [layer.name for layer in ResNetDeconv(depth).layers]
    assert sum(name.endswith("_0_conv") for name in names) == shortcuts


def test_a_stride_keeps_the_even_pixels_as_centers() -> None:
    # Padding as Keras's "same" would keep the odd ones.
    with without_initialization():
        network = ResNet18Deconv(input_shape=(32, 64, 3))
    kernel = np.zeros((7, 7, 3, 64), np.float32)
    kernel[3, 3, 0] = 1
    network.get_layer("conv1_conv").set_weights([kernel])
    image = np.random.default_rng(0).random((1, 32, 64, 3), np.float32)
    outputs = [network.get_layer(name).output for name in ("conv1_conv", "pool1_pad", "pool1_pool")]
    convolved, padded, pooled = forward(keras.Model(network.inputs[0], outputs), image)
    np.testing.assert_allclose(convolved[..., 0], image[:, ::2, ::2, 0], atol=1e-6)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))[:, ::2, ::2]
    np.testing.assert_array_equal(pooled, windows.max(axis=(-2, -1)))
    assert pooled.shape == (1, 8, 16, 64)


def test_the_wrappers_have_their_names_and_take_another_momentum() -> None:
    with without_initialization():
        networks = [ResNet18Deconv(momentum=0.5), ResNet101Deconv(name="mine")]
    assert [network.name for network in networks] == ["resnet18_deconv", "mine"]
    assert {norm.momentum for norm in of_kind(networks[0], keras.layers.BatchNormalization)} == {0.5}


@pytest.mark.parametrize("depth", [34, 50, "18", None])
def test_another_depth_is_refused(depth: Any) -> None:
    with pytest.raises(ConfigError, match=r"depth of \[18, 101\]. Received: depth="):
        ResNetDeconv(depth)


def test_there_are_no_imagenet_weights() -> None:
    with pytest.raises(ConfigError, match="'imagenet'"):
        ResNet18Deconv(weights="imagenet")
