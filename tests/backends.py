"""What tests need to know of the backend: how far it may be from the reference, and its quick way to compute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Tolerance:
    """How far a backend may be from the reference.

    `heads` is the absolute error of raw head maps and features, `score` that of probabilities, `pixels` that
    of positions in the image, `resized` that of pixels (0–255) after resizing.
    """

    heads: float
    score: float
    pixels: float = 0.05
    resized: float = 1e-3


TOLERANCES = {
    "tensorflow": Tolerance(heads=1e-4, score=1e-5),
    "jax": Tolerance(heads=1e-3, score=1e-5),
    "torch": Tolerance(heads=1e-3, score=1e-5),
}


def backend() -> str:
    """The backend that Keras uses, without importing it before a test needs it."""
    import keras

    return keras.backend.backend()


def forward(model: Any, batch: Any) -> Any:
    """What a Keras model returns in inference mode, as arrays, computed the quick way of the backend."""
    import keras

    outputs = _forward_jax(model, batch) if backend() == "jax" else model(batch, training=False)
    return keras.tree.map_structure(keras.ops.convert_to_numpy, outputs)


def _forward_jax(model: Any, batch: Any) -> Any:
    """One compilation of the whole network, instead of one for every operation and shape."""
    import jax

    state = [[v.value for v in part] for part in (model.trainable_variables, model.non_trainable_variables)]
    return jax.jit(lambda *inputs: model.stateless_call(*inputs, training=False)[0])(*state, batch)
