"""A detector compiled for inference: uint8 images to boxes in one graph."""

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
from centernet.models.family import IMAGES, Signature
from centernet.models.network import Network
from centernet.ops.constants import Arrays
from centernet.ops.preprocessing import batches, check_images

Forward = Callable[[Any], Any]

# TensorFlow runs a small graph whose weights are constants up to a fifth faster, but needs about sixteen times their
# size in memory, and seconds at the first call. Above this size, summed over all graphs, weights are shared: with
# large convolutions nothing is gained (tests/benchmarks/RESULTS.md).
FROZEN_BYTES = 16 * 2**20
MAX_FORMS = 32  # compiled functions kept at a time; fit="original" needs one per canvas size
WATCHED_IN_BACKBONE = 4


class Inference:
    """Compiled functions of one detector, made at first use and again after its weights have changed."""

    def __init__(self, detector: Network) -> None:
        """Nothing is compiled yet.

        Args:
            detector: The detector.
        """
        self._detector = detector
        # A few values reveal training or loading in between: of each head, because heads may be trained alone, and of
        # some layers of the backbone.
        heads = [v for layer in detector.layers if layer is not detector.backbone for v in layer.weights]
        trunk = [v for v in detector.backbone.variables if v.ndim == 1]
        every = max(1, len(trunk) // WATCHED_IN_BACKBONE)
        self._watched = [*(v for v in heads if v.ndim == 1), *trunk[::every]]
        self._state = b""
        self._network: keras.Model | None = None
        self._forms: dict[Any, _Form] = {}  # most recently used last
        self._lock = threading.Lock()

    def __call__(self, images: Sequence[np.ndarray], exact: bool) -> Arrays:
        """Run the detector on images; see `Detector.infer`."""
        check_images(images)
        groups: dict[tuple[int, int], list[int]] = {}
        for number, image in enumerate(images):
            canvas = self._detector.config.preprocessing.canvas(np.array([image.shape[:2]]))
            groups.setdefault(canvas, []).append(number)
        # An image on the canvas of a larger one would give different detections, so canvases are not shared.
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

        run = self.compiled(("detect", canvas, exact), step, IMAGES)
        found = [run(*batch) for batch in batches(images, canvas)]
        return {name: np.concatenate([keras.ops.convert_to_numpy(one[name]) for one in found]) for name in found[0]}

    def compiled(self, form: Any, step: Callable[..., Any], signature: Signature) -> Callable[..., Any]:
        """The compiled function of a form; see `Network.compiled_form`."""
        state = b"".join(keras.ops.convert_to_numpy(variable).tobytes() for variable in self._watched)
        with self._lock:
            if state != self._state:
                self.reset()
                self._state = state
            made = self._forms.pop(form, None) or self._compile(step, signature)
            self._forms[form] = made
        return made.run

    def reset(self) -> None:
        """Discard compiled functions, so that changed weights or settings are used."""
        self._network, self._forms = None, {}

    def _compile(self, step: Callable[..., Any], signature: Signature) -> _Form:
        if self._network is None:
            check_weights(self._detector)
            self._network = fold_batch_normalization(self._detector)
        while len(self._forms) >= MAX_FORMS:
            del self._forms[next(iter(self._forms))]
        size = sum(math.prod(variable.shape) * 4 for variable in self._network.variables)
        frozen = size + sum(form.frozen_bytes for form in self._forms.values()) <= FROZEN_BYTES
        run = compile_with_network(self._network, step, signature, frozen=frozen)
        return _Form(run, size if frozen else 0)


class _Form(NamedTuple):
    """A compiled function, and the size of its own copy of the weights."""

    run: Callable[..., Any]
    frozen_bytes: int


def check_weights(detector: Network) -> None:
    """Refuse NaN and infinite weights: the ReLU of some runtimes turns them into 0, which gives plausible scores.

    Raises:
        CenterNetError: If a weight is NaN or infinite.
    """
    # A sum is NaN or infinite if one of its terms is, and needs no memory.
    broken = [v.path for v in detector.variables if not np.isfinite(np.sum(keras.ops.convert_to_numpy(v)))]
    if broken:
        raise CenterNetError(
            f"Expected finite weights of {detector.name}. Received NaN or infinity in {len(broken)} "
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
        signature: Dtype and shape of each argument.
        frozen: Whether weights become constants (TensorFlow).

    Returns:
        A function of the arguments (NumPy arrays or tensors).
    """
    if keras.backend.backend() == "tensorflow":
        return _compile_tensorflow(network, step, signature, frozen)
    return {"jax": _compile_jax, "torch": _compile_torch}[keras.backend.backend()](network, step)


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
