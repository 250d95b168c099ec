"""A detector compiled for inference: uint8 images in, boxes out, in one graph."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from centernet.folding import fold_batch_normalization
from centernet.preprocessing import collate

Arrays = dict[str, np.ndarray]
Step = Callable[[Any, Any], dict[str, Any]]

# TensorFlow runs a graph whose weights are constants about a tenth faster, but holds them twice; beyond this
# size the convolutions themselves take so long that it no longer shows.
FROZEN_BYTES = 256 * 2**20
# Compilers that specialize on shapes see image batches in steps of this many pixels.
SHAPE_STEP = 128
WATCHED_VARIABLES = 3
WATCHED_VALUES = 4096  # larger variables are not watched


class Inference:
    """The compiled forms of one detector, made when they are first needed and again when weights have changed."""

    def __init__(self, detector: Any) -> None:
        """Remember the detector; nothing is compiled yet."""
        self._detector = detector
        variables = [v for v in detector.variables if math.prod(v.shape) <= WATCHED_VALUES]
        # A few values tell whether the model was trained or other weights were loaded in between.
        self._watched = variables[-1 :: -max(1, len(variables) // WATCHED_VARIABLES)]
        self._state = b""
        self._compiled: dict[bool, Callable[[np.ndarray, np.ndarray], Arrays]] = {}

    def __call__(self, images: Sequence[np.ndarray], exact: bool) -> Arrays:
        """Run the detector on images; see `Detector.infer`."""
        state = b"".join(keras.ops.convert_to_numpy(variable).tobytes() for variable in self._watched)
        if state != self._state:
            self.reset()
            self._state = state
        if exact not in self._compiled:
            self._compiled[exact] = compile_inference(self._detector, exact=exact)
        return self._compiled[exact](*collate(images, shape_step()))

    def reset(self) -> None:
        """Forget what was compiled, so that changed weights or settings are used."""
        self._compiled = {}


def compile_inference(detector: Any, *, exact: bool = False) -> Callable[[np.ndarray, np.ndarray], Arrays]:
    """Compile preprocessing, network and decoder of a detector into one function.

    The weights are copied (with batch normalization folded in): compile again after changing them.

    Args:
        detector: The detector.
        exact: See `Detector.detect`.

    Returns:
        A function from a uint8 batch `(batch, height, width, 3)` and the int32 `(batch, 2)` sizes of its
        images to the arrays that `Detector.decode` returns.
    """
    network = fold_batch_normalization(detector)
    compilers = {"tensorflow": _compile_tensorflow, "jax": _compile_jax, "torch": _compile_torch}
    return compilers[keras.backend.backend()](detector, network, exact)


def shape_step() -> int:
    """What the height and width of an image batch should be a multiple of, on the current backend."""
    return SHAPE_STEP if keras.backend.backend() == "jax" else 1


def _step(detector: Any, forward: Callable[[Any], Any], exact: bool) -> Step:
    """The whole way of one batch, as a function of tensors."""

    def step(images: Any, sizes: Any) -> dict[str, Any]:
        batch, _ = detector.config.preprocessing(images, sizes)
        return detector.decode(forward(batch), sizes, exact=exact)

    return step


def _compile_tensorflow(detector: Any, network: keras.Model, exact: bool) -> Callable[..., Arrays]:
    import tensorflow as tf

    values = []
    if sum(math.prod(variable.shape) * 4 for variable in network.variables) <= FROZEN_BYTES:
        values = [(variable, keras.ops.convert_to_numpy(variable)) for variable in network.variables]

    def forward(batch: Any) -> Any:
        constants = [(variable, tf.constant(value)) for variable, value in values]
        with keras.StatelessScope(state_mapping=constants):
            return network(batch, training=False)

    signature = [tf.TensorSpec((None, None, None, 3), tf.uint8), tf.TensorSpec((None, 2), tf.int32)]
    # No XLA: on a CPU it makes these networks several times slower.
    step = tf.function(_step(detector, forward, exact), input_signature=signature, autograph=False)
    function = step.get_concrete_function()
    return lambda images, sizes: _to_numpy(function(tf.constant(images), tf.constant(sizes)))


def _compile_jax(detector: Any, network: keras.Model, exact: bool) -> Callable[..., Arrays]:
    import jax

    trainable, fixed = (
        [v.value for v in part] for part in (network.trainable_variables, network.non_trainable_variables)
    )

    @jax.jit
    def step(trainable: Any, fixed: Any, images: Any, sizes: Any) -> dict[str, Any]:
        def forward(batch: Any) -> Any:
            return network.stateless_call(trainable, fixed, batch, training=False)[0]

        return _step(detector, forward, exact)(images, sizes)

    return lambda images, sizes: _to_numpy(step(trainable, fixed, images, sizes))


def _compile_torch(detector: Any, network: keras.Model, exact: bool) -> Callable[..., Arrays]:
    import torch

    step = _step(detector, lambda batch: network(batch, training=False), exact)

    def run(images: np.ndarray, sizes: np.ndarray) -> Arrays:
        tensors = (keras.ops.convert_to_tensor(array) for array in (images, sizes))
        with torch.no_grad():
            return _to_numpy(step(*tensors))

    return run


def _to_numpy(found: dict[str, Any]) -> Arrays:
    return {name: keras.ops.convert_to_numpy(value) for name, value in found.items()}
