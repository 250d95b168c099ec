"""Detectors that are built in a moment, with random weights that give scores all over the range."""

from __future__ import annotations

from typing import Any

import numpy as np

BACKBONE = {"name": "hourglass", "stacks": 1, "filters": [16, 16], "blocks": [1, 1], "stem_filters": 16}
TINY = "tiny"  # two convolutions: less to trace where a test trains
SIZE = (64, 64)


def small_detector(classes: Any = ("a", "b"), *, seed: int = 0, lively: bool = True, **options: Any) -> Any:
    """An hourglass of two levels.

    Args:
        classes: As `PointDetector` takes them.
        seed: Of the weights.
        lively: Whether the heads' weights are drawn large, so that scores differ.
        **options: Of `PointDetector`.

    Returns:
        The detector.
    """
    import keras

    from centernet import PointDetector

    add_tiny()
    keras.utils.set_random_seed(seed)
    detector = PointDetector(
        **{"backbone": BACKBONE, "classes": classes, "image_size": SIZE, "name": "small", **options}
    )
    if lively:
        enliven(detector, seed)
    return detector


def add_tiny() -> None:
    """Add the backbone `TINY` to the table of backbones."""
    import keras

    from centernet import backbones

    def tiny() -> keras.Model:
        x = inputs = keras.Input((None, None, 3), name="images")
        for filters in (8, 16):
            x = keras.layers.Conv2D(filters, 3, 2, padding="same", use_bias=False, name=f"conv_{filters}")(x)
            x = keras.layers.BatchNormalization(name=f"norm_{filters}")(x)
            x = keras.layers.ReLU(name=f"relu_{filters}")(x)
        return keras.Model(inputs, x)

    backbones.BACKBONES.setdefault(TINY, tiny)


def enliven(detector: Any, seed: int = 0) -> None:
    """Draw statistics of the normalizations and the heads' last kernels, so that maps vary."""
    rng = np.random.default_rng(seed)
    for variable in detector.variables:
        if variable.name in ("moving_mean", "beta"):
            variable.assign(0.1 * rng.standard_normal(variable.shape))
        if variable.name in ("moving_variance", "gamma"):
            variable.assign(0.6 + 0.8 * rng.random(variable.shape))
    for layer in detector.layers:
        if layer.name.rpartition("_")[2].isdigit() and layer.weights:
            kernel = layer.weights[0]
            kernel.assign(0.5 * rng.standard_normal(kernel.shape))
    for name, low in (("size_0", 4.0), ("offset_0", 0.5)):
        bias = detector.get_layer(name).bias
        bias.assign(low + 0.1 * rng.random(bias.shape))
    detector.refresh()


def picture(height: int = 50, width: int = 70, seed: int = 0) -> np.ndarray:
    """A uint8 RGB image of blocks, `(height, width, 3)`."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (-(-height // 8), -(-width // 8), 3), dtype=np.uint8)
    return np.ascontiguousarray(np.kron(blocks, np.ones((8, 8, 1), np.uint8))[:height, :width])


def state(detector: Any) -> list[np.ndarray]:
    """A copy of all weights."""
    return [np.array(value) for value in detector.get_weights()]


def same(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    """Whether two copies of weights are equal, bit for bit."""
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
