"""`Detections` in the forms of others: dictionary, JSON, COCO rows, TensorFlow, supervision, pandas.

Each function is a method of `Detections` as well.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from centernet.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    import os

    from centernet.results.detections import Detections

_HEADER = ("class_names", "dataset_ids", "keypoint_names", "skeleton", "source", "max_detections")


def to_dict(detections: Detections) -> dict[str, Any]:
    """Gives plain Python values, ready for JSON; the image is left out.

    Returns:
        `image_size` (height, width), `class_names`, `dataset_ids`, `keypoint_names`, `skeleton`, `source`,
        `max_detections`, `num_keypoints`, and `objects`: one dictionary a row with `class_id`, `class_name`,
        `score`, `box` (x_min, y_min, x_max, y_max in pixels) and, where there are keypoints, `keypoints` as
        (x, y, score). Of an image that could not be read also `error`, which says why.
    """
    points = _keypoint_rows(detections)
    columns = (
        detections.class_ids.tolist(),
        detections.names,
        _decimals(detections.scores),
        _decimals(detections.boxes),
        [{}] * len(detections) if points is None else [{"keypoints": row} for row in _decimals(points)],
    )
    objects = [
        {"class_id": class_id, "class_name": name, "score": score, "box": box, **keypoints}
        for class_id, name, score, box, keypoints in zip(*columns, strict=True)
    ]
    header = {name: _plain(getattr(detections, name)) for name in _HEADER}
    header |= {} if detections.error is None else {"error": detections.error}
    count = None if points is None else points.shape[1]
    return {"image_size": list(detections.image_size), **header, "num_keypoints": count, "objects": objects}


def from_dict(values: Mapping[str, Any]) -> dict[str, Any]:
    """Reads what `to_dict` gave.

    Args:
        values: The dictionary, possibly through JSON.

    Returns:
        The arguments of `Detections`.

    Raises:
        ConfigError: A key is missing.
    """
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
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"Detections.from_dict expected the dictionary that to_dict gives. Received one that fails with "
            f"{type(error).__name__}: {error}."
        ) from error
    return arguments | {name: values[name] for name in (*_HEADER, "error") if values.get(name) is not None}


def to_json(detections: Detections, path: str | os.PathLike[str] | None = None, *, indent: int | None = None) -> str:
    """Gives `to_dict` as JSON.

    Args:
        detections: What was found.
        path: File to write it to as well, or None.
        indent: Spaces per level; None gives one line.

    Returns:
        The text; `Detections.from_dict(json.loads(text))` equals the original.
    """
    text = json.dumps(to_dict(detections), ensure_ascii=False, indent=indent)
    if path is not None:
        Path(path).write_text(text + "\n", encoding="utf-8")
    return text


def to_coco(detections: Detections, image_id: int) -> list[dict[str, Any]]:
    """Gives the rows of a COCO result file.

    Args:
        detections: What was found.
        image_id: The image's id in the dataset.

    Returns:
        One dictionary a row: `image_id`, `category_id` (of `dataset_ids`, otherwise 1-based), `bbox` as x, y,
        width, height in pixels, `score`, and `keypoints` as a flat list of x, y, score where there are any.
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
    return rows


def to_tf(detections: Detections, max_detections: int | None = None) -> dict[str, np.ndarray]:
    """Gives the dictionary of the published TensorFlow SavedModels, for a batch of one.

    Args:
        detections: What was found.
        max_detections: Rows `N` of the arrays, at least 1; by default those of `detections.max_detections`,
            otherwise as many as there are. More detections than rows lose the lowest scores.

    Returns:
        float32 arrays: `detection_boxes` `(1, N, 4)` as y_min, x_min, y_max, x_max, 0–1 of the image;
        `detection_scores` `(1, N)`; `detection_classes` `(1, N)`, 1-based; `num_detections` `(1,)`, the rows
        that score above 0; with keypoints `detection_keypoints` `(1, N, K, 2)` as y, x, 0–1 of the image, and
        `detection_keypoint_scores` `(1, N, K)`. Rows without a detection are 0, their class is 1.

    Raises:
        ConfigError: `max_detections` is no positive integer.
    """
    if max_detections is not None and (not isinstance(max_detections, (int, np.integer)) or max_detections < 1):
        raise ConfigError(
            f"Detections.to_tf expected max_detections as a positive integer or None. Received: {max_detections!r}."
        )
    total = max_detections or detections.max_detections or len(detections)
    height, width = detections.image_size
    scores = detections.scores[:total]
    boxes = detections.boxes[:, [1, 0, 3, 2]] / np.array([height, width, height, width], np.float32)
    tf = {
        "detection_boxes": _padded(boxes, total),
        "detection_scores": _padded(scores, total),
        "detection_classes": _padded(detections.class_ids, total) + np.float32(1),
        "num_detections": np.array([np.count_nonzero(scores > 0)], np.float32),
    }
    if detections.keypoints is not None and detections.keypoint_scores is not None:
        points = detections.keypoints[..., ::-1] / np.array([height, width], np.float32)
        tf["detection_keypoints"] = _padded(points, total)
        tf["detection_keypoint_scores"] = _padded(detections.keypoint_scores, total)
    return tf


def to_supervision(detections: Detections) -> Any:
    """Gives `supervision.Detections`, with the class names, and keypoints if any, in its `data`.

    Raises:
        MissingExtraError: supervision is not installed.
    """
    try:
        import supervision
    except ImportError as error:
        raise _missing("to_supervision", "supervision") from error
    data: dict[str, Any] = {"class_name": np.array(detections.names, dtype=str)}
    if detections.keypoints is not None and detections.keypoint_scores is not None:
        data |= {
            "keypoints": detections.keypoints.copy(),
            "keypoint_scores": detections.keypoint_scores.copy(),
        }
    return supervision.Detections(
        xyxy=detections.boxes.copy(),
        confidence=detections.scores.copy(),
        class_id=detections.class_ids.astype(int),
        data=data,
    )


def to_dataframe(detections: Detections) -> Any:
    """Gives a pandas `DataFrame`, one row a detection.

    Returns:
        Columns `source`, `class_name`, `class_id`, `score`, `x_min`, `y_min`, `x_max`, `y_max`, and for each
        keypoint `<name>_x`, `<name>_y`, `<name>_score`; coordinates in pixels of the original image.

    Raises:
        MissingExtraError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise _missing("to_dataframe", "dataframe") from error
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
    return pandas.DataFrame(columns)


def _keypoint_rows(detections: Detections) -> np.ndarray | None:
    """Joins keypoints and their scores to `(n, k, 3)`: x, y, score."""
    if detections.keypoints is None or detections.keypoint_scores is None:
        return None
    return np.concatenate([detections.keypoints, detections.keypoint_scores[..., None]], axis=-1)


def _decimals(array: np.ndarray) -> list[Any]:
    """Gives the shortest decimals that are the same float32 again: 0.91 and not 0.9100000262260437."""
    return array.astype("U32").astype(np.float64).tolist()


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _padded(rows: np.ndarray, total: int) -> np.ndarray:
    padded = np.zeros((1, total, *rows.shape[1:]), np.float32)
    padded[0, : len(rows)] = rows[:total]
    return padded


def _missing(method: str, extra: str) -> MissingExtraError:
    package = {"dataframe": "pandas"}.get(extra, extra)
    return MissingExtraError(
        f"Detections.{method} needs {package}, which is not installed. Install it: pip install centernet[{extra}]"
    )
