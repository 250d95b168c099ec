"""Checking a dataset before a detector is trained on it.

report = centernet.data.load("photos", split="all").check()
print(report)
report.draw().save("contact_sheet.jpg")
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from centernet.data.check.boxes import box_problems, format_problems
from centernet.data.check.images import ImageFacts, image_facts, image_problems
from centernet.data.check.labels import class_problems, keypoint_problems
from centernet.data.check.objects import Objects, is_valid
from centernet.data.check.problems import Problem, problem
from centernet.data.check.report import CheckReport, worst_first
from centernet.data.check.statistics import cell_problems, class_counts, figures, layout_of
from centernet.data.dataset_base import AnyDataset, DatasetBase
from centernet.errors import ConfigError
from centernet.ops.constants import STRIDE

__all__ = ["INPUT_SIZE", "CheckReport", "check_dataset"]

INPUT_SIZE = (512, 512)


# Annotations may contain any numbers; NaN and infinity are reported as such.
@np.errstate(invalid="ignore", over="ignore")
def check_dataset(
    dataset: AnyDataset,
    *,
    input_size: tuple[int, int] = INPUT_SIZE,
    images: bool = True,
    progress: Callable[[], None] | None = None,
) -> CheckReport[AnyDataset]:
    """Look for everything in a dataset that spoils training, and count its objects; see `Dataset.check`.

    `progress` is called after each image that was read.
    """
    if len(input_size) != 2 or min(input_size) < STRIDE:
        raise ConfigError(f"Expected an input_size of height and width from {STRIDE} pixels. Received: {input_size}")
    facts = image_facts(dataset, images, progress)
    objects = Objects.of(dataset, [one.size for one in facts])
    learnable = objects[_learnable(dataset, objects, facts)]
    layout = layout_of(learnable, input_size)
    findings = [
        *_nothing_to_learn(dataset, facts, learnable),
        *image_problems(dataset, facts),
        *format_problems(dataset, objects),
        *box_problems(dataset, objects),
        *class_problems(dataset, objects),
        *keypoint_problems(dataset, objects),
        *cell_problems(dataset, learnable, layout),
    ]
    return CheckReport(
        dataset,
        input_size,
        worst_first(findings),
        class_counts(dataset, objects, learnable, layout),
        figures(dataset, learnable, layout),
        images_read=images,
    )


def _learnable(dataset: DatasetBase, objects: Objects, facts: Sequence[ImageFacts]) -> np.ndarray:
    """Objects of a known class, not ignored, with a valid box after clipping, in a readable image, bool `(n,)`."""
    readable = np.array([one.failure is None and one.size is not None for one in facts], bool)
    known = (objects.class_ids >= 0) & (objects.class_ids < len(dataset.class_names))
    clipped = objects.boxes.clip(0, np.tile(objects.sizes, 2))
    return np.asarray(readable[objects.images] & known & ~objects.ignore & is_valid(clipped, objects.sizes))


def _nothing_to_learn(dataset: DatasetBase, facts: Sequence[ImageFacts], learnable: Objects) -> list[Problem]:
    """The first reason why no object can be learned; empty if some can."""
    reasons = {
        "no image": not len(dataset),
        "no readable image": all(one.failure for one in facts),
        "no class": not dataset.class_names,
        "no object": not len(learnable),
    }
    return [problem(kind, 0) for kind, holds in reasons.items() if holds][:1]
