"""The objects that a detector is trained on: a dict of padded arrays, checked before anything is computed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from centernet.errors import ConfigError
from centernet.models.config import ModelConfig

FORM = (
    "boxes float32 (batch, n, 4) as x0 y0 x1 y1 in pixels of the network's input, class_ids int32 (batch, n) with -1 "
    "as padding, and optionally ignore bool (batch, n) and keypoints float32 (batch, n, k, 3)"
)
REQUIRED = {"boxes", "class_ids"}
OPTIONAL = {"ignore", "keypoints"}
IMAGES = "Expected x as a float batch (batch, height, width, 3) that was preprocessed, its size known beforehand."


def check_batch(config: ModelConfig, x: Any, y: Any, sample_weight: Any = None, loss: Any = None) -> None:
    """Check the shapes and types of a batch; the class ids only if they are known.

    Args:
        config: Description of the detector.
        x: Images.
        y: Objects, see `Detector.compute_loss`.
        sample_weight: What must be None.
        loss: Likewise.

    Raises:
        ConfigError: If they have another form, or a class id is none of the detector's.
    """
    if loss is not None or sample_weight is not None:
        raise ConfigError(
            "Expected compile without a loss, and no sample_weight: a detector has losses of its own. Received: "
            f"loss={loss!r}, sample_weight={sample_weight!r}"
        )
    _check_images(x)
    if not isinstance(y, Mapping) or not y.keys() >= REQUIRED or y.keys() - REQUIRED - OPTIONAL:
        received = sorted(map(str, y)) if isinstance(y, Mapping) else type(y).__name__
        raise ConfigError(f"Expected y as a dict: {FORM}. Received: {received}")
    for name, shape in _shapes(config, y).items():
        _check_shape(name, tuple(y[name].shape), shape)
    _check_class_ids(config, y["class_ids"])
    if config.keypoints and "keypoints" not in y:
        raise ConfigError(f"Expected keypoints in y, because {config.identifier} finds them: {FORM}. Received: none")


def _check_images(x: Any) -> None:
    if not hasattr(x, "shape"):
        raise ConfigError(f"{IMAGES} Received: {type(x).__name__}")
    if not keras.backend.is_float_dtype(keras.backend.standardize_dtype(x.dtype)):
        raise ConfigError(f"{IMAGES} Received: dtype {x.dtype}. `Detector.preprocess` makes it from uint8 images.")
    if len(x.shape) != 4 or x.shape[-1] != 3 or None in x.shape[1:3]:
        raise ConfigError(f"{IMAGES} Received: shape {tuple(x.shape)}")


def _check_class_ids(config: ModelConfig, ids: Any) -> None:
    if "int" not in keras.backend.standardize_dtype(ids.dtype):
        raise ConfigError(f"Expected class_ids of an integer type. Received: {ids.dtype}")
    count = len(config.classes)
    if isinstance(ids, np.ndarray) and ids.size and not -1 <= ids.min() <= ids.max() < count:
        raise ConfigError(
            f"Expected class ids from 0 to {count - 1}, of the {count} classes of {config.identifier}, or -1 for "
            f"padding. Received: {ids.min()} to {ids.max()}. Ids of a dataset often begin at 1 or have gaps: number "
            "the classes from 0."
        )


def _shapes(config: ModelConfig, y: Mapping[str, Any]) -> dict[str, tuple[int | None, ...]]:
    """The shape that each entry should have; None for any number."""
    batch, slots = (*y["class_ids"].shape, None, None)[:2]
    shapes: dict[str, tuple[int | None, ...]] = {"class_ids": (batch, slots), "boxes": (batch, slots, 4)}
    if "ignore" in y:
        shapes["ignore"] = batch, slots
    if "keypoints" in y:
        shapes["keypoints"] = batch, slots, len(config.keypoints.names) if config.keypoints else None, 3
    return shapes


def _check_shape(name: str, found: tuple[int | None, ...], expected: tuple[int | None, ...]) -> None:
    def fits(pairs: Iterator[tuple[int | None, int | None]]) -> bool:
        return all(None in pair or pair[0] == pair[1] for pair in pairs)

    if len(found) != len(expected) or not fits(zip(found, expected, strict=True)):
        raise ConfigError(f"Expected y as a dict: {FORM}. Received: {name} of shape {found}, not {expected}")
