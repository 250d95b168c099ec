"""Shared by the backbones: checks of arguments, weights, conversion of user models."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
from keras import initializers, ops

from centernet.errors import ConfigError
from centernet.ops.constants import STRIDE

# Default initializers of Keras's layers.
DEFAULT_INITIALIZERS = {
    "glorot_uniform": initializers.GlorotUniform,
    "zeros": initializers.Zeros,
    "ones": initializers.Ones,
}
PROBE = 256  # side of a test input that reveals the stride of a network
InputShape = tuple[int | None, int | None, int]
IMAGENET = "imagenet"


@keras.saving.register_keras_serializable(package="centernet")
class Backbone(keras.Model):
    """A functional model that returns a list with one map per stack, also for a single stack."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> list[Any]:
        """Run the network; Keras itself would return a list of one as its element."""
        outputs = super().call(inputs, training=training, mask=mask)
        return outputs if isinstance(outputs, list) else [outputs]


def check_arguments(input_shape: InputShape, weights: str | None, *, stride: int, imagenet: bool = True) -> None:
    """Check the arguments of a backbone.

    Args:
        input_shape: `(height, width, 3)`; None for a size that varies.
        weights: None, `"imagenet"` or the path of a `.weights.h5` file.
        stride: Height and width of the input must be multiples of it.
        imagenet: Whether the trunk has ImageNet weights.

    Raises:
        ConfigError: If the input size is fixed and no multiple of the stride, or there are no such weights.
    """
    if any(side is not None and side % stride for side in input_shape[:2]):
        raise ConfigError(
            f"Expected an input whose height and width are multiples of {stride}. Received: input_shape={input_shape}"
        )
    if weights is None or (imagenet and weights == IMAGENET):
        return
    if not str(weights).endswith(".weights.h5") or not Path(weights).is_file():
        known = "None, 'imagenet'" if imagenet else "None"
        raise ConfigError(
            f"Expected weights={known} or the path of an existing .weights.h5 file. Received: {weights!r}. "
            "Published checkpoints hold whole detectors: centernet.load(name).backbone has their backbone."
        )


def finish(model: keras.Model, weights: str | None, *, stride: int) -> keras.Model:
    """Load a file of weights, if one is given, and set the stride.

    Args:
        model: The backbone.
        weights: None, `"imagenet"` (already in the trunk) or the path of a `.weights.h5` file.
        stride: Height and width of the input must be multiples of it.

    Returns:
        The model, which now has the attribute `input_multiple`.
    """
    if weights not in (None, IMAGENET):
        model.load_weights(weights)
    model.input_multiple = stride
    return model


def as_backbone(model: keras.Model) -> keras.Model:
    """Convert a user's functional model to a backbone; backbones of this library are returned unchanged.

    Args:
        model: From images `(batch, height, width, 3)` to one map of stride 4, or a list with one per stack. It must be
            built for inputs of any size, `(None, None, 3)`. Models that it contains are not looked into: where one of
            them has the smallest map, set `input_multiple` yourself.

    Returns:
        The model, which returns a list and has the attribute `input_multiple`: the stride of its smallest map.

    Raises:
        ConfigError: If it has another output.
    """
    if isinstance(model, Backbone):
        return model
    inputs = [tuple(one.shape) for one in getattr(model, "inputs", ())]  # which a functional model has
    if inputs != [(None, None, None, 3)]:
        raise ConfigError(
            "Expected a functional model with one input of shape (None, None, 3), for images of any size, as a "
            f"backbone. Received: {model!r} with inputs {inputs}."
        )
    copy = keras.models.clone_model(model, input_tensors=keras.Input((PROBE, PROBE, 3)))
    shapes = [tuple(tensor.shape) for tensor in copy.outputs]
    if any(len(shape) != 4 or shape[1:3] != (PROBE // STRIDE, PROBE // STRIDE) for shape in shapes):
        raise ConfigError(
            f"Expected a backbone whose maps have a stride of {STRIDE}: (batch, {PROBE // STRIDE}, {PROBE // STRIDE}, "
            f"channels) of an input of {PROBE}×{PROBE}. Received: {shapes} from {model.name}."
        )
    maps = [tensor.shape for layer in copy.layers for tensor in keras.tree.flatten(layer.output)] + shapes
    smallest = min(shape[1] for shape in maps if len(shape) == 4 and (shape[1] or 0) > 1)  # 1: pooled over all
    multiple = getattr(model, "input_multiple", PROBE // smallest)
    return finish(Backbone(model.inputs[0], list(model.outputs), name=model.name), None, stride=multiple)


@contextmanager
def without_initialization() -> Iterator[None]:
    """Create variables as zeros; those of one shape share memory until they are set.

    For models whose weights are loaded next: drawing 190 million random values takes seconds, and so does touching
    the memory for them.
    """
    with keras.saving.custom_object_scope({name: _shared_zeros(kind) for name, kind in DEFAULT_INITIALIZERS.items()}):
        yield


def _shared_zeros(kind: type) -> type:
    """An initializer that returns zeros but has the config of the one it replaces, for saving and copying layers."""
    zeros: dict[Any, Any] = {}

    def call(self: Any, shape: Any, dtype: Any = None, **options: Any) -> Any:
        if keras.backend.backend() == "torch":  # sets variables in place: they need memory of their own
            return ops.zeros(shape, dtype)
        key = (tuple(shape), dtype)
        if key not in zeros:
            zeros[key] = ops.zeros(shape, dtype)
        return zeros[key]

    return type(kind.__name__, (kind,), {"__call__": call, "__module__": kind.__module__})
