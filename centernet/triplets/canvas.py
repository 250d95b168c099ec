"""How an image comes onto the input of Keypoint Triplets: scaled, centered on a canvas of 128 m - 1 (NumPy)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from centernet.errors import ConfigError, SourceError

LOW_BITS = 127  # sides of the canvas have these bits set, so that every halving in the network is symmetric
STRIDE = 4  # pixels of the input to a cell of the output grid
WEIGHT_BITS = 11  # of the fixed-point weights of the resize


@dataclass(frozen=True)
class Canvas:
    """Where an image lies on the network's input; pairs are height, width, in pixels.

    Attributes:
        scale: What the image's sides are multiplied by.
        new_size: Size of the scaled image.
        size: Size of the canvas.
        border: Rows above and columns left of the image.
        lost: Rows at the bottom and columns at the right of the scaled image that are not on the canvas.
    """

    scale: float
    new_size: tuple[int, int]
    size: tuple[int, int]
    border: tuple[int, int]
    lost: tuple[int, int]

    @property
    def output_size(self) -> tuple[int, int]:
        """Height and width of the output grid, in cells."""
        return (self.size[0] + 1) // STRIDE, (self.size[1] + 1) // STRIDE

    @property
    def ratio(self) -> np.ndarray:
        """Cells to a pixel of the canvas, for y and x, float32 `(2,)`; not 1/4: 128 cells are 511 pixels."""
        return np.array([self.output_size[0] / self.size[0], self.output_size[1] / self.size[1]], np.float32)


def fit_canvas(image_size: tuple[int, int], scale: float = 1.0, *, exact: bool = False) -> Canvas:
    """The canvas for an image.

    The network wants sides of 128 m - 1; the scaled image gets the smallest such canvas and lies in its middle.
    Where a side is such a number already, the reference loses the last row (column), because it copies half a
    canvas to either side of the image's middle, and half of 127 is 63. Such an image fills its canvas, so nothing
    has to grow: by default all of it is copied, and the geometry is that of the reference.

    Args:
        image_size: Height and width in pixels.
        scale: What both are multiplied by (rounded down, but to no less than 1).
        exact: Lose what the reference loses.

    Returns:
        The canvas.

    Raises:
        ConfigError: If the size or the scale is not positive.
    """
    if min(image_size) < 1 or not 0 < scale < np.inf:
        raise ConfigError(f"Expected a positive image size and scale. Received: size={image_size}, scale={scale}")
    height, width = (max(int(side * scale), 1) for side in image_size)
    size = height | LOW_BITS, width | LOW_BITS
    border = size[0] // 2 - height // 2, size[1] // 2 - width // 2
    lost = (int(exact and size[0] == height), int(exact and size[1] == width))
    return Canvas(scale, (height, width), size, border, lost)


def place(image: np.ndarray, canvas: Canvas) -> np.ndarray:
    """Scale an image and put it on its canvas; the rest is 0, before any normalization.

    Args:
        image: uint8 `(height, width, channels)`.
        canvas: From `fit_canvas` of its size.

    Returns:
        uint8 `(*canvas.size, channels)`.
    """
    scaled = resize_bilinear(image, canvas.new_size)
    rows, columns = (side - gone for side, gone in zip(canvas.new_size, canvas.lost, strict=True))
    top, left = canvas.border
    placed = np.zeros((*canvas.size, image.shape[2]), np.uint8)
    placed[top : top + rows, left : left + columns] = scaled[:rows, :columns]
    return placed


def resize_bilinear(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize as OpenCV does uint8 images with `INTER_LINEAR`, bit for bit.

    Pixel centers are at halves, there is no antialiasing, and the weights are whole numbers of 1/2048.

    Args:
        image: uint8 `(height, width, channels)`.
        size: New height and width.

    Returns:
        uint8 `(*size, channels)`.

    Raises:
        SourceError: If the image is no such array, or has no pixels.
    """
    if getattr(image, "dtype", None) != np.uint8 or image.ndim != 3 or not image.size:
        raise SourceError(
            "Expected a uint8 image of shape (height, width, channels). Received: "
            f"dtype {getattr(image, 'dtype', type(image).__name__)}, shape {np.shape(image)}."
        )
    if image.shape[:2] == tuple(size):
        return image
    before, after, low, high = _samples(image.shape[1], size[1], clamp=True)
    pixels = image.astype(np.int32)
    # The rounding that the vector instructions of OpenCV lead to: 4 bits are cut, then 16 more a row.
    rows = (pixels[:, before] * low[:, None] + pixels[:, after] * high[:, None]) >> 4
    before, after, low, high = _samples(image.shape[0], size[0], clamp=False)
    low, high = low[:, None, None], high[:, None, None]
    total = ((rows[before] * low) >> 16) + ((rows[after] * high) >> 16)
    return ((total + 2) >> 2).astype(np.uint8)


def _samples(size: int, new_size: int, *, clamp: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """For each new pixel along an axis: the two that it is made of, and their weights in 1/2048.

    Args:
        size: Length of the axis.
        new_size: Its new length.
        clamp: Beyond the first and last pixel, give the whole weight to one (OpenCV does it for columns only;
            for rows it reads the same pixel with both weights, which rounds otherwise).
    """
    position = ((np.arange(new_size) + 0.5) * (1.0 / (new_size / size)) - 0.5).astype(np.float32)
    before = np.floor(position).astype(np.int64)
    fraction = position - before.astype(np.float32)
    if clamp:
        fraction[(before < 0) | (before >= size - 1)] = 0
    one = 1 << WEIGHT_BITS
    low, high = (np.rint(weight * np.float32(one)).astype(np.int32) for weight in (1 - fraction, fraction))
    return before.clip(0, size - 1), (before + 1).clip(0, size - 1), low, high
