"""Heatmap peaks (Zhou 2019, section 3: values not smaller than their eight neighbors)."""

from __future__ import annotations

from typing import Any, NamedTuple

from centernet.ops.constants import PEAK_TOLERANCE
from centernet.ops.namespace import is_torch, namespace


class Peaks(NamedTuple):
    """Peaks of a heatmap, best first, each field `(batch, k)`: float32 scores, int32 rows, columns and channels."""

    scores: Any
    rows: Any
    columns: Any
    channels: Any


def top_k(values: Any, k: int) -> tuple[Any, Any]:
    """The `k` highest values of the last axis, best first; ties are ordered by position.

    Args:
        values: `(..., n)`.
        k: At most `n`.

    Returns:
        The values `(..., k)` and their int32 indices.
    """
    ops = namespace(values)
    if is_torch(values):
        index = ops.argsort(-values, axis=-1)[..., :k]
        return ops.take_along_axis(values, index, axis=-1), ops.cast(index, "int32")
    best, index = ops.top_k(values, k)
    return best, ops.cast(index, "int32")


def suppress_non_peaks(heatmap: Any, tolerance: float = PEAK_TOLERANCE) -> Any:
    """Set values below the maximum of their 3×3 neighborhood to zero.

    Args:
        heatmap: Probabilities `(batch, height, width, channels)`, float32.
        tolerance: Values less than this below the maximum are kept too.
    """
    ops = namespace(heatmap)
    maxima = ops.max_pool(heatmap, 3, strides=1, padding="same", data_format="channels_last")
    return heatmap * ops.cast(maxima - heatmap < tolerance, heatmap.dtype)


def best_peaks(heatmap: Any, k: int, tolerance: float = PEAK_TOLERANCE) -> Peaks:
    """The `k` highest peaks over all positions and channels; ties are ordered by position.

    Cells are ranked by their best channel first, because the `k` best values lie in the `k` best cells. This is
    several times faster than ranking every value.

    Args:
        heatmap: Probabilities `(batch, height, width, channels)`, float32.
        k: Number of peaks, at most `height * width`.
        tolerance: See `suppress_non_peaks`.

    Returns:
        The peaks; missing ones have score 0.
    """
    ops, channels = namespace(heatmap), heatmap.shape[-1]
    width = ops.shape(heatmap)[2]
    cells = ops.reshape(suppress_non_peaks(heatmap, tolerance), (ops.shape(heatmap)[0], -1, channels))
    _, best = top_k(ops.max(cells, axis=-1), k)
    best = ops.sort(best, axis=-1)  # orders ties by position
    scores, index = top_k(ops.reshape(gather_cells(cells, best), (-1, k * channels)), k)
    cell = gather_rows(best, index // channels)
    return Peaks(scores, cell // width, cell % width, index % channels)


def best_peaks_per_channel(heatmap: Any, k: int, tolerance: float = PEAK_TOLERANCE) -> Peaks:
    """The `k` highest peaks of every channel; ties are ordered by position.

    Args:
        heatmap: Probabilities `(batch, height, width, channels)`, float32.
        k: Number of peaks per channel, at most `height * width`.
        tolerance: See `suppress_non_peaks`.

    Returns:
        The peaks, each field `(batch, channels, k)`.
    """
    ops = namespace(heatmap)
    batch, _, width, channels = ops.shape(heatmap)
    peaks = ops.transpose(suppress_non_peaks(heatmap, tolerance), (0, 3, 1, 2))
    scores, cell = top_k(ops.reshape(peaks, (batch, channels, -1)), k)
    channel = ops.broadcast_to(ops.arange(channels, dtype="int32")[None, :, None], ops.shape(cell))
    return Peaks(scores, cell // width, cell % width, channel)


def gather_cells(cells: Any, index: Any) -> Any:
    """Gather `cells` `(batch, n, channels)` at `index` `(batch, ...)`: values `(batch, ..., channels)`."""
    ops = namespace(cells)
    batch, count = ops.shape(cells)[:2]
    shape = ops.shape(index)
    flat = ops.reshape(index, (batch, -1)) + ops.arange(batch, dtype="int32")[:, None] * count
    values = ops.take(ops.reshape(cells, (-1, cells.shape[-1])), ops.reshape(flat, (-1,)), axis=0)
    return ops.reshape(values, (*shape, cells.shape[-1]))


def gather_rows(values: Any, index: Any) -> Any:
    """Gather `values` `(batch, n)` at int32 `index` `(batch, k)`: `(batch, k)`.

    As `ops.take_along_axis`, which is exported as dozens of operations.
    """
    return gather_cells(values[..., None], index)[..., 0]


def gather_at(features: Any, rows: Any, columns: Any) -> Any:
    """Gather a map `(batch, height, width, channels)` at int32 positions `(batch, ...)`: `(batch, ..., channels)`."""
    ops = namespace(features)
    batch, _, width, _ = ops.shape(features)
    return gather_cells(ops.reshape(features, (batch, -1, features.shape[-1])), rows * width + columns)
