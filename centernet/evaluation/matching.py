"""Matching of detections to objects, the mistakes that remain, and the confusion matrix."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from centernet.evaluation.alignment import Pair
from centernet.ops.boxes import box_overlaps

MIN_OVERLAP = 0.5
MIN_POOR_OVERLAP = 0.1
# Kind of false detection → its definition.
MISTAKES = {
    "wrong class": f"overlaps an object of another class by {MIN_OVERLAP} or more",
    "duplicate": f"overlaps an object of its class by {MIN_OVERLAP} or more that a better detection has matched",
    "poorly located": f"overlaps an object of its class by {MIN_POOR_OVERLAP} to {MIN_OVERLAP}",
    "background": f"overlaps no object of its class by {MIN_POOR_OVERLAP}, and no object by {MIN_OVERLAP}",
}


@dataclass(frozen=True)
class Match:
    """Detections of one image matched to its objects.

    In descending order of score, each detection is matched to the unmatched object of its class with the highest
    overlap, if that is at least `MIN_OVERLAP`. The matches of the detections above any score are therefore the same
    as with all detections.

    Attributes:
        pair: The image.
        objects: Rows of `pair.sample` to detect, int `(m,)`: usable, and not ignored.
        overlaps: float64 `(n, m)`, intersection over union of detections and these objects.
        object_of: int `(n,)`: the object matched to each detection, a column of `overlaps`; −1 for none.
        ignored: bool `(n,)`: unmatched detections inside an ignored object of their class.
    """

    pair: Pair
    objects: np.ndarray
    overlaps: np.ndarray
    object_of: np.ndarray
    ignored: np.ndarray

    @property
    def class_ids(self) -> np.ndarray:
        """Class of each of the objects, int32 `(m,)`."""
        return self.pair.sample.class_ids[self.objects]

    def above(self, min_score: float) -> Outcome:
        """The outcome if only detections with a minimum score count."""
        kept = self.pair.detections.scores >= np.float32(min_score)
        true = kept & (self.object_of >= 0)
        missed = np.ones(len(self.objects), bool)
        missed[self.object_of[true]] = False
        return Outcome(self, true, kept & ~true & ~self.ignored, missed)


@dataclass(frozen=True)
class Outcome:
    """True and false detections and missed objects of one image at one minimum score.

    Attributes:
        match: The image.
        true: Matched detections, bool `(n,)`.
        false: Detections that are neither matched nor ignored, bool `(n,)`.
        missed: Unmatched objects, bool `(m,)`.
    """

    match: Match
    true: np.ndarray
    false: np.ndarray
    missed: np.ndarray

    @property
    def mistakes(self) -> int:
        """Number of false detections and missed objects."""
        return int(self.false.sum() + self.missed.sum())

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 1 without objects and detections."""
        true = int(self.true.sum())
        return 2 * true / (2 * true + self.mistakes) if true + self.mistakes else 1.0

    def kinds(self) -> list[str]:
        """Key of `MISTAKES` of each false detection, in their order."""
        overlaps = self.match.overlaps[self.false]
        same = self.match.pair.detections.class_ids[self.false][:, None] == self.match.class_ids
        own = np.where(same, overlaps, 0).max(axis=1, initial=0)
        foreign = np.where(same, 0, overlaps).max(axis=1, initial=0)
        conditions = [own >= MIN_OVERLAP, foreign >= MIN_OVERLAP, own >= MIN_POOR_OVERLAP]
        return np.select(conditions, ["duplicate", "wrong class", "poorly located"], "background").tolist()

    def confused(self) -> Iterator[tuple[int, int]]:
        """Pairs of a false detection and a missed object of another class that overlap by at least `MIN_OVERLAP`.

        The highest overlap comes first; each detection and each object is in at most one pair.

        Yields:
            Row of `pair.detections` and column of `match.overlaps`.
        """
        overlaps = np.where(self.false[:, None] & self.missed, self.match.overlaps, 0)
        while overlaps.size and overlaps.max() >= MIN_OVERLAP:
            row, column = np.unravel_index(overlaps.argmax(), overlaps.shape)
            yield int(row), int(column)
            overlaps[row], overlaps[:, column] = 0, 0

    def summary(self) -> dict[str, Any]:
        """Image and counts, for `Evaluation.to_dict`."""
        sample = self.match.pair.sample
        counts = {name: int(getattr(self, name).sum()) for name in ("true", "false", "missed")}
        return {"image_id": sample.image_id, "name": sample.name, **counts, "f1": self.f1}


