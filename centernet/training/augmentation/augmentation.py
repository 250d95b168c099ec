"""Augmentation of batches on the device, mosaic and mixup included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from keras import ops

from centernet.errors import ConfigError
from centernet.ops.resize import Sampling
from centernet.training.augmentation.color import change_colors
from centernet.training.augmentation.objects import (
    choose_objects,
    count_objects,
    first_objects,
    place_objects,
    seen_sizes,
    transpose,
)
from centernet.training.augmentation.sampling import CHANNELS, resample
from centernet.training.augmentation.windows import RandomNumbers, Windows, choose, draw_mosaics, draw_windows
from centernet.training.settings import AugmentationSettings

SHARE = (0.4, 0.6)  # weight of a canvas in its mixture, about that of YOLOX


class Augmentation:
    """Augments images and their objects, each with its own random numbers, and resizes them to the network's input.

    Pure `keras.ops` without state. Each pixel is resampled once, from the loaded image. Without changes
    (`AugmentationSettings()`) the result equals that of `Preprocessing` before normalization.

    Example:
        ```python
        augment = Augmentation(AugmentationSettings(horizontal_flip=0.5, crop=(0.6, 1.3), shift=0.3), (320, 320))
        batch = augment(batch, keras.random.SeedGenerator(0))
        x = detector.config.preprocessing.normalize(batch["images"])
        ```
    """

    def __init__(
        self,
        settings: AugmentationSettings,
        output_size: tuple[int, int],
        flip: Sequence[int] = (),
        sampling: Sampling = "legacy",
    ) -> None:
        """Make an augmentation.

        Args:
            settings: The changes and their ranges.
            output_size: Height and width of the network's input.
            flip: `KeypointTask.flip`: index of the keypoint that each one becomes in a mirrored image.
            sampling: `Preprocessing.sampling`.

        Raises:
            ConfigError: If `flip` is not a permutation, or a canvas to transpose is not square.
        """
        if settings.transpose > 0 and len(set(output_size)) > 1:
            raise ConfigError(f"Expected a square canvas to transpose. Received: {tuple(output_size)} and transpose.")
        if sorted(flip) != list(range(len(flip))):
            raise ConfigError(f"Expected flip to have each index of a keypoint once. Received: {list(flip)}")
        self.settings = settings
        self.output_size = output_size
        self._flip = tuple(flip)
        self._sampling = sampling

    def __call__(self, batch: Mapping[str, Any], seed: Any) -> dict[str, Any]:
        """Augment a batch.

        Boxes are clipped to the visible part of the image; `AugmentationSettings.cut_objects` decides which remain. A
        mosaic or mixture with more objects than the batch has slots is not used.

        Args:
            batch: `images` uint8 `(batch, height, width, 3)`, RGB, padded at the bottom and right; `sizes` int32
                `(batch, 2)`, height and width of the photos; `boxes` float32 `(batch, n, 4)`, `x0 y0 x1 y1` in pixels;
                `class_ids` int32 `(batch, n)`, -1 for no object; `ignore` bool `(batch, n)`; optionally `keypoints`
                float32 `(batch, n, k, 3)`, `x y visibility`. Further entries are returned unchanged.
            seed: A `keras.random.SeedGenerator`, an int, or a pair of ints such as a seed and a step. The same seed
                gives the same result on the same backend.

        Returns:
            The same names: `images` float32 `(batch, *output_size, 3)` from 0 to 255, 0 outside the images; `sizes`
            without the padding at the bottom and right; objects in pixels of these images.

        Raises:
            ConfigError: If images with keypoints can be mirrored but `flip` has another number of keypoints.
        """
        self._check_keypoints(batch)
        numbers = RandomNumbers(ops.shape(batch["sizes"])[0], seed)
        windows = draw_windows(self.settings, numbers, batch["sizes"], self.output_size)
        # Drawn before optional changes, so that enabling those doesn't alter these numbers.
        colors, mixture, transposed = numbers(4), numbers(3), numbers()
        objects = self._place(batch, windows)
        if self.settings.mosaic > 0:
            windows, objects = self._mosaics(batch, numbers, windows, objects)
        pixels, inside = resample(batch["images"], windows, self.output_size, self._sampling)
        pixels = change_colors(self.settings, colors, pixels, inside)
        sizes = seen_sizes(windows, self.output_size)
        if self.settings.mixup > 0:
            pixels, sizes, objects = mix(self.settings.mixup, mixture, pixels, sizes, objects)
        images = ops.reshape(pixels, (-1, *self.output_size, CHANNELS))
        if self.settings.transpose > 0:
            images, sizes, objects = transpose(transposed < self.settings.transpose, images, sizes, objects, self._flip)
        return {**batch, "images": images, "sizes": sizes, **objects}

    def _place(self, batch: Mapping[str, Any], windows: Windows) -> dict[str, Any]:
        return place_objects(batch, windows, self._flip, self.settings.cut_objects)

    def _mosaics(
        self, batch: Mapping[str, Any], numbers: RandomNumbers, plain: Windows, objects: dict[str, Any]
    ) -> tuple[Windows, dict[str, Any]]:
        """Use mosaics for randomly chosen canvases, if their objects fit into the slots."""
        slots = batch["class_ids"].shape[1]
        wanted = numbers() < self.settings.mosaic
        mosaics = draw_mosaics(self.settings, numbers, batch["sizes"], self.output_size)
        placed = self._place(batch, mosaics)
        use = wanted & (count_objects(placed) <= slots)
        return choose(use, mosaics, plain), choose_objects(use, first_objects(placed, slots), objects)

    def _check_keypoints(self, batch: Mapping[str, Any]) -> None:
        if "keypoints" in batch:
            check_flip(self.settings, self._flip, batch["keypoints"].shape[2])


def check_flip(settings: AugmentationSettings, flip: Sequence[int], count: int) -> None:
    """Check that mirrored photos of `count` keypoints know which keypoint becomes which.

    Raises:
        ConfigError: If photos may be mirrored, and `flip` is that of another number of keypoints.
    """
    if settings.mirrors and len(flip) != count:
        raise ConfigError(
            f"Expected the flip of {count} keypoints, because photos are mirrored: which of them is left and which "
            f"right. Received: {list(flip) or 'none'}. Give it in the dataset's keypoints, or set "
            "horizontal_flip, vertical_flip and transpose to 0."
        )


def mix(
    probability: float, numbers: Any, pixels: Any, sizes: Any, objects: dict[str, Any]
) -> tuple[Any, Any, dict[str, Any]]:
    """Blend canvases with others of the batch (mixup), if the objects of both fit into the slots.

    Args:
        probability: Probability of mixing a canvas.
        numbers: Random numbers `(batch, 3)`.
        pixels: float32 `(batch, ...)`.
        sizes: int32 `(batch, 2)`.
        objects: See `place_objects`, `(batch, n, ...)`.

    Returns:
        The last three, mixed.
    """
    wanted, which, share = (numbers[:, column] for column in range(3))
    slots = objects["class_ids"].shape[1]
    partner, other = _partners(which)
    both = {name: ops.concatenate([x, ops.take(x, partner, axis=0)], axis=1) for name, x in objects.items()}
    use = (wanted < probability) & other & (count_objects(both) <= slots)
    share = ops.where(use, SHARE[0] + (SHARE[1] - SHARE[0]) * share, 1.0)[:, None, None]
    pixels = pixels * share + ops.take(pixels, partner, axis=0) * (1 - share)
    sizes = ops.where(use[:, None], ops.maximum(sizes, ops.take(sizes, partner, axis=0)), sizes)
    return pixels, sizes, choose_objects(use, first_objects(both, slots), objects)


def _partners(numbers: Any) -> tuple[Any, Any]:
    """Index of another canvas for each canvas, and whether there is one."""
    batch = ops.shape(numbers)[0]
    others = ops.cast(batch - 1, "float32")
    step = 1 + ops.cast(numbers * others, "int32")
    own = ops.arange(batch, dtype="int32")
    partner = (own + step) % batch
    return partner, partner != own
