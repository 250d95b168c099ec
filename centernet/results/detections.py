"""What a detector found in one image: `Detections`, one validated dataclass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from centernet.errors import ConfigError
from centernet.results import conversions
from centernet.results.fields import ROWS, checked_fields
from centernet.results.rows import check_min_score, class_rows, rows_at

if TYPE_CHECKING:
    from PIL import Image

SCORES_IN_SUMMARY = 5


@dataclass(frozen=True, eq=False)
class Detection:
    """One row of `Detections`, as iteration yields it.

    Attributes:
        box: `(4,)` float32, x_min, y_min, x_max, y_max in pixels of the original image.
        score: Confidence, 0–1.
        class_id: 0-based class.
        class_name: Its name.
        keypoints: `(k, 2)` float32, x and y in pixels of the original image, or None.
        keypoint_scores: `(k,)` float32, or None.
    """

    box: np.ndarray
    score: float
    class_id: int
    class_name: str
    keypoints: np.ndarray | None = None
    keypoint_scores: np.ndarray | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Detections:
    """Objects found in one image, best first.

    Values are checked and converted on construction; the arrays are read-only. `found[i]`, with an integer,
    a slice, a mask or an array of indices, is a `Detections` again, its rows always in descending order of
    score. Iterating yields one `Detection` a row. Equality ignores `image`.

    Example:
        >>> found = Detections([[10, 20, 50, 60]], [0.9], [1], (100, 200), ("cat", "dog"))
        >>> print(found)
        1 object: 1 dog 0.90
        >>> len(found.filter(min_score=0.95))
        0

    Attributes:
        boxes: `(n, 4)` float32, x_min, y_min, x_max, y_max in pixels of the original image, pixel edges.
        scores: `(n,)` float32, descending.
        class_ids: `(n,)` int32, 0-based.
        image_size: Height and width of the original image in pixels.
        class_names: Name of each class; empty where names are unknown.
        keypoints: `(n, k, 2)` float32, x and y in pixels of the original image, or None.
        keypoint_scores: `(n, k)` float32; ones where keypoints come without scores, None without keypoints.
        dataset_ids: Id of each class in its dataset (COCO: 1–90, with gaps), or None.
        keypoint_names: Name of each of the `k` keypoints, or None.
        skeleton: Pairs of 0-based keypoints that a drawing connects, or None.
        source: Where the image came from.
        image: The image itself, uint8 `(height, width, 3)` RGB, so that `draw()` needs no argument.
        max_detections: Rows of the fixed-size form `to_tf`, or None for as many as there are.
        error: Why the image could not be read, if that is why nothing was found; otherwise None.
    """

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

    def __post_init__(self) -> None:
        for name, value in checked_fields(self).items():
            object.__setattr__(self, name, value)

    @classmethod
    def empty(cls, image_size: tuple[int, int], **rest: Any) -> Detections:
        """Makes `Detections` without a row.

        Args:
            image_size: Height and width of the image in pixels.
            **rest: Any other attribute of `Detections`, such as `class_names`.

        Returns:
            `Detections` of length 0.
        """
        return cls(np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int32), image_size, **rest)

    @classmethod
    def merge(cls, parts: Iterable[Detections]) -> Detections:
        """Joins the detections of several passes over the same image, sorted by score.

        Args:
            parts: At least one; image sizes, classes and keypoints must agree.

        Returns:
            All rows; equal scores stay in the order of the parts. `source` and `image` are the first
            that is known, `max_detections` is dropped.

        Raises:
            ConfigError: There is nothing to merge, a part is no `Detections`, or the parts disagree.
        """
        parts = list(parts)
        others = [type(part).__name__ for part in parts if not isinstance(part, Detections)]
        if others:
            raise ConfigError(
                f"Detections.merge expected several Detections, as in merge([one, other]). Received: {others[0]}."
            )
        if not parts:
            raise ConfigError(
                "Detections.merge expected at least one Detections; received none. Use Detections.empty()."
            )
        first = parts[0]
        for name in ("image_size", "class_names", "dataset_ids", "keypoint_names", "skeleton"):
            _same([getattr(part, name) for part in parts], name)
        _same([None if part.keypoints is None else part.keypoints.shape[1] for part in parts], "keypoints")
        order = np.argsort(-np.concatenate([part.scores for part in parts]), kind="stable")
        names = [name for name in ROWS if getattr(first, name) is not None]
        rows: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts])[order] for name in names}
        source = next((part.source for part in parts if part.source is not None), None)
        image = next((part.image for part in parts if part.image is not None), None)
        error = first.error if all(part.error is not None for part in parts) else None
        return replace(first, **rows, source=source, image=image, error=error, max_detections=None)

    @property
    def names(self) -> list[str]:
        """Class name of every row; `class 3` where names are unknown."""
        return [self.class_names[i] if self.class_names else f"class {i}" for i in self.class_ids.tolist()]

    def __len__(self) -> int:
        return len(self.scores)

    def __iter__(self) -> Iterator[Detection]:
        points: Iterable[Any] = self.keypoints if self.keypoints is not None else [None] * len(self)
        confidences: Iterable[Any] = self.keypoint_scores if self.keypoint_scores is not None else [None] * len(self)
        columns = (self.boxes, self.scores.tolist(), self.class_ids.tolist(), self.names, points, confidences)
        return (Detection(*row) for row in zip(*columns, strict=True))

    def __getitem__(self, index: Any) -> Detections:
        rows = rows_at(index, len(self))
        columns = {name: getattr(self, name) for name in ROWS}
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
        classes = ", ".join(_summary(name, of_class) for name, of_class in scores.items())
        return f"{len(self)} object{'s' if len(self) > 1 else ''}: {classes}"

    def __repr__(self) -> str:
        height, width = self.image_size
        return f"Detections({self}; image {width}x{height}, source={self.source!r})"

    def filter(
        self, min_score: float | None = None, classes: str | int | Iterable[str | int] | None = None
    ) -> Detections:
        """Keeps the rows that score enough and are of the given classes.

        Args:
            min_score: Least score to keep, 0–1.
            classes: Names or 0-based ids of the classes to keep; None keeps all.

        Returns:
            The rows kept.

        Raises:
            ConfigError: The score is no number of 0–1, or a class is unknown; the nearest names are in the message.
        """
        keep = np.ones(len(self), bool)
        if min_score is not None:
            check_min_score(min_score)
            # Compared as float32, so that the score 0.3 is kept by min_score=0.3.
            keep &= self.scores >= np.float32(min_score)
        if classes is not None:
            keep &= class_rows(self.class_ids, classes, self.class_names)
        return self[keep]

    def draw(self, image: np.ndarray | Image.Image | None = None, **options: Any) -> Image.Image:
        """Draws the detections on the image.

        Args:
            image: The original image, uint8 `(height, width, 3)` RGB or PIL; by default the one kept here.
            **options: Those of `centernet.results.draw.draw_detections`.

        Returns:
            A new picture.

        Raises:
            ConfigError: There is no image, or its size is not `image_size`.
        """
        from centernet.results.draw import draw_detections

        picture = self.image if image is None else image
        if picture is None:
            raise ConfigError(
                "Detections.draw expected an image, but none is kept here. Give it: found.draw(image=...)."
            )
        return draw_detections(picture, self, **options)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Detections:
        """Makes `Detections` from what `to_dict` gave, or from its JSON once parsed.

        Args:
            values: The dictionary.

        Returns:
            `Detections` equal to those that were written; the image is not part of it.

        Raises:
            ConfigError: A key is missing, or a value does not fit.
        """
        return cls(**conversions.from_dict(values))

    to_dict = conversions.to_dict
    to_json = conversions.to_json
    to_coco = conversions.to_coco
    to_tf = conversions.to_tf
    to_supervision = conversions.to_supervision
    to_dataframe = conversions.to_dataframe


def _summary(name: str, scores: list[float]) -> str:
    shown = " ".join(f"{score:.2f}" for score in scores[:SCORES_IN_SUMMARY])
    return f"{len(scores)} {name} {shown}{' …' if len(scores) > SCORES_IN_SUMMARY else ''}"


def _equal(a: Any, b: Any) -> bool:
    return np.array_equal(a, b) if isinstance(a, np.ndarray) else bool(a == b)


def _same(values: list[Any], name: str) -> None:
    odd = next((value for value in values if value != values[0]), values[0])
    if odd != values[0]:
        raise ConfigError(
            f"Detections.merge expected parts with the same `{name}`. Received: {values[0]!r} and {odd!r}."
        )
