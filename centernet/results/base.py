"""The fields of `Detections`, validated on construction. Drawing and conversions take this type."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np

from centernet.errors import ConfigError

ROW_FIELDS = ("boxes", "scores", "class_ids", "keypoints", "keypoint_scores", "track_ids")
UNTRACKED = -1


@dataclass(frozen=True, eq=False)
class Detection:
    """One row of `Detections`, as iteration yields it.

    Attributes:
        box: `(4,)` float32, x_min, y_min, x_max, y_max in pixels of the original image.
        score: Confidence, 0–1.
        class_id: 0-based class; `class_name` is its name.
        keypoints: `(k, 2)` float32, x and y in pixels of the original image, or None.
        keypoint_scores: `(k,)` float32, or None.
        track_id: Number of the object in its video, -1 if it is not confirmed; None without tracking.
    """

    box: np.ndarray
    score: float
    class_id: int
    class_name: str
    keypoints: np.ndarray | None = None
    keypoint_scores: np.ndarray | None = None
    track_id: int | None = None


@dataclass(frozen=True, eq=False, repr=False)
class DetectionsBase:
    """Fields and rows of `Detections`, which documents them."""

    boxes: np.ndarray
    scores: np.ndarray
    class_ids: np.ndarray
    image_size: tuple[int, int]
    class_names: tuple[str, ...] = ()
    keypoints: np.ndarray | None = None
    keypoint_scores: np.ndarray | None = None
    dataset_ids: tuple[int, ...] | None = None
    keypoint_names: tuple[str, ...] | None = None
    skeleton: tuple[tuple[int, int], ...] | None = None
    source: str | None = None
    image: np.ndarray | None = field(default=None, compare=False)
    max_detections: int | None = None
    error: str | None = None
    time: float | None = None
    track_ids: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Convert every field to its documented type.

        Raises:
            ConfigError: If a field has the wrong type, shape, range or order.
        """
        checked = _checked_metadata(self)
        checked |= _checked_rows(self, checked["class_names"])
        checked |= _checked_keypoints(self, len(checked["scores"]), checked["keypoint_names"])
        _check_lengths(checked)
        checked["image"] = _checked_image(self.image, checked["image_size"])
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @property
    def names(self) -> list[str]:
        """Class name of every row; `class 3` if the class names are unknown."""
        return [self.class_names[i] if self.class_names else f"class {i}" for i in self.class_ids.tolist()]

    def __len__(self) -> int:
        return len(self.scores)

    def __iter__(self) -> Iterator[Detection]:
        keypoints: Iterable[Any] = self.keypoints if self.keypoints is not None else [None] * len(self)
        confidences: Iterable[Any] = self.keypoint_scores if self.keypoint_scores is not None else [None] * len(self)
        tracks: Iterable[Any] = self.track_ids.tolist() if self.track_ids is not None else [None] * len(self)
        columns = (
            self.boxes,
            self.scores.tolist(),
            self.class_ids.tolist(),
            self.names,
            keypoints,
            confidences,
            tracks,
        )
        return (Detection(*row) for row in zip(*columns, strict=True))


def _checked_metadata(detections: DetectionsBase) -> dict[str, Any]:
    rows = detections.max_detections
    if rows is not None and (not isinstance(rows, (int, np.integer)) or rows < 1):
        raise _invalid("`max_detections` as a positive integer or None", repr(rows))
    converters: dict[str, Callable[[Any], Any]] = {
        "image_size": _checked_size,
        "class_names": lambda names: _strings("class_names", names or ()),
        "dataset_ids": lambda ids: _integers("dataset_ids", ids),
        "keypoint_names": lambda names: _strings("keypoint_names", names),
        "skeleton": lambda edges: tuple(_integers("skeleton", edge, 2) for edge in edges),
        "source": str,
        "error": str,
        "time": _checked_time,
    }
    values = {name: getattr(detections, name) for name in converters}
    required = {"image_size", "class_names"}
    return {k: v if v is None and k not in required else converters[k](v) for k, v in values.items()}


def _checked_rows(detections: DetectionsBase, class_names: tuple[str, ...]) -> dict[str, Any]:
    scores = _column("scores", detections.scores, np.float32)
    boxes = _column("boxes", detections.boxes, np.float32, len(scores), 4)
    class_ids = _column("class_ids", detections.class_ids, np.int32, len(scores))
    rising = scores[1:] > scores[:-1]
    if rising.any():
        row = int(np.argmax(rising))
        raise _invalid(
            "descending `scores`",
            f"{scores[row]:.6g} before {scores[row + 1]:.6g} at row {row}. "
            "Sort all rows first: order = np.argsort(-scores, kind='stable')",
        )
    limit = len(class_names) or np.iinfo(np.int32).max
    if len(class_ids) and not (class_ids.min() >= 0 and class_ids.max() < limit):
        expected = f"0-based `class_ids` below {limit}, the number of classes"
        raise _invalid(expected, f"{class_ids.min()} to {class_ids.max()}")
    checked = {"boxes": boxes, "scores": scores, "class_ids": class_ids}
    if detections.track_ids is not None:
        checked["track_ids"] = _column("track_ids", detections.track_ids, np.int32, len(scores))
        if (checked["track_ids"] < UNTRACKED).any():
            raise _invalid("`track_ids` from 0 on, or -1", str(checked["track_ids"].min()))
    return checked


