"""A contact sheet of augmented images: what a network sees in training."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from PIL import Image

from centernet.data.batches.loader import Batches
from centernet.data.check.report import SHEET
from centernet.data.check.sheet import compose, draw_tile
from centernet.data.dataset import Dataset
from centernet.data.sample import Sample
from centernet.files.formatting import pluralize
from centernet.training.augmentation.augmentation import Augmentation
from centernet.training.augmentation.settings import AugmentationSettings


def draw_augmented(
    dataset: Dataset,
    settings: AugmentationSettings,
    input_size: tuple[int, int],
    *,
    load_size: tuple[int, int] | None = None,
    sampling: Any = "legacy",
    max_objects: int | None = None,
    count: int = SHEET,
    seed: int = 0,
) -> Image.Image:
    """Draw the first images of a training run.

    Args:
        dataset: The dataset; all of its images are readable.
        settings: The augmentation.
        input_size: Height and width of the network's input in pixels.
        load_size: Height and width of the canvas that images are read to; None for the input size.
        sampling: `sampling` of the detector's `Preprocessing`.
        max_objects: See `TrainingSettings`.
        count: Maximum number of images. They are one batch, from which mosaics and mixed images are made.
        seed: Seed of the order and of the augmentation.

    Returns:
        The sheet, RGB.

    Raises:
        ConfigError: If images with keypoints are flipped, and the dataset doesn't define how keypoints are swapped.
        SourceError: If no image can be read.
    """
    size = load_size or input_size
    batches = Batches(dataset, size, min(count, len(dataset)), seed=seed, sampling=sampling, max_objects=max_objects)
    flip = dataset.keypoints.flip if dataset.keypoints else ()
    augment = Augmentation(settings, input_size, flip, sampling)
    tensors = augment(batches[0], keras.random.SeedGenerator(seed))
    batch = {name: keras.ops.convert_to_numpy(values) for name, values in tensors.items()}
    names = [str(dataset[index].image_id) for index in batches.order(0)]
    return compose([_tile(batch, row, dataset, names[row]) for row in range(len(batch["images"]))])


def _tile(batch: dict[str, np.ndarray], row: int, dataset: Dataset, name: str) -> Image.Image:
    valid = batch["class_ids"][row] >= 0
    boxes, class_ids, ignore = (batch[key][row][valid] for key in ("boxes", "class_ids", "ignore"))
    keypoints = batch["keypoints"][row][valid] if "keypoints" in batch else None
    image = np.rint(batch["images"][row].clip(0, 255)).astype(np.uint8)
    caption = f"{name} · {pluralize(len(boxes), 'object')} · {image.shape[1]}x{image.shape[0]}"
    return draw_tile(image, Sample(image, boxes, class_ids, name, keypoints, ignore), dataset, caption)