@dataclass(frozen=True)
class Confusion:
    """Confusion matrix of the classes, and the kinds of mistakes.

    Matched objects are on the diagonal. A missed object counts for another class if a detection of that class overlaps
    it by 0.5 or more.

    Attributes:
        class_names: Name of each class.
        counts: int64 `(classes + 1, classes + 1)`: row the class of the object, column that of the detection. The last
            row counts detections without an object, the last column objects without a detection.
        mistakes: Kind of mistake → number of detections; see `MISTAKES`.
    """

    class_names: tuple[str, ...]
    counts: np.ndarray
    mistakes: dict[str, int]

    def most(self, number: int = 10) -> list[tuple[str, str, int]]:
        """The most frequent confusions: class of the object, class of the detection, count."""
        between = self.counts[:-1, :-1] * ~np.eye(len(self.class_names), dtype=bool)
        order = np.argsort(-between, axis=None, kind="stable")[:number]
        cells = zip(*(index.tolist() for index in np.unravel_index(order, between.shape)), strict=True)
        return [(self.class_names[r], self.class_names[c], int(between[r, c])) for r, c in cells if between[r, c]]


def match(pair: Pair) -> Match:
    """Match the detections of one image; see `Match`."""
    sample, detections = pair.sample, pair.detections
    objects = np.flatnonzero(pair.usable & ~sample.ignore)
    crowds = np.flatnonzero(pair.usable & sample.ignore)
    overlaps = box_overlaps(detections.boxes, sample.boxes[objects])
    same = detections.class_ids[:, None] == sample.class_ids[objects]
    object_of = _match_greedily(np.where(same, overlaps, 0))
    # As in COCO: any part of a crowd may be an object, so the overlap is relative to the detection's own area.
    inside = box_overlaps(detections.boxes, sample.boxes[crowds], of_first=True) >= MIN_OVERLAP
    ignored = (inside & (detections.class_ids[:, None] == sample.class_ids[crowds])).any(axis=1)
    return Match(pair, objects, overlaps, object_of, ignored & (object_of < 0))


def confuse(outcomes: Sequence[Outcome], class_names: tuple[str, ...]) -> Confusion:
    """Count matches, confusions and mistakes of all images."""
    none = len(class_names)
    counts = np.zeros((none + 1, none + 1), np.int64)
    mistakes = Counter(dict.fromkeys(MISTAKES, 0))
    for outcome in outcomes:
        objects, detections = outcome.match.class_ids, outcome.match.pair.detections.class_ids
        false, missed = outcome.false.copy(), outcome.missed.copy()
        np.add.at(counts, (detections[outcome.true], detections[outcome.true]), 1)
        for row, column in outcome.confused():
            counts[objects[column], detections[row]] += 1
            false[row], missed[column] = False, False
        np.add.at(counts[none], detections[false], 1)
        np.add.at(counts[:, none], objects[missed], 1)
        mistakes.update(outcome.kinds())
    return Confusion(class_names, counts, dict(mistakes))


def _match_greedily(overlaps: np.ndarray) -> np.ndarray:
    """The column matched to each row, −1 for none; rows choose in their order."""
    chosen = np.full(len(overlaps), -1)
    free = np.where(overlaps >= MIN_OVERLAP, overlaps, 0)
    for row in np.flatnonzero(free.any(axis=1)):
        best = int(free[row].argmax())
        if free[row, best] > 0:
            chosen[row] = best
            free[:, best] = 0
    return chosen
