"""From uint8 images of any size to the float32 batch that a network was trained on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from centernet.errors import ConfigError, SourceError
from centernet.files.validation import check_types, to_plain
from centernet.ops.boxes import reverse
from centernet.ops.namespace import namespace
from centernet.ops.resize import Sampling, fitted_sizes, resize_to_canvas

ORIGINAL_STEP = 128  # the hourglass needs multiples of it, or one less
# Pixels of a batch on a CPU, four images of 256×256: more of them, or larger ones, are no faster together.
CPU_PIXELS = 2**18
SHAPE_STEP = 128  # compilers that specialize on shapes get image batches in steps of this many pixels
SMALLEST_CANVAS = 64  # pixels a side of a canvas that follows its images: a smaller one has too few cells for peaks


class Placement(NamedTuple):
    """Where images lie on a canvas.

    `sizes` is the height and width that each has there, `offsets` the row and column where it starts, both in
    pixels of the canvas, int32 `(batch, 2)`.
    """

    sizes: Any
    offsets: Any


@dataclass(frozen=True)
class Preprocessing:
    """How images become the input of a network; it belongs to the weights and is saved with them.

    An image is scaled to fit the canvas and keep its aspect ratio, put at its top left, padded with zeros at
    the bottom and right, and then normalized (so the padding is not zero afterwards).

    Attributes:
        size: Height and width of the canvas in pixels.
        channels: Order of the channels that the network expects; images come as RGB.
        mean: Subtracted from each channel, in that order.
        std: Divides each channel after that.
        fit: `"canvas"` as above. `"original"` (both PyTorch references): an image keeps its size and lies in the
            middle of a canvas that is rounded up from it; `size` is what the network was trained at.
        step: What such a canvas is a multiple of, or one less if `size` is; a power of 2.
        sampling: Where the bilinear resize reads its pixels; see `centernet.ops.resize.sample_positions`.
    """

    size: tuple[int, int]
    channels: Literal["rgb", "bgr"] = "rgb"
    mean: tuple[float, float, float] = (127.5, 127.5, 127.5)
    std: tuple[float, float, float] = (127.5, 127.5, 127.5)
    sampling: Sampling = "legacy"
    fit: Literal["canvas", "original"] = "canvas"
    step: int = ORIGINAL_STEP

    def __post_init__(self) -> None:
        """Check the values and make the sequences tuples."""
        check_types(self)
        for field in ("size", "mean", "std"):
            object.__setattr__(self, field, tuple(to_plain(list(getattr(self, field)))))
        if min(self.size) < 1 or min(self.std) <= 0:
            raise ConfigError(
                f"Expected a positive size and std of preprocessing. Received: size={self.size}, std={self.std}"
            )
        if self.step < 1 or self.step & (self.step - 1):
            raise ConfigError(f"Expected a step of preprocessing that is a power of 2. Received: step={self.step}")
        if self.fit == "original" and self._less() not in ((0, 0), (1, 1)):
            raise ConfigError(
                f"Expected a size of preprocessing with fit='original' that is a multiple of {self.step}, or one less "
                f"on both sides. Received: size={self.size}"
            )

    def canvas(self, sizes: np.ndarray) -> tuple[int, int]:
        """Height and width of the network's input for a batch.

        Args:
            sizes: Height and width of each image in pixels, `(batch, 2)`.

        Returns:
            `size`, or with `fit="original"` the largest height and width, rounded up as `step` says. What is a
            multiple of `step` already gets one more of them, as in Zhou's reference.
        """
        if self.fit == "canvas":
            return self.size
        height, width = (
            max(int(side) | (self.step - 1), SMALLEST_CANVAS - 1) for side in np.asarray(sizes).max(axis=0)
        )
        return (height, width) if self._less() == (1, 1) else (height + 1, width + 1)

    @property
    def smallest_canvas(self) -> tuple[int, int]:
        """Height and width of the smallest input that the network can get."""
        return self.canvas(np.ones((1, 2), np.int32))

    def _less(self) -> tuple[int, int]:
        """How many pixels `size` is short of a multiple of `step`."""
        return -self.size[0] % self.step, -self.size[1] % self.step

    def scaled(self, scale: float, multiple: int) -> Preprocessing:
        """The preprocessing of a pass over images at another scale than that of a plain `detect`.

        Args:
            scale: What the canvas's sides are multiplied by. With `fit="original"` canvases follow the images, which
                are scaled before.
            multiple: What the network's input is a multiple of, or one less, as `size` is; the scaled one is the
                nearest such.

        Returns:
            The preprocessing; the same at scale 1.
        """
        if self.fit == "original":
            return self

        def nearest(side: int) -> int:
            less = -side % multiple
            return max(1, round((side + less) * scale / multiple)) * multiple - less

        return dataclasses.replace(self, size=(nearest(self.size[0]), nearest(self.size[1])))

    def place(self, sizes: Any, canvas: tuple[int, int]) -> Placement:
        """Where on the canvas images come to lie.

        Args:
            sizes: Height and width of each image in pixels, int32 `(batch, 2)`.
            canvas: Height and width of the canvas.
        """
        ops = namespace(sizes)
        if self.fit == "original":
            half = ops.convert_to_tensor([side // 2 for side in canvas], dtype="int32")
            return Placement(sizes, half - sizes // 2)
        return Placement(fitted_sizes(sizes, canvas), ops.zeros_like(sizes))

    def __call__(self, images: Any, sizes: Any, canvas: tuple[int, int] | None = None) -> Any:
        """Resize, pad and normalize a padded batch (pure keras.ops, so it can be compiled and exported).

        Args:
            images: uint8 RGB `(batch, height, width, 3)`; image `i` is its first `sizes[i]` rows and columns.
            sizes: Height and width of each image in pixels, int32 `(batch, 2)`.
            canvas: Height and width of the result; `size` if it is None.

        Returns:
            The network's input, float32 `(batch, *canvas, 3)`.
        """
        canvas = canvas or self.size
        placement = self.place(sizes, canvas)
        return self.normalize(
            resize_to_canvas(images, sizes, placement.sizes, placement.offsets, canvas, self.sampling)
        )

    def normalize(self, pixels: Any) -> Any:
        """Channels in the order that the network expects, less the mean, over the standard deviation.

        Args:
            pixels: RGB from 0 to 255, float32 `(batch, height, width, 3)`, its height and width known.

        Returns:
            The network's input, of the same shape.
        """
        from keras import ops

        _, height, width, _ = pixels.shape
        if self.channels == "bgr":
            pixels = reverse(pixels)
        # Whole rows at a time: broadcasting along three channels is several times slower.
        mean, std = (np.tile(np.asarray(values, np.float32), width) for values in (self.mean, self.std))
        rows = (ops.reshape(pixels, (-1, height, width * 3)) - mean) / std
        return ops.reshape(rows, (-1, height, width, 3))


def collate(images: Sequence[np.ndarray], multiple: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Put images of any sizes into one zero-padded batch.

    Args:
        images: uint8 RGB arrays `(height, width, 3)`.
        multiple: The batch's height and width are rounded up to it, so that a compiler which specializes on
            shapes sees few of them.

    Returns:
        uint8 `(batch, height, width, 3)` and the sizes, int32 `(batch, 2)`.

    Raises:
        SourceError: If there is no image, or one is not a uint8 array of that shape.
    """
    check_images(images)
    sizes = np.array([image.shape[:2] for image in images], np.int32)
    height, width = (-(-side // multiple) * multiple for side in sizes.max(axis=0))
    if len(images) == 1 and images[0].shape[:2] == (height, width):
        return images[0][None], sizes
    batch = np.zeros((len(images), height, width, 3), np.uint8)
    for row, image in zip(batch, images, strict=True):
        row[: image.shape[0], : image.shape[1]] = image
    return batch, sizes


def batches(
    images: Sequence[np.ndarray], canvas: tuple[int, int], *, passes: int = 1
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Images of one canvas as batches for the current backend.

    On a CPU, a batch of large images isn't faster than its images alone, but needs the memory of all of their
    activations: there, a batch has up to `CPU_PIXELS`, or one image.

    Args:
        images: uint8 RGB arrays `(height, width, 3)`.
        canvas: Height and width of the network's input in pixels.
        passes: Inputs of the network that an image becomes.

    Yields:
        See `collate`.
    """
    most = max(1, CPU_PIXELS // (canvas[0] * canvas[1] * passes)) if _is_cpu() else len(images)
    for start in range(0, len(images), most):
        yield collate(images[start : start + most], shape_step())


def check_images(images: Sequence[Any]) -> None:
    """Check that images are uint8 RGB arrays `(height, width, 3)`, and that there is one.

    Raises:
        SourceError: If not.
    """
    if isinstance(images, np.ndarray) and images.ndim == 3:
        raise SourceError(f"Expected several images; give one as [image]. Received: an array of shape {images.shape}.")
    if not len(images):
        raise SourceError("Expected at least one image. Received: an empty batch.")
    for image in images:
        if getattr(image, "dtype", None) != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise SourceError(
                "Expected uint8 RGB images of shape (height, width, 3) with values 0–255. Received: "
                f"dtype {getattr(image, 'dtype', type(image).__name__)}, shape {np.shape(image)}."
            )


def shape_step() -> int:
    """Multiple of the height and width of image batches on the current backend, for `collate`."""
    import keras

    return SHAPE_STEP if keras.backend.backend() == "jax" else 1


def _is_cpu() -> bool:
    """Whether the current backend computes on a CPU."""
    import keras

    if keras.backend.backend() == "torch":
        import torch

        return torch.get_default_device().type == "cpu" and not torch.cuda.is_available()
    return not any(device.startswith(("gpu", "tpu")) for device in keras.distribution.list_devices())
