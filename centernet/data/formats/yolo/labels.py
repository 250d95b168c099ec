"""Lines of YOLO's label files, and the keypoints that they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from centernet.data.keypoints import KeypointTask, keypoint_task, unnamed_keypoints
from centernet.data.sample import Sample
from centernet.errors import ConfigError


@dataclass(frozen=True)
class Shape:
    """What a `data.yaml` says of keypoints: how many, numbers for each, how they mirror, their names by class id."""

    count: int = 0
    numbers: int = 3
    flip: tuple[int, ...] | None = None
    names: Mapping[int, Sequence[str]] | None = None

    @classmethod
    def of(cls, content: Mapping[str, Any], class_names: Sequence[str], file: Path) -> Shape:
        """Read `kpt_shape`, `flip_idx` and `kpt_names` of a `data.yaml`."""
        shape = content.get("kpt_shape")
        if shape is None:
            return cls()
        if not (isinstance(shape, list) and len(shape) == 2 and isinstance(shape[0], int) and shape[1] in (2, 3)):
            raise ConfigError(f"Expected a kpt_shape of [keypoints, 2 or 3] in {file}. Received: {shape!r}")
        flip, names = content.get("flip_idx"), content.get("kpt_names")
        if names is not None and not isinstance(names, Mapping):
            names = dict.fromkeys(range(len(class_names)), names)
        return cls(shape[0], shape[1], None if flip is None else tuple(flip), names)


@dataclass(frozen=True)
class Labels:
    """The objects of one file: class ids `(n,)`, boxes `(n, 4)` cx cy w h and keypoints `(n, k, 3)`, as parts."""

    class_ids: np.ndarray
    boxes: np.ndarray
    keypoints: np.ndarray

    def sample(self, photo: Path, identity: int | str, size: tuple[int, int], shape: Shape | None) -> Sample:
        """The objects in pixels of a photo."""
        height, width = size
        centers, halves = self.boxes[:, :2], self.boxes[:, 2:] / 2
        corners = np.concatenate([centers - halves, centers + halves], axis=1)
        return Sample(
            source=photo,
            boxes=corners * (width, height, width, height),
            class_ids=self.class_ids,
            image_id=identity,
            keypoints=self.keypoints * (width, height, 1) if shape and len(corners) else None,
            size=size,
        )


def read_labels(file: Path, shape: Shape) -> Labels:
    """Read a label file; without one there are no objects.

    Raises:
        ConfigError: If a line is none; a file with one such line is not to be used.
    """
    text = file.read_text(encoding="utf-8-sig") if file.is_file() else ""
    rows = [_row(line, shape, number) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    return Labels(
        np.asarray([class_id for class_id, _, _ in rows], np.int32),
        np.asarray([box for _, box, _ in rows], np.float64).reshape(-1, 4),
        np.asarray([points for _, _, points in rows], np.float64).reshape(len(rows), shape.count, 3),
    )


def _row(line: str, shape: Shape, number: int) -> tuple[int, np.ndarray, np.ndarray]:
    values = np.asarray(line.split(), np.float64)
    points = shape.count * shape.numbers
    if len(values) == 5 + points:
        return int(values[0]), values[1:5], _with_visibility(values[5:].reshape(shape.count, shape.numbers), shape)
    if len(values) == 5 or (len(values) >= 7 and len(values) % 2 and not points):
        box = values[1:] if len(values) == 5 else _around(values[1:].reshape(-1, 2))
        return int(values[0]), box, np.zeros((shape.count, 3))
    raise ConfigError(f"line {number} has {len(values)} numbers instead of {5 + points}")


def _around(polygon: np.ndarray) -> np.ndarray:
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    return np.concatenate([(low + high) / 2, high - low])


def _with_visibility(points: np.ndarray, shape: Shape) -> np.ndarray:
    """Keypoints `(k, 3)`; where the format has no visibility, one at 0, 0 is not labeled and all others are seen."""
    if shape.numbers == 3:
        return points
    return np.concatenate([points, 2.0 * points.any(axis=1, keepdims=True)], axis=1)


def named_owner(shape: Shape, class_names: Sequence[str]) -> str | None:
    """The class whose keypoints `kpt_names` names, or the only one that there is; None if labels are to say it."""
    if len(class_names) == 1:
        return class_names[0]
    named = list(shape.names or ())
    return class_names[int(named[0])] if len(named) == 1 and 0 <= int(named[0]) < len(class_names) else None


def task_of(shape: Shape, class_names: Sequence[str], owner: str) -> KeypointTask:
    """The schema of the class that has keypoints."""
    names = (shape.names or {}).get(class_names.index(owner))
    return keypoint_task(owner, names, flip=shape.flip) if names else unnamed_keypoints(owner, shape.count, shape.flip)


def line_of(sample: Sample, number: int, size: tuple[int, int], with_keypoints: bool) -> str:
    """The line of one object.

    Args:
        sample: The image.
        number: Which of its objects.
        size: Height and width of the image in pixels.
        with_keypoints: Whether lines have keypoints.

    Returns:
        Class, box and keypoints; 9 digits, which is 1e-6 px of 1000.
    """
    height, width = size
    x0, y0, x1, y1 = sample.boxes[number].astype(np.float64)
    parts = [(x0 + x1) / 2 / width, (y0 + y1) / 2 / height, (x1 - x0) / width, (y1 - y0) / height]
    if with_keypoints and sample.keypoints is not None:
        for x, y, visibility in sample.keypoints[number].astype(np.float64):
            parts += [x / width, y / height, visibility]
    return " ".join([str(sample.class_ids[number]), *(f"{part:.9g}" for part in parts)]) + "\n"
