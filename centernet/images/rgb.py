"""Images of every mode and arrays of every shape as uint8 `(height, width, 3)` RGB."""

from __future__ import annotations

import numpy as np
from PIL import Image

from centernet.errors import SourceError


def rgb_from_pil(image: Image.Image) -> np.ndarray:
    """Convert a PIL image of any mode to RGB.

    Transparent pixels are composited on white, as viewers do; their hidden colors are often garbage.
    16-bit gray is scaled from 0–65535. 32-bit integers up to 255 are unchanged, up to 65535 they are scaled as 16-bit.
    Floating point of 0–1 is scaled, of 0–255 unchanged. Other 32-bit ranges are stretched to 0–255.

    Args:
        image: The image, at least 1x1.

    Returns:
        uint8 `(height, width, 3)` RGB; may be read-only.

    Raises:
        SourceError: A floating-point image has NaN or infinite pixels.
    """
    if image.mode.startswith(("I", "F")):
        return _gray_to_rgb(_to_8_bits(np.asarray(image)))
    if image.has_transparency_data:
        image = _on_white(image)
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def rgb_from_array(array: np.ndarray) -> np.ndarray:
    """Check an array and convert it to RGB.

    Args:
        array: uint8 of shape (height, width, 3) RGB, (height, width) or (height, width, 1) gray, or
            (height, width, 4) RGBA, which is composited on white.

    Returns:
        uint8 `(height, width, 3)`; the same memory if it is RGB already.

    Raises:
        SourceError: The array is not such an image; the message describes it and how to convert it.
    """
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or not array.size or channels not in (1, 3, 4):
        raise SourceError(
            "expected a uint8 RGB array of shape (height, width, 3) with values 0–255. "
            f"Received: {_describe(array)}. {_advice(array)}"
        )
    if channels == 3:
        return array
    if channels == 4:
        return np.asarray(_on_white(Image.fromarray(np.ascontiguousarray(array))))
    return _gray_to_rgb(array.reshape(array.shape[:2]))


def _on_white(image: Image.Image) -> Image.Image:
    rgba = image.convert("RGBA")
    white = Image.new("RGBA", rgba.size, "white")
    return Image.alpha_composite(white, rgba).convert("RGB")


def _gray_to_rgb(gray: np.ndarray) -> np.ndarray:
    return np.repeat(gray[..., None], 3, axis=2)


def _to_8_bits(gray: np.ndarray) -> np.ndarray:
    if gray.dtype.kind == "f" and not np.isfinite(gray).all():
        raise SourceError("expected finite pixels. Received: NaN or infinity. Replace them: np.nan_to_num(...)")
    black, white = _gray_range(gray)
    scaled = (gray.astype(np.float64) - black) * (255 / ((white - black) or 1))
    return (scaled + 0.5).astype(np.uint8)


def _gray_range(gray: np.ndarray) -> tuple[float, float]:
    """Return the values that become black and white."""
    if gray.dtype.itemsize == 2:
        return 0.0, 65535.0
    low, high = float(gray.min()), float(gray.max())
    common = (1.0, 255.0) if gray.dtype.kind == "f" else (255.0, 65535.0)
    return next(((0.0, white) for white in common if low >= 0 and high <= white), (low, high))


def _describe(array: np.ndarray) -> str:
    text = f"{array.dtype} of shape {array.shape}"
    if not array.size or array.dtype.kind not in "iufb":
        return text
    nans = int(np.isnan(array).sum()) if array.dtype.kind == "f" else 0
    known = array[~np.isnan(array)] if nans else array
    span = f", values {known.min():.6g} to {known.max():.6g}" if known.size else ""
    return text + span + (f", {nans} of them NaN" if nans else "")


def _advice(array: np.ndarray) -> str:
    """Say how to convert an array that is not an image."""
    channels_last = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3, 4))
    if not array.size:
        return "It has no pixels."
    if array.ndim == 4:
        return "Pass a batch as a list: list(batch)."
    if array.ndim == 3 and array.shape[0] in (1, 3, 4) and not channels_last:
        return "Channels come last: image.transpose(1, 2, 0)."
    if not channels_last:
        return "Pass one image with 1, 3 or 4 channels last."
    if array.dtype.kind not in "iufb":
        return "Pass numbers."
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return "Remove NaN and infinity at their source, and scale the image to 0–255."
    return f"Convert it: {_conversion(array)}."


def _conversion(array: np.ndarray) -> str:
    if array.dtype == bool:
        return "image.astype(np.uint8) * 255"
    low, high = array.min(), array.max()
    if array.dtype.kind == "f" and low >= -1 and high <= 1:
        return "(image * 255).astype(np.uint8)" if low >= 0 else "((image + 1) * 127.5).astype(np.uint8)"
    if low >= 0 and high <= 255:
        return "image.astype(np.uint8)"
    if low >= 0 and high <= 65535 and array.dtype.kind != "f":
        return "(image // 257).astype(np.uint8)"
    return "scale it to 0–255, then image.astype(np.uint8)"