def _checked_keypoints(detections: DetectionsBase, rows: int, names: tuple[str, ...] | None) -> dict[str, Any]:
    if detections.keypoints is None:
        if detections.keypoint_scores is not None:
            raise _invalid("`keypoints` with `keypoint_scores`, or neither", "only `keypoint_scores`")
        return {}
    values = detections.keypoints
    if np.shape(values) == (0,):
        values = np.zeros((0, len(names or ()), 2))
    keypoints = _column("keypoints", values, np.float32, rows, None, 2)
    count = keypoints.shape[1]
    scores = np.ones((rows, count)) if detections.keypoint_scores is None else detections.keypoint_scores
    return {"keypoints": keypoints, "keypoint_scores": _column("keypoint_scores", scores, np.float32, rows, count)}


def _check_lengths(checked: dict[str, Any]) -> None:
    names, ids = checked["class_names"], checked["dataset_ids"]
    if names and ids is not None and len(ids) != len(names):
        raise _invalid(f"one of `dataset_ids` for each of the {len(names)} classes", str(len(ids)))
    if "keypoints" not in checked:
        return
    count, names = checked["keypoints"].shape[1], checked["keypoint_names"]
    if names is not None and len(names) != count:
        raise _invalid(f"{count} `keypoint_names`, one for each keypoint", str(len(names)))
    ends = [end for edge in checked["skeleton"] or () for end in edge]
    if ends and not (min(ends) >= 0 and max(ends) < count):
        raise _invalid(f"`skeleton` pairs of 0-based keypoints below {count}", f"{min(ends)} to {max(ends)}")


def _column(name: str, value: Any, dtype: type, rows: int | None = None, *tail: int | None) -> np.ndarray:
    """Convert to a read-only array `(rows, *tail)`; None stands for any length."""
    array = np.asarray(value)
    if array.shape == (0,) and None not in tail:
        array = np.zeros((0, *(length or 0 for length in tail)))
    expected = (rows, *tail)
    fits = array.ndim == len(expected) and all(
        want in (None, got) for want, got in zip(expected, array.shape, strict=True)
    )
    if not fits or array.dtype.kind not in "iuf":
        shape = ", ".join("n" if length is None else str(length) for length in expected)
        raise _invalid(f"`{name}` as numbers of shape ({shape})", f"{array.dtype} of shape {array.shape}")
    with np.errstate(over="ignore", invalid="ignore"):
        converted: np.ndarray = np.ascontiguousarray(array, dtype=dtype)
    # Floating point is rounded to float32; integers must survive the conversion unchanged.
    wrong = ~np.isfinite(converted) if dtype is np.float32 else converted != array
    if wrong.any():
        kind = "finite" if dtype is np.float32 else "whole"
        raise _invalid(f"{kind} numbers in `{name}`", f"{array[wrong][:3].tolist()}")
    # A view, so that the caller's own array stays writable.
    converted = converted.view()
    converted.flags.writeable = False
    return converted


def _checked_size(size: Any) -> tuple[int, ...]:
    height, width = _integers("image_size", size, 2)
    if min(height, width) < 1:
        raise _invalid("`image_size` as positive (height, width)", str((height, width)))
    return height, width


def _checked_time(time: Any) -> float:
    if not isinstance(time, Real) or not 0 <= float(time) < np.inf:
        raise _invalid("`time` as seconds, from 0 on, or None", repr(time))
    return float(time)


def _checked_image(image: Any, size: tuple[int, int]) -> np.ndarray | None:
    if image is None:
        return None
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.shape != (*size, 3):
        raise _invalid(
            f"`image` as uint8 of shape {(*size, 3)}, matching `image_size`", f"{image.dtype} of shape {image.shape}"
        )
    return image


def _strings(name: str, values: Any) -> tuple[str, ...]:
    if isinstance(values, str) or not all(isinstance(value, str) for value in values):
        raise _invalid(f"`{name}` as a tuple of strings", repr(values))
    return tuple(str(value) for value in values)


def _integers(name: str, values: Any, count: int | None = None) -> tuple[int, ...]:
    items: list[Any] = list(values) if isinstance(values, Iterable) else [None]
    right_length = count is None or len(items) == count
    if not right_length or not all(isinstance(item, (int, np.integer)) for item in items):
        raise _invalid(f"`{name}` as {count or ''} integers".replace("  ", " "), repr(values))
    return tuple(int(item) for item in items)


def _invalid(expected: str, received: str) -> ConfigError:
    return ConfigError(f"Detections expected {expected}. Received: {received}.")
