"""A detector compiled for inference: uint8 images in, boxes out, in one graph."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import keras
import numpy as np

from centernet.errors import CenterNetError
from centernet.inference.folding import fold_batch_normalization
from centernet.ops.preprocessing import check_images, collate

Arrays = dict[str, np.ndarray]
Forward = Callable[[Any], Any]
Signature = Sequence[tuple[str, tuple[int | None, ...]]]  # dtype and shape of each argument; None where it varies

IMAGES: Signature = [("uint8", (None, None, None, 3)), ("int32", (None, 2))]  # a batch, and its images' sizes
ONE_IMAGE: Signature = [("uint8", (1, None, None, 3)), ("int32", (1, 2))]
# TensorFlow runs a graph whose weights are constants about a tenth faster, but holds them once more for each graph.
# Beyond this size, of all graphs together, weights are shared; large convolutions take so long that it doesn't show.
FROZEN_BYTES = 256 * 2**20
MOST_FORMS = 32  # compiled at a time; images that keep their own size need one for each size of the canvas
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
        self._network: keras.Model | None = None
        self._forms: dict[Any, _Form] = {}  # the last one used is the last
        self._lock = threading.Lock()

    def __call__(self, images: Sequence[np.ndarray], exact: bool) -> Arrays:
        """Run the detector on images; see `Detector.infer`."""
        check_images(images)
        groups: dict[tuple[int, int], list[int]] = {}
        for number, image in enumerate(images):
            canvas = self._detector.config.preprocessing.canvas(np.array([image.shape[:2]]))
            groups.setdefault(canvas, []).append(number)
        # On the canvas of a larger one beside it, other things would be found in an image.
        found = [self._run([images[number] for number in group], canvas, exact) for canvas, group in groups.items()]
        if len(found) == 1:
            return found[0]
        order = np.argsort(np.concatenate(list(groups.values())))
        return {name: np.concatenate([one[name] for one in found])[order] for name in found[0]}

    def _run(self, images: Sequence[np.ndarray], canvas: tuple[int, int], exact: bool) -> Arrays:
        """The arrays of `Detector.decode` for images of one canvas."""
        detector = self._detector

        def step(forward: Forward, images: Any, sizes: Any) -> dict[str, Any]:
            batch = detector.config.preprocessing(images, sizes, canvas)
            return detector.decode(forward(batch), sizes, canvas=canvas, exact=exact)

        found = self.compiled(("detect", canvas, exact), step, IMAGES)(*collate(images, shape_step()))
        return {name: keras.ops.convert_to_numpy(value) for name, value in found.items()}

    def compiled(self, form: Any, step: Callable[..., Any], signature: Signature) -> Callable[..., Any]:
        """The compiled function of a form; see `Detector.compiled_form`."""
        state = b"".join(keras.ops.convert_to_numpy(variable).tobytes() for variable in self._watched)
        with self._lock:
            if state != self._state:
                self.reset()
                self._state = state
            made = self._forms.pop(form, None) or self._compile(step, signature)
            self._forms[form] = made
        return made.run

    def reset(self) -> None:
        """Forget what was compiled, so that changed weights or settings are used."""
        self._network, self._forms = None, {}

    def _compile(self, step: Callable[..., Any], signature: Signature) -> _Form:
        if self._network is None:
            check_weights(self._detector)
            self._network = fold_batch_normalization(self._detector)
        while len(self._forms) >= MOST_FORMS:
            del self._forms[next(iter(self._forms))]
        size = sum(math.prod(variable.shape) * 4 for variable in self._network.variables)
        frozen = size + sum(form.frozen_bytes for form in self._forms.values()) <= FROZEN_BYTES
        run = compile_with_network(self._network, step, signature, frozen=frozen)
        return _Form(run, size if frozen else 0)


class _Form(NamedTuple):
    """A compiled function, and the size of the copy of the weights that it holds for itself."""

    run: Callable[..., Any]
    frozen_bytes: int


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


def compile_with_network(
    network: keras.Model, step: Callable[..., Any], signature: Signature, *, frozen: bool
) -> Callable[..., Any]:
    """Compile a function that uses a network, for the current backend.

    Args:
        network: The network.
        step: `step(forward, *arguments)`, where `forward` is the network as a function of a batch.
        signature: Of the arguments.
        frozen: Whether TensorFlow makes constants of the weights.

    Returns:
        A function of the arguments (NumPy arrays or tensors).
    """
    if keras.backend.backend() == "tensorflow":
        return _compile_tensorflow(network, step, signature, frozen)
    return {"jax": _compile_jax, "torch": _compile_torch}[keras.backend.backend()](network, step)


def shape_step() -> int:
    """What the height and width of an image batch should be a multiple of, on the current backend."""
    return SHAPE_STEP if keras.backend.backend() == "jax" else 1


def _compile_tensorflow(
    network: keras.Model, step: Callable[..., Any], signature: Signature, frozen: bool
) -> Callable[..., Any]:
    import tensorflow as tf

    fixed = network.variables if frozen else []
    values = [(variable, keras.ops.convert_to_numpy(variable)) for variable in fixed]

    def forward(batch: Any) -> Any:
        constants = [(variable, tf.constant(value)) for variable, value in values]
        with keras.StatelessScope(state_mapping=constants):
            return network(batch, training=False)

    specification = [tf.TensorSpec(shape, dtype) for dtype, shape in signature]
    # No XLA: on a CPU it makes these networks several times slower.
    function = tf.function(partial(step, forward), input_signature=specification, autograph=False)
    compiled = function.get_concrete_function()
    return lambda *arguments: compiled(*map(tf.constant, arguments))


def _compile_jax(network: keras.Model, step: Callable[..., Any]) -> Callable[..., Any]:
    import jax

    trainable = [variable.value for variable in network.trainable_variables]
    fixed = [variable.value for variable in network.non_trainable_variables]

    @jax.jit
    def compiled(trainable: Any, fixed: Any, *arguments: Any) -> Any:
        def forward(batch: Any) -> Any:
            return network.stateless_call(trainable, fixed, batch, training=False)[0]

        return step(forward, *arguments)

    return lambda *arguments: jax.block_until_ready(compiled(trainable, fixed, *arguments))


def _compile_torch(network: keras.Model, step: Callable[..., Any]) -> Callable[..., Any]:
    import torch

    def run(*arguments: Any) -> Any:
        with torch.no_grad():
            return step(partial(network, training=False), *map(keras.ops.convert_to_tensor, arguments))

    return run
