"""The self-check of a training: whether a detector can learn a few photos by heart."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

from centernet.data.dataset import Dataset
from centernet.errors import TrainingError
from centernet.evaluation import evaluate
from centernet.training.augmentation.settings import AugmentationSettings
from centernet.training.fit import fit
from centernet.training.settings import TrainingSettings

GOOD = 0.9
ROUNDS = 6
EPOCHS = 60  # of each round
logger = logging.getLogger("centernet")


def overfit(
    detector: Any, dataset: Dataset, count: int, settings: TrainingSettings, verbose: str | int = "auto"
) -> float:
    """Train on a few photos, unchanged, until the detector finds what is in them.

    Args:
        detector: The detector; it is spoiled for anything else afterwards.
        dataset: Where the photos come from: the first ones with objects.
        count: How many.
        settings: Of the training; augmentation is off, and the learning rate constant.
        verbose: See `keras.Model.fit`.

    Returns:
        AP on these photos, above 0.9.

    Raises:
        TrainingError: If it stays below, or no photo has an object: the message says what is wrong with the data, as
            far as it can be seen.
    """
    classes = len(dataset.class_names)
    few = dataset[[index for index, sample in enumerate(dataset) if sample.learnable(classes).any()][:count]]
    if not len(few):
        raise TrainingError(f"Expected photos with objects in {dataset.name}. Found: none. {_suspicion(dataset)}")
    settings = dataclasses.replace(
        settings,
        epochs=EPOCHS,
        batch_size=min(settings.batch_size, len(few)),
        schedule="constant",
        augmentation=AugmentationSettings(),
        ema=None,
        evaluate_every=0,
    )
    ap = 0.0
    for number in range(ROUNDS):
        fit(detector, few, settings=settings, verbose=verbose)
        ap = evaluate(detector, few).ap
        logger.info("AP %.3f on the %d photos after %d epochs.", ap, len(few), EPOCHS * (number + 1))
        if ap > GOOD:
            return ap
        settings = dataclasses.replace(settings, warmup=0.0)
    raise TrainingError(
        f"The detector can't learn {len(few)} photos of {few.name} by heart: AP {ap:.3f} after {EPOCHS * ROUNDS} "
        f"epochs, expected above {GOOD}. {_suspicion(few)}"
    )


def _suspicion(dataset: Dataset) -> str:
    problems = dataset.check().problems
    if problems:
        return "What is wrong with these photos: " + "; ".join(map(str, problems[:3])) + "."
    return "Nothing is wrong with these photos as such; try a larger input or another learning rate."
