"""`Detections` in other forms: dictionary, JSON, COCO rows, TensorFlow, supervision, pandas.

Each function is a method of `Detections` as well.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from centernet.errors import ConfigError, MissingExtraError
from centernet.files.validation import to_plain
from centernet.results.base import DetectionsBase

_METADATA = ("class_names", "dataset_ids", "keypoint_names", "skeleton", "source", "max_detections")
_OPTIONAL = ("error", "time")  # absent if None


def to_dict(detections: DetectionsBase) -> dict[str, Any]:
    """Convert to plain Python values, ready for JSON, without the image.

    Returns:
        `image_size` (height, width), `class_names`, `dataset_ids`, `keypoint_names`, `skeleton`, `source`,
        `max_detections`, `num_keypoints`, and `objects`: one dictionary per row with `class_id`, `class_name`,
        `score`, `box` (x_min, y_min, x_max, y_max in pixels) and, if there are keypoints, `keypoints` as
        (x, y, score). `error` is present only if the image could not be read, `time` (seconds) only for a frame of a
        video. With tracking, `tracked` is true, and each object has its `track_id`.
    """
    points, scores, boxes = _keypoint_rows(detections), _decimals(detections.scores), _decimals(detections.boxes)
    columns = zip(detections.class_ids.tolist(), detections.names, scores, boxes, strict=True)
    objects: list[dict[str, Any]] = [
        {"class_id": class_id, "class_name": name, "score": score, "box": box} for class_id, name, score, box in columns
    ]
    if points is not None:
        objects = [one | {"keypoints": row} for one, row in zip(objects, _decimals(points), strict=True)]
    if detections.track_ids is not None:
        objects = [one | {"track_id": track} for one, track in zip(objects, detections.track_ids.tolist(), strict=True)]
    metadata = {name: to_plain(getattr(detections, name)) for name in _METADATA}
    metadata |= {name: value for name in _OPTIONAL if (value := getattr(detections, name)) is not None}
    metadata |= {"tracked": True} if detections.track_ids is not None else {}
    count = None if points is None else points.shape[1]
    return {"image_size": list(detections.image_size), **metadata, "num_keypoints": count, "objects": objects}


def from_dict(values: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `Detections` from a dictionary of `to_dict`; see `Detections.from_dict`."""
    try:
        objects = values["objects"]
        arguments: dict[str, Any] = {
            "image_size": values["image_size"],
            "boxes": [one["box"] for one in objects],
            "scores": [one["score"] for one in objects],
            "class_ids": [one["class_id"] for one in objects],
        }
        count = values.get("num_keypoints")
        if count is not None:
            rows = np.asarray([one["keypoints"] for one in objects], np.float64)
            rows = rows.reshape(len(objects), count, 3)
            arguments |= {"keypoints": rows[..., :2], "keypoint_scores": rows[..., 2]}
        if values.get("tracked"):
            arguments["track_ids"] = [one["track_id"] for one in objects]
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"Detections.from_dict expected a dictionary made by to_dict. Received one that fails with "
            f"{type(error).__name__}: {error}."
        ) from error
    return arguments | {name: values[name] for name in (*_METADATA, *_OPTIONAL) if values.get(name) is not None}


def to_json(
    detections: DetectionsBase, path: str | os.PathLike[str] | None = None, *, indent: int | None = None
) -> str:
    """Convert to JSON; see `to_dict`.

    Args:
        detections: The detections.
        path: File to write the text to as well, or None.
        indent: Spaces per level; None gives one line.

    Returns:
        The text; `Detections.from_dict(json.loads(text))` equals the original.
    """
    text = json.dumps(to_dict(detections), ensure_ascii=False, indent=indent)
    if path is not None:
        Path(path).write_text(text + "\n", encoding="utf-8")
    return text


def to_coco(detections: DetectionsBase, image_id: int) -> list[dict[str, Any]]:
    """Convert to the rows of a COCO result file.

    Args:
        detections: The detections.
        image_id: The image's id in the dataset.

    Returns:
        One dictionary per row: `image_id`, `category_id` (from `dataset_ids`, otherwise 1-based), `bbox` as x, y,
        width, height in pixels, `score`, and, if there are keypoints, `keypoints` as a flat list of x, y, score;
        with tracking `track_id`.
    """
    ids = detections.dataset_ids
    boxes = detections.boxes.astype(np.float64)
    boxes[:, 2:] -= boxes[:, :2]
    rows: list[dict[str, Any]] = [
        {"image_id": image_id, "category_id": ids[i] if ids else i + 1, "bbox": box, "score": score}
        for i, box, score in zip(detections.class_ids.tolist(), boxes.tolist(), detections.scores.tolist(), strict=True)
    ]
    points = _keypoint_rows(detections)
    if points is not None:
        for row, keypoints in zip(rows, points.reshape(len(rows), 3 * points.shape[1]).tolist(), strict=True):
            row["keypoints"] = keypoints
    if detections.track_ids is not None:
        for row, track in zip(rows, detections.track_ids.tolist(), strict=True):
            row["track_id"] = track
    return rows


