"""What every backbone shares: its input, its weights, and its entry in the table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import keras

from centernet.errors import ConfigError

_KERNEL_INITIALIZER: ContextVar[str] = ContextVar("kernel_initializer", default="glorot_uniform")
InputShape = tuple[int | None, int | None, int]
IMAGENET = "imagenet"


@keras.saving.register_keras_serializable(package="centernet")
class Backbone(keras.Model):
    """A functional model that returns a list of one map a stack, for a single stack as well."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> list[Any]:
        """Run the network; Keras itself would return a list of one as its element."""
        outputs = super().call(inputs, training=training, mask=mask)
        return outputs if isinstance(outputs, list) else [outputs]


def trunk_weights(weights: str | None) -> str | None:
    """The part of `weights` that keras.applications understands."""
    return IMAGENET if weights == IMAGENET else None


def finish(model: keras.Model, weights: str | None, *, stride: int) -> keras.Model:
    """Check the input size against the network's stride and load a file of weights, if one is named.

    Args:
        model: The backbone.
        weights: None, `"imagenet"` (already in the trunk) or the path of a `.weights.h5` file.
        stride: Height and width of the input must be multiples of it.

    Returns:
        The model, which now has the attribute `input_multiple`.

    Raises:
        ConfigError: If the input size is fixed and no multiple of the stride, or `weights` is no such file.
    """
    for side in model.input_shape[1:3]:
        if side is not None and side % stride:
            raise ConfigError(
                f"Expected an input of {model.name} whose height and width are multiples of {stride}. "
                f"Received: input_shape={model.input_shape[1:]}"
            )
    if weights not in (None, IMAGENET):
        if not str(weights).endswith(".weights.h5"):
            raise ConfigError(
                f"Expected weights=None, 'imagenet' or the path of a .weights.h5 file. Received: {weights!r}. "
                "Published checkpoints hold whole detectors: centernet.load(name).backbone has their backbone."
            )
        model.load_weights(weights)
    model.input_multiple = stride
    return model


@contextmanager
def without_initialization() -> Iterator[None]:
    """Within it, the hourglass's kernels are zeros: drawing 190 million random values takes seconds.

    For models whose weights are loaded next.
    """
    token = _KERNEL_INITIALIZER.set("zeros")
    try:
        yield
    finally:
        _KERNEL_INITIALIZER.reset(token)


def kernel_initializer() -> str:
    """Initializer of convolution kernels: Keras's default, or zeros within `without_initialization`."""
    return _KERNEL_INITIALIZER.get()
