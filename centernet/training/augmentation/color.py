"""Color augmentation."""

from __future__ import annotations

from typing import Any

from keras import ops

from centernet.training.settings import AugmentationSettings

WHITE = 255.0
SEXTANTS = 6.0  # of the color circle


def change_colors(settings: AugmentationSettings, numbers: Any, pixels: Any, inside: Any) -> Any:
    """Rotate the hue, scale saturation and contrast, and shift the brightness, in the order of the reference.

    (The reference clips after each step, this function once at the end.)

    Args:
        settings: The changes and their ranges.
        numbers: Random numbers `(batch, 4)`.
        pixels: RGB from 0 to 255, float32 `(batch, height, width * 3)`, 0 outside the images.
        inside: 1 inside the images and 0 outside, same shape.

    Returns:
        Pixels, same shape.
    """
    ranges = (
        (-settings.hue, settings.hue),
        settings.saturation,
        settings.contrast,
        (-WHITE * settings.brightness, WHITE * settings.brightness),
    )
    hue, saturation, contrast, brightness = (
        low + (high - low) * numbers[:, column, None, None] for column, (low, high) in enumerate(ranges)
    )
    if settings.turns_colors:
        pixels = turn_colors(pixels, hue, saturation)
    if settings.scales_colors:
        added = _means(pixels, inside) * (1 - contrast) + brightness
        pixels = ops.clip(pixels * contrast + added, 0.0, WHITE) * inside
    return pixels


def turn_colors(pixels: Any, hue: Any, saturation: Any) -> Any:
    """Rotate the hue and scale the saturation (HSV); gray and black don't change.

    Args:
        pixels: RGB of any range, float32 `(batch, height, width * 3)`.
        hue: Rotation of the hue, relative to a full turn, `(batch, 1, 1)`.
        saturation: Factor of the saturation, whose result is at most 1, `(batch, 1, 1)`.
    """
    shape = ops.shape(pixels)
    red, green, blue = ops.unstack(ops.reshape(pixels, (-1, shape[1], shape[2] // 3, 3)), 3, axis=-1)
    value = ops.maximum(ops.maximum(red, green), blue)
    chroma = value - ops.minimum(ops.minimum(red, green), blue)
    scale = 1 / ops.maximum(chroma, 1e-6)
    sextant = ops.where(
        value == red,
        (green - blue) * scale,
        ops.where(value == green, (blue - red) * scale + 2, (red - green) * scale + 4),
    )
    sextant = sextant + hue * SEXTANTS
    sextant = sextant - SEXTANTS * ops.floor(sextant * (1 / SEXTANTS))
    chroma = ops.minimum(chroma * saturation, value)
    # Each channel equals the value in two sextants, value minus chroma in the opposite two, linear in between.
    missing = (2 - ops.abs(sextant - 3), ops.abs(sextant - 2) - 1, ops.abs(sextant - 4) - 1)
    channels = [value - chroma * ops.clip(part, 0.0, 1.0) for part in missing]
    return ops.reshape(ops.stack(channels, axis=-1), shape)


def _means(pixels: Any, inside: Any) -> Any:
    """Mean of each channel over the images of a canvas, `(batch, 1, width * 3)`."""
    width = pixels.shape[2] // 3
    sums, counts = (ops.sum(ops.reshape(ops.sum(x, axis=1), (-1, width, 3)), axis=1) for x in (pixels, inside))
    return ops.tile(sums / ops.maximum(counts, 1.0), (1, width))[:, None]