def to_tf(detections: DetectionsBase, max_detections: int | None = None) -> dict[str, np.ndarray]:
    """Convert to the dictionary of the published TensorFlow SavedModels, for a batch of one.

    Args:
        detections: The detections.
        max_detections: Rows `N` of the arrays, at least 1; by default `detections.max_detections`, otherwise
            the number of detections. More detections than rows lose the lowest scores.

    Returns:
        float32 arrays: `detection_boxes` `(1, N, 4)` as y_min, x_min, y_max, x_max, 0–1 of the image;
        `detection_scores` `(1, N)`; `detection_classes` `(1, N)`, 1-based; `num_detections` `(1,)`, the number of
        rows with a score above 0; with keypoints `detection_keypoints` `(1, N, K, 2)` as y, x, 0–1 of the image,
        and `detection_keypoint_scores` `(1, N, K)`. Padding rows are 0, their class is 1.
        Ids of tracks have no place there.

    Raises:
        ConfigError: `max_detections` is not a positive integer.
    """
    if max_detections is not None and (not isinstance(max_detections, (int, np.integer)) or max_detections < 1):
        raise ConfigError(
            f"Detections.to_tf expected max_detections as a positive integer or None. Received: {max_detections!r}."
        )
    count = max_detections or detections.max_detections or len(detections)
    height, width = detections.image_size
    boxes = detections.boxes[:, [1, 0, 3, 2]] / np.array([height, width, height, width], np.float32)
    tf = {
        "detection_boxes": _padded(boxes, count),
        "detection_scores": _padded(detections.scores, count),
        "detection_classes": _padded(detections.class_ids, count) + np.float32(1),
        "num_detections": np.array([np.count_nonzero(detections.scores[:count] > 0)], np.float32),
    }
    if detections.keypoints is not None and detections.keypoint_scores is not None:
        points = detections.keypoints[..., ::-1] / np.array([height, width], np.float32)
        tf["detection_keypoints"] = _padded(points, count)
        tf["detection_keypoint_scores"] = _padded(detections.keypoint_scores, count)
    return tf


def to_supervision(detections: DetectionsBase) -> Any:
    """Convert to `supervision.Detections`, with the class names and any keypoints in its `data`, ids as `tracker_id`.

    Raises:
        MissingExtraError: supervision is not installed.
    """
    try:
        import supervision
    except ImportError as error:
        raise _missing_package("to_supervision", "supervision", "supervision") from error
    data: dict[str, Any] = {"class_name": np.array(detections.names, dtype=str)}
    if detections.keypoints is not None and detections.keypoint_scores is not None:
        data |= {"keypoints": detections.keypoints.copy(), "keypoint_scores": detections.keypoint_scores.copy()}
    return supervision.Detections(
        xyxy=detections.boxes.copy(),
        confidence=detections.scores.copy(),
        class_id=detections.class_ids.astype(int),
        tracker_id=None if detections.track_ids is None else detections.track_ids.astype(int),
        data=data,
    )


def to_dataframe(detections: DetectionsBase) -> Any:
    """Convert to a pandas `DataFrame`, one row per detection.

    Returns:
        Columns `source`, `class_name`, `class_id`, `score`, `x_min`, `y_min`, `x_max`, `y_max`, and for each
        keypoint `<name>_x`, `<name>_y`, `<name>_score`; coordinates in pixels of the original image. For a frame of a
        video also `time` in seconds, with tracking `track_id`.

    Raises:
        MissingExtraError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise _missing_package("to_dataframe", "pandas", "dataframe") from error
    columns: dict[str, Any] = {
        "source": [detections.source] * len(detections),
        "class_name": detections.names,
        "class_id": detections.class_ids,
        "score": detections.scores,
    }
    columns |= dict(zip(("x_min", "y_min", "x_max", "y_max"), detections.boxes.T, strict=True))
    points = _keypoint_rows(detections)
    if points is not None:
        names = detections.keypoint_names or [f"keypoint_{i}" for i in range(points.shape[1])]
        for i, name in enumerate(names):
            columns |= {f"{name}_{axis}": points[:, i, j] for j, axis in enumerate(("x", "y", "score"))}
    if detections.time is not None:
        columns["time"] = [detections.time] * len(detections)
    if detections.track_ids is not None:
        columns["track_id"] = detections.track_ids
    return pandas.DataFrame(columns)


def _keypoint_rows(detections: DetectionsBase) -> np.ndarray | None:
    """Keypoints and their scores as `(n, k, 3)`: x, y, score."""
    if detections.keypoints is None or detections.keypoint_scores is None:
        return None
    return np.concatenate([detections.keypoints, detections.keypoint_scores[..., None]], axis=-1)


def _decimals(array: np.ndarray) -> list[Any]:
    """Shortest decimals that round to the same float32: 0.91, not 0.9100000262260437."""
    return array.astype("U32").astype(np.float64).tolist()


def _padded(rows: np.ndarray, count: int) -> np.ndarray:
    padded = np.zeros((1, count, *rows.shape[1:]), np.float32)
    padded[0, : len(rows)] = rows[:count]
    return padded


def _missing_package(method: str, package: str, extra: str) -> MissingExtraError:
    return MissingExtraError(
        f"Detections.{method} needs {package}, which is not installed. Install it: pip install centernet[{extra}]"
    )
