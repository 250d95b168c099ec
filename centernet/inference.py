"""A detector compiled for inference: uint8 images in, boxes out, in one graph."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import keras
import numpy as np

from centernet.errors import CenterNetError
from centernet.folding import fold_batch_normalization
from centernet.preprocessing import collate

Arrays = dict[str, np.ndarray]
Forward = Callable[[Any], Any]

# TensorFlow runs a graph whose weights are constants about a tenth faster, but holds them twice; beyond this
# size the convolutions themselves take so long that it no longer shows.
FROZEN_BYTES = 256 * 2**20
# Compilers that specialize on shapes see image batches in steps of this many pixels.
SHAPE_STEP = 128
WATCHED_IN_BACKBONE = 4


class Inference:
    """The compiled forms of one detector, made when they are first needed and again when weights have changed."""

    def __init__(self, detector: Any) -> None:
        """Remember the detector; nothing is compiled yet."""
        self._detector = detector
        # A few values tell whether the model was trained or other weights were loaded in between: of each head,
        # because heads may be trained alone, and here and there of the backbone.
        heads = [v for layer in detector.layers if layer is not detector.backbone for v in layer.weights]
        trunk = [v for v in detector.backbone.variables if v.ndim == 1]
        every = max(1, len(trunk) // WATCHED_IN_BACKBONE)
        self._watched = [*(v for v in heads if v.ndim == 1), *trunk[::every]]
        self._state = b""
        self._compiled: dict[Any, Callable[..., Any]] = {}

    def __call__(self, images: Sequence[np.ndarray], exact: bool) -> Arrays:
        """Run the detector on images; see `Detector.infer`."""
        batch, sizes = collate(images, shape_step())
        canvas = self._detector.config.preprocessing.canvas(sizes)
        run = self.compiled(("detect", canvas, exact), lambda: compile_inference(self._detector, canvas, exact))
        return run(batch, sizes)

    def compiled(self, form: Any, make: Callable[[], Callable[..., Any]]) -> Callable[..., Any]:
        """The compiled function of a form, made when it is first asked for and again after weights have changed."""
        state = b"".join(keras.ops.convert_to_numpy(variable).tobytes() for variable in self._watched)
        if state != self._state:
            self.reset()
            self._state = state
        if form not in self._compiled:
            check_weights(self._detector)
            self._compiled[form] = make()
        return self._compiled[form]

    def reset(self) -> None:
        """Forget what was compiled, so that changed weights or settings are used."""
        self._compiled = {}


def check_weights(detector: Any) -> None:
    """Refuse weights that are no numbers: some runtimes' ReLU makes zeros of them, and plausible scores come out.

    Raises:
        CenterNetError: If a weight is NaN or infinite.
    """
    # A sum is NaN or infinite if one of its terms is, and needs no memory.
    broken = [v.path for v in detector.variables if not np.isfinite(np.sum(keras.ops.convert_to_numpy(v)))]
    if broken:
        raise CenterNetError(
            f"Expected weights of {detector.name} that are finite numbers. Received NaN or infinity in {len(broken)} "
            f"of its variables ({', '.join(broken[:3])}): the file is damaged or training diverged. Load other "
            "weights; to train, use a lower learning rate."
        )


def compile_inference(
    detector: Any, canvas: tuple[int, int], exact: bool = False
) -> Callable[[np.ndarray, np.ndarray], Arrays]:
    """Compile preprocessing, network and decoder of a detector into one function.

    The weights are copied (with batch normalization folded in): compile again after changing them.

    Args:
        detector: The detector.
        canvas: Height and width of the network's input.
        exact: See `Detector.detect`.

    Returns:
        A function from a uint8 batch `(batch, height, width, 3)` and the int32 `(batch, 2)` sizes of its
        images to the arrays that `Detector.decode` returns.
    """

    def step(forward: Forward, images: Any, sizes: Any) -> dict[str, Any]:
        batch = detector.config.preprocessing(images, sizes, canvas)
        return detector.decode(forward(batch), sizes, canvas=canvas, exact=exact)

    run = compile_with_network(detector, step, [("uint8", (None, None, None, 3)), ("int32", (None, 2))])
    return lambda images, sizes: {name: keras.ops.convert_to_numpy(value) for name, value in run(images, sizes).items()}


def compile_with_network(
    model: keras.Model, step: Callable[..., Any], signature: Sequence[tuple[str, tuple[int | None, ...]]]
) -> Callable[..., Any]:
    """Compile a function that uses a model, for the current backend, with batch normalization folded.

    Args:
        model: The model; its weights are copied.
        step: `step(forward, *arguments)`, where `forward` is the model as a function of a batch.
        signature: Dtype and shape of each argument; None for a dimension that varies.

    Returns:
        A function of the arguments (NumPy arrays or tensors).
    """
    network = fold_batch_normalization(model)
    compilers = {"tensorflow": _compile_tensorflow, "jax": _compile_jax, "torch": _compile_torch}
    return compilers[keras.backend.backend()](network, step, signature)


def shape_step() -> int:
    """What the height and width of an image batch should be a multiple of, on the current backend."""
    return SHAPE_STEP if keras.backend.backend() == "jax" else 1


def _compile_tensorflow(network: keras.Model, step: Callable[..., Any], signature: Any) -> Callable[..., Any]:
    import tensorflow as tf

    values = []
    if sum(math.prod(variable.shape) * 4 for variable in network.variables) <= FROZEN_BYTES:
        values = [(variable, keras.ops.convert_to_numpy(variable)) for variable in network.variables]

    def forward(batch: Any) -> Any:
        constants = [(variable, tf.constant(value)) for variable, value in values]
        with keras.StatelessScope(state_mapping=constants):
            return network(batch, training=False)

    specification = [tf.TensorSpec(shape, dtype) for dtype, shape in signature]
    # No XLA: on a CPU it makes these networks several times slower.
    function = tf.function(partial(step, forward), input_signature=specification, autograph=False)
    compiled = function.get_concrete_function()
    return lambda *arguments: compiled(*map(tf.constant, arguments))


def _compile_jax(network: keras.Model, step: Callable[..., Any], signature: Any) -> Callable[..., Any]:
    import jax

    trainable = [variable.value for variable in network.trainable_variables]
    fixed = [variable.value for variable in network.non_trainable_variables]

    @jax.jit
    def compiled(trainable: Any, fixed: Any, *arguments: Any) -> Any:
        def forward(batch: Any) -> Any:
            return network.stateless_call(trainable, fixed, batch, training=False)[0]

        return step(forward, *arguments)

    return lambda *arguments: jax.block_until_ready(compiled(trainable, fixed, *arguments))


def _compile_torch(network: keras.Model, step: Callable[..., Any], signature: Any) -> Callable[..., Any]:
    import torch

    def run(*arguments: Any) -> Any:
        with torch.no_grad():
            return step(partial(network, training=False), *map(keras.ops.convert_to_tensor, arguments))

    return run
