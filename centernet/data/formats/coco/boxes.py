"""Boxes of COCO annotations: `bbox`, or else the bounding box of the `segmentation`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from centernet.errors import ConfigError

# One length: at most five characters with a continuation bit, then one without. Checked before C++ code decodes it.
_RUN_LENGTHS = re.compile(r"(?:[P-o]{0,5}[0-O])*")
_MAX_PIXELS = 2**31 - 1


class AnnotationRow(msgspec.Struct, gc=False):
    """What is read of an annotation; its types are checked where it is used."""

    id: Any = None
    image_id: Any = None
    category_id: Any = None
    bbox: tuple[float, float, float, float] | None = None
    area: Any = None
    iscrowd: Any = None
    ignore: Any = None
    keypoints: Any = None
    segmentation: msgspec.Raw = msgspec.Raw(b"null")  # undecoded text, or an object if Python's decoder reads the file

    @property
    def outline(self) -> Any:
        """The decoded `segmentation`: polygons, run lengths, or None."""
        raw: Any = self.segmentation
        return msgspec.json.decode(raw) if isinstance(raw, msgspec.Raw) else raw


def box_of(row: AnnotationRow) -> Sequence[float] | None:
    """The box of an annotation: x, y, width, height in pixels, pixel edges; None without `bbox` and segmentation.

    Raises:
        ConfigError: If the `bbox` or `segmentation` is invalid.
    """
    box: Any = row.bbox
    if isinstance(box, (tuple, list)) and len(box) == 4:
        return box
    if box is not None and box != []:
        raise ConfigError(f"bbox of annotation {row.id} is {box!r} instead of 4 numbers")
    try:
        return box_around(outline) if (outline := row.outline) else None
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise ConfigError(
            f"segmentation of annotation {row.id} is neither polygons nor run lengths ({error})"
        ) from error


def box_around(outline: Any) -> list[float] | None:
    """The bounding box of a segmentation.

    Args:
        outline: Polygons, each `[x, y, x, y, …]` in pixels; or run lengths `{"size": [height, width], "counts": …}`
            in column order, background first, as a list or compressed to text.

    Returns:
        x, y, width, height in pixels, pixel edges; None if the segmentation is empty.

    Raises:
        ValueError: If it is neither; also TypeError or KeyError.
    """
    if isinstance(outline, Mapping):
        counts = outline["counts"]
        return _around_runs(run_lengths(counts) if isinstance(counts, str) else counts, outline["size"])
    polygons = outline if isinstance(outline[0], list) else [outline]
    corners = np.concatenate([np.asarray(polygon, np.float64).reshape(-1, 2) for polygon in polygons])
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
    if not first.size:
        return None
    wrapped = (first // height != last // height).any()  # from the bottom of a column to the top of the next
    left, right = int(first.min()) // height, int(last.max()) // height + 1
    top = 0 if wrapped else int((first % height).min())
    bottom = height if wrapped else int((last % height).max()) + 1
    return [left, top, right - left, bottom - top]


def run_lengths(text: str) -> list[int]:
    """Decode the compressed run lengths of COCO.

    Raises:
        ValueError: If the text is invalid, or a run has 2**29 pixels or more.

    >>> run_lengths("02")
    [0, 2]
    """
    from faster_coco_eval import mask_api_new_cpp

    if not _RUN_LENGTHS.fullmatch(text):
        raise ValueError("counts are not compressed run lengths")
    (runs,) = mask_api_new_cpp.toUncompressedRLE([{"size": [1, _MAX_PIXELS], "counts": text}])
    return list(runs["counts"])
