"""A contact sheet of what a network sees in training: batches of a dataset, changed at random."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from centernet.data.check.report import SHEET
from centernet.data.dataset import Dataset
from centernet.files.formatting import pluralize
from centernet.training.augmentation.settings import AugmentationSettings

if TYPE_CHECKING:
    from PIL import Image

# What the published models of the highest resolution were trained with.
PUBLISHED = AugmentationSettings(
    horizontal_flip=0.5,
    crop=(0.6, 1.3),
    shift=0.3,
    brightness=0.2,
    contrast=(0.8, 1.25),
    saturation=(0.8, 1.25),
    hue=0.02,
)


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
    """Draw the first images of a training.

    Args:
        dataset: The dataset; all of its images can be read.
        settings: How images are changed.
        input_size: Height and width of the network's input.
        load_size: Height and width of the canvas that images are read to; None for the input size.
        sampling: Of the detector's `Preprocessing`.
        max_objects: See `TrainingSettings`.
        count: How many images, at most; they are one batch, out of which mosaics and mixtures are made.
        seed: Of the order and of all that is drawn.

    Returns:
        The sheet, RGB.

    Raises:
        ConfigError: If photos with keypoints are to be mirrored, and the dataset doesn't say how.
        SourceError: If no image can be read.
    """
    import keras

    from centernet.data.batches.loader import Batches
    from centernet.data.check.sheet import compose
    from centernet.training.augmentation import Augmentation

    batches = Batches(
        dataset,
        load_size or input_size,
        min(count, len(dataset)),
        seed=seed,
        sampling=sampling,
        max_objects=max_objects,
    )
    flip = dataset.keypoints.flip if dataset.keypoints else ()
    augment = Augmentation(settings, input_size, flip, sampling)
    changed = augment(batches[0], keras.random.SeedGenerator(seed))
    batch = {name: keras.ops.convert_to_numpy(values) for name, values in changed.items()}
    names = [str(dataset[index].image_id) for index in batches.order(0)]
    return compose([_tile(batch, row, dataset, names[row]) for row in range(len(batch["images"]))])


def _tile(batch: dict[str, np.ndarray], row: int, dataset: Dataset, name: str) -> Image.Image:
    from centernet.data.check.sheet import draw_tile
    from centernet.data.sample import Sample

    there = batch["class_ids"][row] >= 0
    boxes, class_ids, ignore = (batch[key][row][there] for key in ("boxes", "class_ids", "ignore"))
    keypoints = batch["keypoints"][row][there] if "keypoints" in batch else None
    image = np.rint(batch["images"][row].clip(0, 255)).astype(np.uint8)
    caption = f"{name} · {pluralize(len(boxes), 'object')} · {image.shape[1]}x{image.shape[0]}"
    return draw_tile(image, Sample(image, boxes, class_ids, name, keypoints, ignore), dataset, caption)
