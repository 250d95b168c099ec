"""Which detection found which object, and what the others are: the counts behind curves, confusion and pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from centernet.evaluation.samples import Pair
from centernet.ops.overlaps import box_overlaps

OVERLAP = 0.5
POORLY_LOCATED = 0.1
# What is wrong with a detection that found nothing → how that is decided.
MISTAKES = {
    "wrong class": f"overlaps an object of another class by {OVERLAP} or more",
    "duplicate": f"overlaps an object of its class by {OVERLAP} or more that a better detection has found",
    "poorly located": f"overlaps an object of its class by {POORLY_LOCATED} to {OVERLAP}",
    "background": "overlaps no object so much",
}


@dataclass(frozen=True)
class Match:
    """One image: what was found, and what not.

    Detections are taken from the best score to the worst; each finds the object of its class that it overlaps most and
    that is not found yet, if their overlap is `OVERLAP` or more. So what holds with all detections holds for those
    above any score.

    Attributes:
        pair: The image.
        objects: Rows of `pair.sample` that are asked for, int `(m,)`: usable, and not to be ignored.
        overlaps: float64 `(n, m)`, intersection over union of detections and those objects.
        object_of: int `(n,)`: the object, a column of `overlaps`, that each detection found; −1 for none.
        ignored: bool `(n,)`: detections that found nothing and lie in something to be ignored of their class.
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
        """What there is to see if only detections with at least this score are kept."""
        found = self.pair.found
        kept = found.scores >= np.float32(min_score)
        true = kept & (self.object_of >= 0)
        missed = np.ones(len(self.objects), bool)
        missed[self.object_of[true]] = False
        return Outcome(self, true, kept & ~true & ~self.ignored, missed)


@dataclass(frozen=True)
class Outcome:
    """One image at one least score.

    Attributes:
        match: The image.
        true: Detections that found an object, bool `(n,)`.
        false: Detections that found none, bool `(n,)`.
        missed: Objects that were not found, bool `(m,)`.
    """

    match: Match
    true: np.ndarray
    false: np.ndarray
    missed: np.ndarray

    @property
    def mistakes(self) -> int:
        """Number of detections that found none, and of objects that were not found."""
        return int(self.false.sum() + self.missed.sum())

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 1 where there is nothing and nothing was found."""
        true = int(self.true.sum())
        return 2 * true / (2 * true + self.mistakes) if true + self.mistakes else 1.0

    def kinds(self) -> list[str]:
        """Key of `MISTAKES` of each false detection, in their order."""
        overlaps = self.match.overlaps[self.false]
        same = self.match.pair.found.class_ids[self.false][:, None] == self.match.class_ids
        best = np.where(same, overlaps, 0).max(axis=1, initial=0)
        other = np.where(same, 0, overlaps).max(axis=1, initial=0)
        conditions = [best >= OVERLAP, other >= OVERLAP, best >= POORLY_LOCATED]
        return np.select(conditions, ["duplicate", "wrong class", "poorly located"], "background").tolist()

    def confused(self) -> Iterator[tuple[int, int]]:
        """Rows and columns of false detections with the missed objects of other classes where they lie.

        The pairs that overlap most come first, by `OVERLAP` or more; nothing is in two pairs.

        Yields:
            Row of `pair.found` and column of `match.overlaps`.
        """
        overlaps = np.where(self.false[:, None] & self.missed, self.match.overlaps, 0)
        while overlaps.size and overlaps.max() >= OVERLAP:
            row, column = np.unravel_index(overlaps.argmax(), overlaps.shape)
            yield int(row), int(column)
            overlaps[row], overlaps[:, column] = 0, 0


def match_all(pairs: Sequence[Pair]) -> list[Match]:
    """Match the detections of every image; see `Match`."""
    return [match(pair) for pair in pairs]


def match(pair: Pair) -> Match:
    """Match the detections of one image; see `Match`."""
    sample, found = pair.sample, pair.found
    objects = np.flatnonzero(pair.usable & ~sample.ignore)
    crowds = np.flatnonzero(pair.usable & sample.ignore)
    overlaps = box_overlaps(found.boxes, sample.boxes[objects])
    same = found.class_ids[:, None] == sample.class_ids[objects]
    object_of = _greedily(np.where(same, overlaps, 0))
    # As COCO does: any part of a crowd is an object, so only the detection's own area counts.
    inside = box_overlaps(found.boxes, sample.boxes[crowds], of_first=True) >= OVERLAP
    ignored = (inside & (found.class_ids[:, None] == sample.class_ids[crowds])).any(axis=1)
    return Match(pair, objects, overlaps, object_of, ignored & (object_of < 0))


def _greedily(overlaps: np.ndarray) -> np.ndarray:
    """The column that each row takes, −1 for none; rows choose in their order."""
    chosen = np.full(len(overlaps), -1)
    free = np.where(overlaps >= OVERLAP, overlaps, 0)
    for row in np.flatnonzero(free.any(axis=1)):
        best = int(free[row].argmax())
        if free[row, best] > 0:
            chosen[row] = best
            free[:, best] = 0
    return chosen
