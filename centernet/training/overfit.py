"""Self-check of a training: whether a detector can overfit a few images."""

from __future__ import annotations

import dataclasses
import logging

from centernet.data.dataset import Dataset
from centernet.errors import TrainingError
from centernet.evaluation import evaluate
from centernet.models.network import Network
from centernet.training.fit import fit
from centernet.training.settings import AugmentationSettings, TrainingSettings

GOOD = 0.9
ROUNDS = 6
EPOCHS = 60  # per round
logger = logging.getLogger("centernet")


def overfit(
    detector: Network, dataset: Dataset, count: int, settings: TrainingSettings, verbose: str | int = "auto"
) -> float:
    """Train on a few images without augmentation until the detector detects their objects.

    Args:
        detector: The detector; it is useless for anything else afterwards.
        dataset: Source of the images: the first ones with objects.
        count: Number of images.
        settings: Settings of the training; augmentation is off and the learning rate constant.
        verbose: See `keras.Model.fit`.

    Returns:
        AP on these images, above 0.9.

    Raises:
        TrainingError: If it stays below, or no image has an object; the message names problems of the data.
    """
    classes = len(dataset.class_names)
    few = dataset[[index for index, sample in enumerate(dataset) if sample.learnable(classes).any()][:count]]
    if not len(few):
        raise TrainingError(f"Expected images with objects in {dataset.name}. Received: none. {_suspicion(dataset)}")
    settings = dataclasses.replace(
        settings,
        epochs=EPOCHS,
        steps=None,
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
        logger.info("AP %.3f on the %d images after %d epochs.", ap, len(few), EPOCHS * (number + 1))
        if ap > GOOD:
            return ap
        settings = dataclasses.replace(settings, warmup=0.0)
    raise TrainingError(
        f"The detector can't overfit {len(few)} images of {few.name}: AP {ap:.3f} after {EPOCHS * ROUNDS} epochs, "
        f"expected above {GOOD}. {_suspicion(few)}"
    )


def _suspicion(dataset: Dataset) -> str:
    problems = dataset.check().problems
    if problems:
        return "Problems of these images: " + "; ".join(map(str, problems[:3])) + "."
    return "The check of these images shows no problem; try a larger input or another learning rate."
