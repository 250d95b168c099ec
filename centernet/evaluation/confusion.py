"""Which classes are taken for which, and what else is wrong with detections."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from centernet.evaluation.outcomes import MISTAKES, Outcome


@dataclass(frozen=True)
class Confusion:
    """What each object was taken for.

    Objects that a detection of their class found are on the diagonal. Those that were missed where a detection of
    another class lies (overlap 0.5 or more) were taken for that class.

    Attributes:
        class_names: Name of each class.
        counts: int64 `(classes + 1, classes + 1)`: row the class of the object, column that of the detection. The last
            row counts detections where no object is, the last column objects where no detection is.
        mistakes: Kind of mistake → number of detections; see `centernet.evaluation.outcomes.MISTAKES`.
    """

    class_names: tuple[str, ...]
    counts: np.ndarray
    mistakes: dict[str, int]

    def most(self, number: int = 10) -> list[tuple[str, str, int]]:
        """The classes that are most often taken for others: class of the object, of the detection, and how often."""
        between = self.counts[:-1, :-1] * ~np.eye(len(self.class_names), dtype=bool)
        order = np.argsort(-between, axis=None, kind="stable")[:number]
        rows, columns = np.unravel_index(order, between.shape)
        found = zip(rows.tolist(), columns.tolist(), strict=True)
        return [(self.class_names[r], self.class_names[c], int(between[r, c])) for r, c in found if between[r, c]]


def confuse(outcomes: Sequence[Outcome], class_names: tuple[str, ...]) -> Confusion:
    """Count what objects were taken for.

    Args:
        outcomes: All images, at one least score.
        class_names: Of the dataset.

    Returns:
        The counts.
    """
    nothing = len(class_names)
    counts = np.zeros((nothing + 1, nothing + 1), np.int64)
    mistakes = Counter(dict.fromkeys(MISTAKES, 0))
    for outcome in outcomes:
        match, found = outcome.match, outcome.match.pair.found.class_ids
        false, missed = outcome.false.copy(), outcome.missed.copy()
        np.add.at(counts, (found[outcome.true], found[outcome.true]), 1)
        for row, column in outcome.confused():
            counts[match.class_ids[column], found[row]] += 1
            false[row], missed[column] = False, False
        np.add.at(counts[nothing], found[false], 1)
        np.add.at(counts[:, nothing], match.class_ids[missed], 1)
        mistakes.update(outcome.kinds())
    return Confusion(class_names, counts, dict(mistakes))
