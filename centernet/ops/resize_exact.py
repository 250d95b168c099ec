"""OpenCV's bilinear resize of uint8 images, bit for bit (NumPy): what both PyTorch references scale images with."""

from __future__ import annotations

import numpy as np

from centernet.errors import SourceError

WEIGHT_BITS = 11  # of the fixed-point weights


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
