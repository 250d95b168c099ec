"""Checking a dataset before a detector is trained on it.

report = centernet.data.load("photos", split="all").check()
print(report)
report.draw().save("contact_sheet.jpg")
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from centernet.data.check.boxes import box_problems
from centernet.data.check.cells import cell_problems, layout_of
from centernet.data.check.classes import class_problems
from centernet.data.check.images import ImageFacts, image_problems, read_facts, stated_facts
from centernet.data.check.keypoints import keypoint_problems
from centernet.data.check.objects import Objects, is_sound
from centernet.data.check.problems import Problem, problem
from centernet.data.check.readings import misread
from centernet.data.check.report import CheckReport, worst_first
from centernet.data.check.statistics import class_counts, figures
from centernet.data.dataset import Dataset
from centernet.errors import ConfigError
from centernet.ops.preprocessing import STRIDE

INPUT_SIZE = (512, 512)


# Annotations may have any numbers; what isn't finite, or becomes so, is found as what it is.
@np.errstate(invalid="ignore", over="ignore")
def check(
    dataset: Dataset,
    *,
    input_size: tuple[int, int] = INPUT_SIZE,
    images: bool = True,
    progress: Callable[[], None] | None = None,
) -> CheckReport:
    """Look for everything in a dataset that would spoil a training, and count what is in it.

    Args:
        dataset: The dataset.
        input_size: Height and width of the network's input in pixels, which images are fitted to.
        images: Whether images are read. Without, they are taken to be there and of the sizes that annotations state.
        progress: Called after each image that was read.

    Returns:
        What was found.

    Raises:
        ConfigError: If the input size is less than a cell.
    """
    if len(input_size) != 2 or min(input_size) < STRIDE:
        raise ConfigError(f"Expected an input_size of height and width from {STRIDE} pixels. Received: {input_size}")
    facts = read_facts(dataset, progress) if images else stated_facts(dataset)
    objects = Objects.of(dataset, [one.size for one in facts])
    learned = objects[_can_be_learned(dataset, objects, facts)]
    layout = layout_of(learned, input_size)
    findings = [
        *_hopeless(dataset, facts, learned),
        *image_problems(dataset, facts),
        *misread(dataset, objects),
        *box_problems(dataset, objects),
        *class_problems(dataset, objects),
        *keypoint_problems(dataset, objects),
        *cell_problems(dataset, learned, layout),
    ]
    counts = class_counts(dataset, objects, learned, layout)
    return CheckReport(
        dataset, input_size, worst_first(findings), counts, figures(dataset, learned, layout), images_read=images
    )


def _can_be_learned(dataset: Dataset, objects: Objects, facts: Sequence[ImageFacts]) -> np.ndarray:
    """Which objects have a known class, a box with a place in their image, and an image that can be read."""
    readable = np.array([one.failure is None and one.size is not None for one in facts], bool)
    known = (objects.class_ids >= 0) & (objects.class_ids < len(dataset.class_names))
    clipped = objects.boxes.clip(0, np.tile(objects.sizes, 2))
    return np.asarray(readable[objects.images] & known & ~objects.ignore & is_sound(clipped, objects.sizes))


def _hopeless(dataset: Dataset, facts: Sequence[ImageFacts], learned: Objects) -> list[Problem]:
    """Why nothing at all can be learned, if nothing can."""
    reasons = {
        "no image": not len(dataset),
        "no readable image": all(one.failure for one in facts),
        "no class": not dataset.class_names,
        "no object": not len(learned),
    }
    first = next((kind for kind, there in reasons.items() if there), None)
    return [problem(first, 0)] if first else []
