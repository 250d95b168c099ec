"""The objects detected in one image: `Detections`, one validated dataclass."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from PIL import Image

from centernet.errors import ConfigError
from centernet.results import conversions
from centernet.results.base import ROW_FIELDS, UNTRACKED, Detection, DetectionsBase
from centernet.results.draw import draw_detections
from centernet.results.rows import check_min_score, class_mask, row_numbers

__all__ = ["Detection", "Detections"]

MAX_SCORES_PER_CLASS = 5


@dataclass(frozen=True, eq=False, repr=False)
class Detections(DetectionsBase):
    """The objects detected in one image, best first.

    Values are checked and converted on construction; the arrays are read-only. `detections[i]`, with an integer,
    a slice, a mask or an array of indices, is a `Detections` again, its rows always in descending order of
    score. Iteration yields one `Detection` per row. Equality ignores `image`.

    Example:
        >>> detections = Detections([[10, 20, 50, 60]], [0.9], [1], (100, 200), ("cat", "dog"))
        >>> print(detections)
        1 object: 1 dog 0.90
        >>> len(detections.filter(min_score=0.95))
        0

    Attributes:
        boxes: `(n, 4)` float32, x_min, y_min, x_max, y_max in pixels of the original image, pixel edges.
        scores: `(n,)` float32, descending.
        class_ids: `(n,)` int32, 0-based.
        image_size: Height and width of the original image in pixels.
        class_names: Name of each class; empty if unknown.
        keypoints: `(n, k, 2)` float32, x and y in pixels of the original image, or None.
        keypoint_scores: `(n, k)` float32; ones for keypoints without scores, None without keypoints.
        dataset_ids: Id of each class in its dataset (COCO: 1–90, with gaps), or None.
        keypoint_names: Name of each keypoint, or None.
        skeleton: Pairs of keypoint indices to connect when drawing, or None.
        source: Path, URL or name of the image, or None.
        image: The image, uint8 `(height, width, 3)` RGB, so that `draw()` needs no argument, or None.
        max_detections: Rows of the fixed-size form `to_tf`, or None for the actual number of detections.
        error: Why the image could not be read (there are no detections then), or None.
        time: Of a video frame: its presentation time in seconds since the first frame; otherwise None.
        track_ids: `(n,)` int32, number of each object in its video, from 0 on; -1 for one that the tracker has not
            confirmed. None without tracking.
    """

    @classmethod
    def empty(cls, image_size: tuple[int, int], **rest: Any) -> Detections:
        """Create `Detections` of length 0.

        Args:
            image_size: Height and width of the image in pixels.
            **rest: Any other attribute of `Detections`, such as `class_names`.
        """
        return cls(np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int32), image_size, **rest)

    @classmethod
    def merge(cls, parts: Iterable[Detections]) -> Detections:
        """Join several detections of the same image, sorted by score.

        Args:
            parts: At least one; image sizes, classes and keypoints must agree.

        Returns:
            All rows; equal scores stay in the order of the parts. `source`, `image` and `time` are the first that are
            not None, rows of parts without `track_ids` get -1 if another has them, `max_detections` is dropped.

        Raises:
            ConfigError: There is nothing to merge, a part is not a `Detections`, or the parts disagree.
        """
        parts = list(parts)
        wrong = [type(part).__name__ for part in parts if not isinstance(part, Detections)]
        if wrong:
            raise ConfigError(f"Detections.merge expected several Detections, as a list. Received: {wrong[0]}.")
        if not parts:
            raise ConfigError("Detections.merge expected at least one part. Received: none. Use Detections.empty().")
        first = parts[0]
        for name in ("image_size", "class_names", "dataset_ids", "keypoint_names", "skeleton"):
            _check_equal([getattr(part, name) for part in parts], name)
        _check_equal([None if part.keypoints is None else part.keypoints.shape[1] for part in parts], "keypoints")
        order = np.argsort(-np.concatenate([part.scores for part in parts]), kind="stable")
        if any(part.track_ids is not None for part in parts):
            parts = [part._with_track_ids() for part in parts]
        names = [name for name in ROW_FIELDS if getattr(parts[0], name) is not None]
        rows: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts])[order] for name in names}
        shared = ("source", "image", "time")
        rows |= {n: next((v for part in parts if (v := getattr(part, n)) is not None), None) for n in shared}
        error = first.error if all(part.error is not None for part in parts) else None
        return replace(first, **rows, error=error, max_detections=None)

    def _with_track_ids(self) -> Detections:
        return self if self.track_ids is not None else replace(self, track_ids=np.full(len(self), UNTRACKED))

    def __getitem__(self, index: Any) -> Detections:
        rows = row_numbers(index, len(self))
        columns = {name: getattr(self, name) for name in ROW_FIELDS}
        return replace(self, **{name: c[rows] for name, c in columns.items() if c is not None})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Detections):
            return NotImplemented
        compared = [(getattr(self, f.name), getattr(other, f.name)) for f in fields(self) if f.compare]
        return all(type(a) is type(b) and _equal(a, b) for a, b in compared)

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        if self.error:
            return f"not read: {self.error}"
        if not len(self):
            return "no objects"
        scores: dict[str, list[float]] = {}
        for name, score in zip(self.names, self.scores.tolist(), strict=True):
            scores.setdefault(name, []).append(score)
        classes = ", ".join(_class_summary(name, of_class) for name, of_class in scores.items())
        return f"{len(self)} object{'s' if len(self) > 1 else ''}: {classes}"

    def __repr__(self) -> str:
        height, width = self.image_size
        return f"Detections({self}; image {width}x{height}, source={self.source!r})"

    def filter(
        self, min_score: float | None = None, classes: str | int | Iterable[str | int] | None = None
    ) -> Detections:
        """Keep the rows with a minimum score, of the given classes, or both.

        Args:
            min_score: Minimum score, 0–1; None keeps all.
            classes: Names or 0-based ids of the classes to keep; None keeps all.

        Returns:
            The rows kept.

        Raises:
            ConfigError: The score is not a number of 0–1, or a class is unknown; the message names the nearest ones.
        """
        keep = np.ones(len(self), bool)
        if min_score is not None:
            check_min_score(min_score)
            # Compared as float32, so that min_score=0.3 keeps a score of 0.3.
            keep &= self.scores >= np.float32(min_score)
        if classes is not None:
            keep &= class_mask(self.class_ids, classes, self.class_names)
        return self[keep]

    def draw(self, image: np.ndarray | Image.Image | None = None, **options: Any) -> Image.Image:
        """Draw the detections on a copy of the image.

        Args:
            image: The original image, uint8 `(height, width, 3)` RGB or PIL; by default `self.image`.
            **options: Those of `centernet.results.draw.draw_detections`.

        Returns:
            A new RGB picture.

        Raises:
            ConfigError: There is no image, or its size is not `image_size`.
        """
        picture = self.image if image is None else image
        if picture is None:
            raise ConfigError("Detections.draw expected an image, none is kept. Received: None. Use draw(image=...).")
        return draw_detections(picture, self, **options)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Detections:
        """Create `Detections` from a dictionary of `to_dict`, possibly after a round trip through JSON.

        Args:
            values: The dictionary.

        Returns:
            `Detections` equal to the original, without the image.

        Raises:
            ConfigError: A key is missing, or a value is invalid.
        """
        return cls(**conversions.from_dict(values))

    to_dict = conversions.to_dict
    to_json = conversions.to_json
    to_coco = conversions.to_coco
    to_tf = conversions.to_tf
    to_supervision = conversions.to_supervision
    to_dataframe = conversions.to_dataframe


def _class_summary(name: str, scores: list[float]) -> str:
    shown = " ".join(f"{score:.2f}" for score in scores[:MAX_SCORES_PER_CLASS])
    return f"{len(scores)} {name} {shown}{' …' if len(scores) > MAX_SCORES_PER_CLASS else ''}"


def _equal(a: Any, b: Any) -> bool:
    return np.array_equal(a, b) if isinstance(a, np.ndarray) else bool(a == b)


def _check_equal(values: list[Any], name: str) -> None:
    different = next((value for value in values if value != values[0]), values[0])
    if different != values[0]:
        raise ConfigError(
            f"Detections.merge expected parts with the same `{name}`. Received: {values[0]!r} and {different!r}."
        )
