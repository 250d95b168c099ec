"""Folds batch normalization into the preceding convolutions: the same network with fewer operations."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from centernet.models.network import Network

# Convolution → kernel that takes the scale, and the axes of that kernel that are output channels.
CONVOLUTIONS: dict[type, tuple[str, str]] = {
    keras.layers.Conv2D: ("kernel", "last"),
    keras.layers.Conv2DTranspose: ("kernel", "third"),
    keras.layers.DepthwiseConv2D: ("kernel", "both"),
    keras.layers.SeparableConv2D: ("pointwise_kernel", "last"),
}


def fold_batch_normalization(model: keras.Model) -> keras.Model:
    """A copy of a functional model for inference, with batch normalization folded where possible.

    A batch normalization that is the only reader of a convolution's output scales and shifts each channel; both move
    into the convolution's kernel and bias. LoRA updates are merged into their kernels. Nested models are folded as
    well. The original is unchanged.

    Args:
        model: A functional model. Its weights are copied: later changes don't reach the copy.

    Returns:
        A functional model with the same inputs and outputs, equal up to rounding in inference mode.
    """
    folded = _foldable(model)
    by_norm = {norm.name: conv for conv, norm in folded.values()}

    def clone(layer: Any) -> Any:
        if isinstance(layer, keras.models.Model):
            return fold_batch_normalization(layer)
        if layer.name in by_norm:
            return keras.layers.Identity(name=layer.name)
        config = layer.get_config()
        if layer.name in folded:
            config["use_bias"] = True
        for key in config:
            if key == "lora_rank":
                config[key] = None
            if key.endswith("_initializer"):  # values are set below
                config[key] = "zeros"
        return layer.__class__.from_config(config)

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        return args[0] if isinstance(layer, keras.layers.Identity) else layer(*args, **kwargs)

    # A detector refuses to be cloned.
    plain = keras.Model(model.input, model.output, name=model.name) if isinstance(model, Network) else model
    copy = keras.models.clone_model(plain, clone_function=clone, call_function=call)
    originals = {layer.name: layer for layer in model.layers}
    for layer in copy.layers:
        original = originals.get(layer.name)
        if layer.name in folded:
            layer.set_weights(_folded_weights(*folded[layer.name]))
        elif layer.weights and not isinstance(layer, keras.models.Model) and original is not None:
            layer.set_weights(_merged_weights(original))
    return copy


def _foldable(model: keras.Model) -> dict[str, tuple[Any, Any]]:
    """Name of each convolution that can absorb a normalization → (convolution, normalization)."""
    producers: dict[int, Any] = {}
    consumers: dict[int, list[Any]] = {id(tensor): [model] for tensor in keras.tree.flatten(model.outputs)}
    for layer in model.layers:
        if type(layer) in CONVOLUTIONS and layer.activation is keras.activations.linear:
            producers[id(layer.output)] = layer
        if not isinstance(layer, keras.layers.InputLayer):
            for tensor in keras.tree.flatten(layer.input):
                consumers.setdefault(id(tensor), []).append(layer)
    pairs = {}
    for tensor, conv in producers.items():
        readers = consumers.get(tensor, [])
        if len(readers) == 1 and isinstance(readers[0], keras.layers.BatchNormalization):
            pairs[conv.name] = (conv, readers[0])
    return pairs


def _merged_weights(layer: Any) -> list[np.ndarray]:
    """Weights of a layer, with its LoRA update (Hu 2021) merged into the kernel."""
    if not getattr(layer, "lora_enabled", False):
        return layer.get_weights()
    kernel = keras.ops.convert_to_numpy(layer.kernel)
    return [kernel, keras.ops.convert_to_numpy(layer.bias)] if layer.use_bias else [kernel]


def _folded_weights(conv: Any, norm: Any) -> list[np.ndarray]:
    """Weights of the convolution that replaces both (Ioffe and Szegedy 2015, algorithm 2)."""
    value = keras.ops.convert_to_numpy
    scale = 1.0 / np.sqrt(value(norm.moving_variance) + norm.epsilon)
    if norm.scale:
        scale = scale * value(norm.gamma)
    shift = value(norm.beta) if norm.center else 0.0
    bias = value(conv.bias) if conv.use_bias else 0.0
    bias = (bias - value(norm.moving_mean)) * scale + shift
    name, axes = CONVOLUTIONS[type(conv)]
    kernel = value(getattr(conv, name))
    shape = {"last": (-1,), "third": (-1, 1), "both": kernel.shape[-2:]}[axes]
    kernel = kernel * scale.reshape(shape)
    kernels = [value(conv.depthwise_kernel), kernel] if name == "pointwise_kernel" else [kernel]
    return [*kernels, bias.astype(kernel.dtype)]
