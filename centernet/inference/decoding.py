"""Decodes head maps that another runtime computed, in NumPy alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from centernet.checkpoints.saved.saving import read_config
from centernet.errors import ConfigError
from centernet.models.config import ModelConfig
from centernet.models.heads import Head
from centernet.models.points import decode as points
from centernet.models.points.heads import point_heads
from centernet.models.triplets import decode as triplets
from centernet.models.triplets.heads import BRANCHES, branch_heads
from centernet.ops.constants import STRIDE, Arrays

# Family → its decoder; see `Family.decode`.
DECODERS: Mapping[str, Callable[..., Any]] = {"points": points.decode_in_pixels, "triplets": triplets.decode_in_pixels}


def decode(
    maps: Mapping[str, np.ndarray], image_sizes: Sequence[int] | np.ndarray, model: ModelConfig | str | Path
) -> Arrays:
    """Detections from the head maps of a file that was exported with `heads_only=True`.

    Args:
        maps: Head name → map `(batch, height, width, channels)`, as the file names and returns them.
        image_sizes: Height and width of each original image in pixels, `(batch, 2)`; or of all, `(2,)`.
        model: The description of the model: a `ModelConfig`, or the file `NAME.onnx.json` beside the exported one.

    Returns:
        `boxes` float32 `(batch, k, 4)` as `x0 y0 x1 y1` in pixels of the original images, `scores` `(batch, k)`
        descending, `class_ids` int32 `(batch, k)` and, if the model has keypoints, `keypoints` `(batch, k, n, 2)` as
        `x y` in pixels and `keypoint_scores` `(batch, k, n)`. Rows with score 0 are empty.

    Raises:
        ConfigError: If maps are not those of the model for such images, or a size is none of an image.
        CheckpointError: If there is no description in the file.
    """
    config = model if isinstance(model, ModelConfig) else read_config(Path(model).parent, Path(model).name)
    arrays = {name: np.asarray(values, np.float32) for name, values in maps.items()}
    batch = len(next(iter(arrays.values()))) if arrays else 0
    sizes = np.asarray(image_sizes)
    if sizes.dtype.kind not in "iu" or sizes.shape not in ((2,), (batch, 2)) or sizes.min() < 1 or not batch:
        raise ConfigError(
            "Expected maps, and the height and width in pixels of each of their images, (batch, 2), or of all, (2,). "
            f"Received: {batch} images, image_sizes={image_sizes!r}"
        )
    sizes = np.broadcast_to(sizes, (batch, 2)).astype(np.int32)
    canvas = config.preprocessing.canvas(sizes)
    expected = (batch, *(-(-side // STRIDE) for side in canvas))
    shapes = {name: (*expected, head.channels) for name, head in _heads(config).items()}
    received = {name: values.shape for name, values in arrays.items()}
    if received != shapes:
        other = {name: received.get(name) for name in {**shapes, **received} if received.get(name) != shapes.get(name)}
        raise ConfigError(
            f"Expected the head maps of {config.name} for an input of {canvas[0]}×{canvas[1]} pixels, (batch, height, "
            f"width, channels): {shapes}. Received otherwise: {other}"
        )
    placement = config.preprocessing.place(sizes, canvas)
    return dict(DECODERS[config.family](config, arrays, sizes, placement, canvas, False))


def _heads(config: ModelConfig) -> dict[str, Head]:
    count = len(config.classes)
    if config.family == "points":
        return point_heads(count, len(config.keypoints.names) if config.keypoints else None)
    return {name: head for branch in BRANCHES for name, head in branch_heads(branch, count).items()}
