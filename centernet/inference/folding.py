"""Batch normalization folded into the convolutions before it: the same network with less to compute."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

# Which kernel the scale goes into, and the axes of that kernel that are output channels.
CONVOLUTIONS: dict[type, tuple[str, str]] = {
    keras.layers.Conv2D: ("kernel", "last"),
    keras.layers.Conv2DTranspose: ("kernel", "third"),
    keras.layers.DepthwiseConv2D: ("kernel", "both"),
    keras.layers.SeparableConv2D: ("pointwise_kernel", "last"),
}


def fold_batch_normalization(model: keras.Model) -> keras.Model:
    """A copy of a functional model for inference, without the normalizations that can be folded.

    A batch normalization that alone reads a convolution's output is a scale and a shift of each channel; they
    go into the convolution's kernel and bias. Nested models are folded as well. The original is unchanged.

    Args:
        model: A functional model. Its values are copied: later changes of its weights don't reach the copy.

    Returns:
        A functional model with the same inputs and outputs, equal to rounding in inference mode.
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
            if key.endswith("_initializer"):  # the values are set below
                config[key] = "zeros"
        return layer.__class__.from_config(config)

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        return args[0] if isinstance(layer, keras.layers.Identity) else layer(*args, **kwargs)

    copy = keras.models.clone_model(model, clone_function=clone, call_function=call)
    originals = {layer.name: layer for layer in model.layers}
    for layer in copy.layers:
        original = originals.get(layer.name)
        if layer.name in folded:
            layer.set_weights(_folded_weights(*folded[layer.name]))
        elif layer.weights and not isinstance(layer, keras.models.Model) and original is not None:
            layer.set_weights(original.get_weights())
    return copy


def _foldable(model: keras.Model) -> dict[str, tuple[Any, Any]]:
    """Name of each convolution that can take in a normalization → (convolution, normalization)."""
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


def _folded_weights(conv: Any, norm: Any) -> list[np.ndarray]:
    """Weights of the convolution that does what both did (Ioffe and Szegedy 2015, algorithm 2)."""
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
