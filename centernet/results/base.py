"""Checks and converts the fields of `Detections`, so that every instance is sound."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from centernet.errors import ConfigError

if TYPE_CHECKING:
    from centernet.results.detections import Detections

ROWS = ("boxes", "scores", "class_ids", "keypoints", "keypoint_scores")


def checked_fields(found: Detections) -> dict[str, Any]:
    """Checks every field and converts it to its documented type.

    Args:
        found: Detections as the caller gave them.

    Returns:
        The new value of every field that has to be set.

    Raises:
        ConfigError: A field has the wrong type, shape, range or order.
    """
    checked = _checked_names(found)
    checked |= _checked_rows(found, checked["class_names"])
    checked |= _checked_keypoints(found, len(checked["scores"]), checked["keypoint_names"])
    _check_lengths(checked)
    checked["image"] = _checked_image(found.image, checked["image_size"])
    return checked


def _checked_names(found: Detections) -> dict[str, Any]:
    rows = found.max_detections
    if rows is not None and (not isinstance(rows, (int, np.integer)) or rows < 1):
        raise _refusal("`max_detections` as a positive integer or None", repr(rows))
    return {
        "image_size": _checked_size(found.image_size),
        "class_names": _strings("class_names", found.class_names or ()),
        "dataset_ids": _unless_none(found.dataset_ids, lambda ids: _integers("dataset_ids", ids)),
        "keypoint_names": _unless_none(found.keypoint_names, lambda names: _strings("keypoint_names", names)),
        "skeleton": _unless_none(found.skeleton, _checked_edges),
        "source": _unless_none(found.source, str),
        "error": _unless_none(found.error, str),
    }


def _checked_rows(found: Detections, class_names: tuple[str, ...]) -> dict[str, Any]:
    scores = _column("scores", found.scores, np.float32)
    boxes = _column("boxes", found.boxes, np.float32, len(scores), 4)
    class_ids = _column("class_ids", found.class_ids, np.int32, len(scores))
    rising = scores[1:] > scores[:-1]
    if rising.any():
        at = int(np.argmax(rising))
        raise _refusal(
            "descending `scores`",
            f"{scores[at]:.6g} before {scores[at + 1]:.6g} at row {at}. "
            "Sort all rows first: order = np.argsort(-scores, kind='stable')",
        )
    limit = len(class_names) or np.iinfo(np.int32).max
    if len(class_ids) and not (class_ids.min() >= 0 and class_ids.max() < limit):
        expected = f"0-based `class_ids` below {limit}, the number of classes"
        raise _refusal(expected, f"{class_ids.min()} to {class_ids.max()}")
    return {"boxes": boxes, "scores": scores, "class_ids": class_ids}


def _checked_keypoints(found: Detections, rows: int, names: tuple[str, ...] | None) -> dict[str, Any]:
    if found.keypoints is None:
        if found.keypoint_scores is not None:
            raise _refusal("`keypoints` with `keypoint_scores`, or neither", "only `keypoint_scores`")
        return {}
    given = found.keypoints
    if np.shape(given) == (0,):
        given = np.zeros((0, len(names or ()), 2))
    keypoints = _column("keypoints", given, np.float32, rows, None, 2)
    count = keypoints.shape[1]
    scores = np.ones((rows, count)) if found.keypoint_scores is None else found.keypoint_scores
    if np.shape(scores) == (0,):
        scores = np.zeros((0, count))
    keypoint_scores = _column("keypoint_scores", scores, np.float32, rows, count)
    return {"keypoints": keypoints, "keypoint_scores": keypoint_scores}


def _check_lengths(checked: dict[str, Any]) -> None:
    names, ids = checked["class_names"], checked["dataset_ids"]
    if names and ids is not None and len(ids) != len(names):
        raise _refusal(f"one of `dataset_ids` for each of the {len(names)} classes", str(len(ids)))
    if "keypoints" not in checked:
        return
    count, names = checked["keypoints"].shape[1], checked["keypoint_names"]
    if names is not None and len(names) != count:
        raise _refusal(f"{count} `keypoint_names`, one for each keypoint", str(len(names)))
    ends = [end for edge in checked["skeleton"] or () for end in edge]
    if ends and not (min(ends) >= 0 and max(ends) < count):
        raise _refusal(f"`skeleton` pairs of 0-based keypoints below {count}", f"{min(ends)} to {max(ends)}")


def _column(name: str, value: Any, dtype: type, rows: int | None = None, *tail: int | None) -> np.ndarray:
    """Converts to a read-only array `(rows, *tail)`; None stands for any length."""
    array = np.asarray(value)
    if array.shape == (0,) and None not in tail:
        array = np.zeros((0, *(length or 0 for length in tail)))
    expected = (rows, *tail)
    fits = array.ndim == len(expected) and all(
        want in (None, got) for want, got in zip(expected, array.shape, strict=True)
    )
    if not fits or array.dtype.kind not in "iuf":
        shape = ", ".join("n" if length is None else str(length) for length in expected)
        raise _refusal(f"`{name}` as numbers of shape ({shape})", f"{array.dtype} of shape {array.shape}")
    with np.errstate(over="ignore", invalid="ignore"):
        converted: np.ndarray = np.ascontiguousarray(array, dtype=dtype)
    # Floating point rounds to float32, but a class or any integer must survive the conversion.
    wrong = ~np.isfinite(converted) if dtype is np.float32 else converted != array
    if wrong.any():
        kind = "finite" if dtype is np.float32 else "whole"
        raise _refusal(f"{kind} numbers in `{name}`", f"{array[wrong][:3].tolist()}")
    # A view, so that the caller's own array stays writable.
    converted = converted.view()
    converted.flags.writeable = False
    return converted


def _checked_size(size: Any) -> tuple[int, int]:
    height, width = _integers("image_size", size, 2)
    if min(height, width) < 1:
        raise _refusal("`image_size` as positive (height, width)", str((height, width)))
    return height, width


def _checked_edges(skeleton: Any) -> tuple[tuple[int, ...], ...]:
    return tuple(_integers("skeleton", edge, 2) for edge in skeleton)


def _checked_image(image: Any, size: tuple[int, int]) -> np.ndarray | None:
    if image is None:
        return None
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.shape != (*size, 3):
        expected = f"`image` as uint8 of shape {(*size, 3)}, as `image_size` says"
        raise _refusal(expected, f"{image.dtype} of shape {image.shape}")
    return image


def _strings(name: str, values: Any) -> tuple[str, ...]:
    if isinstance(values, str) or not all(isinstance(value, str) for value in values):
        raise _refusal(f"`{name}` as a tuple of strings", repr(values))
    return tuple(str(value) for value in values)


def _integers(name: str, values: Any, count: int | None = None) -> tuple[int, ...]:
    numbers: list[Any] = list(values) if isinstance(values, Iterable) else [None]
    fits = count is None or len(numbers) == count
    if not fits or not all(isinstance(number, (int, np.integer)) for number in numbers):
        raise _refusal(f"`{name}` as {count or ''} integers".replace("  ", " "), repr(values))
    return tuple(int(number) for number in numbers)


def _unless_none(value: Any, convert: Callable[[Any], Any]) -> Any:
    return None if value is None else convert(value)


def _refusal(expected: str, received: str) -> ConfigError:
    return ConfigError(f"Detections expected {expected}. Received: {received}.")
