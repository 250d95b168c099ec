"""Boxes of COCO's annotations: `bbox`, or else what is around the `segmentation`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from centernet.errors import ConfigError

_LONGEST = 60  # bits of a run length


def box_of(row: Mapping[str, Any]) -> list[float] | None:
    """The box of an annotation.

    Args:
        row: The annotation.

    Returns:
        x, y, width, height in pixels, pixel edges; None if it has no `bbox`, and no `segmentation` with anything
        inside.

    Raises:
        ConfigError: If it has one that makes no sense.
    """
    box, outline = row.get("bbox"), row.get("segmentation")
    if box is None or box == []:
        return _around(outline, row) if outline else None
    if not isinstance(box, list) or len(box) != 4:
        raise ConfigError(f"bbox of annotation {row.get('id')} is {box!r} instead of 4 numbers")
    return box


def _around(outline: Any, row: Mapping[str, Any]) -> list[float] | None:
    try:
        return box_around(outline)
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise ConfigError(
            f"segmentation of annotation {row.get('id')} is neither polygons nor run lengths ({error})"
        ) from error


def box_around(outline: Any) -> list[float] | None:
    """The box around a segmentation.

    Args:
        outline: Polygons, each `[x, y, x, y, …]` in pixels; or run lengths `{"size": [height, width], "counts": …}`
            in columns, of the background first, as numbers or compressed to a text.

    Returns:
        x, y, width, height in pixels, pixel edges; None if nothing is inside.

    Raises:
        ValueError: If it is neither; also TypeError or KeyError.
    """
    if isinstance(outline, Mapping):
        counts = outline["counts"]
        return _around_runs(run_lengths(counts) if isinstance(counts, str) else counts, outline["size"])
    polygons = outline if isinstance(outline[0], list) else [outline]
    points = [np.asarray(polygon, np.float64).reshape(-1, 2) for polygon in polygons]
    corners = np.concatenate(points)
    if not len(corners):
        return None
    low, high = corners.min(axis=0), corners.max(axis=0)
    return [*low.tolist(), *(high - low).tolist()]


def _around_runs(counts: Sequence[int], size: Sequence[int]) -> list[float] | None:
    height, width = map(int, size)
    lengths = np.asarray(counts, np.int64)
    if height < 1 or width < 1 or lengths.ndim != 1 or (lengths < 0).any() or sum(lengths.tolist()) > height * width:
        raise ValueError(f"{len(lengths)} run lengths don't fit {height}x{width} pixels")
    ends = np.concatenate([[0], lengths]).cumsum()
    first, last = ends[1:-1:2], ends[2::2] - 1
    first, last = first[last >= first], last[last >= first]
    if not len(first):
        return None
    whole = first // height != last // height  # from the bottom of a column to the top of the next
    left, right = int(first.min()) // height, int(last.max()) // height + 1
    top = 0 if whole.any() else int((first % height).min())
    bottom = height if whole.any() else int((last % height).max()) + 1
    return [left, top, right - left, bottom - top]


def run_lengths(text: str) -> list[int]:
    """Run lengths from COCO's text: 5 bits a character, the lowest first; from the fourth on less those two before.

    Raises:
        ValueError: If it is no such text.

    >>> run_lengths("02")
    [0, 2]
    """
    lengths, value, shift = list[int](), 0, 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > _LONGEST:
            raise ValueError("counts are no run lengths")
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            value -= (1 << shift) if bits & 16 else 0
            lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
            value = shift = 0
    if shift:
        raise ValueError("counts end too early")
    return lengths
