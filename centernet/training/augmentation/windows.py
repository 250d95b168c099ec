"""Windows: the part of an image that a canvas shows, by scale, position and orientation of each axis."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import keras
from keras import ops

from centernet.ops.resize import fitted_sizes
from centernet.training.settings import AugmentationSettings

PARTS = 4  # of a mosaic
CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))  # part → whether it is below and to the right of the cut
CUT = (0.25, 0.75)  # range of the cut, relative to the canvas, as in YOLOv4 (Bochkovskiy 2020)
COLUMNS = 48  # random numbers per image, more than are needed


class Windows(NamedTuple):
    """The part of an image that each canvas shows; in a mosaic, four parts that meet in a point.

    A last axis of length 2 is `y x`. Positions in an image are pixels of the loaded batch, with pixel edges: an image
    extends from 0 to its size.

    Attributes:
        sources: Index of the part's image in the batch, int32 `(batch, parts)`.
        sizes: Height and width of that image, float32 `(batch, parts, 2)`.
        mirrored: Whether it is first mirrored along each axis, bool `(batch, parts, 2)`.
        starts: Position of the canvas's origin in the mirrored image, float32 `(batch, parts, 2)`.
        ratios: Pixels of the image per pixel of the canvas, float32 `(batch, parts, 2)`.
        low: Start of the part on the canvas, float32 `(batch, parts, 2)`, whole pixels.
        high: End of the part, likewise; a part may be empty.
    """

    sources: Any
    sizes: Any
    mirrored: Any
    starts: Any
    ratios: Any
    low: Any
    high: Any


def draw_windows(
    settings: AugmentationSettings, numbers: RandomNumbers, sizes: Any, canvas: tuple[int, int]
) -> Windows:
    """A random window for each image.

    Args:
        settings: The changes and their ranges.
        numbers: Random numbers; uses five.
        sizes: Height and width of each image, int32 `(batch, 2)`.
        canvas: Height and width of the canvas.

    Returns:
        The windows; without changes the whole image, fitted to the canvas as in detection.
    """
    scale, places, mirrored = _zoom(settings, numbers(1, 1)), numbers(1, 2), _mirrored(settings, numbers(1, 2))
    ratios, sizes = (values[:, None] for values in (_fitted_ratios(sizes, canvas), ops.cast(sizes, "float32")))
    starts = ops.zeros_like(ratios)
    if settings.moves:
        ratios = ratios * scale
        centers = sizes * (0.5 + settings.shift * (2 * places - 1))
        starts = centers - ratios * _floats(canvas) / 2
    sources = ops.arange(ops.shape(sizes)[0], dtype="int32")[:, None]
    high = ops.zeros_like(ratios) + _floats(canvas)
    return Windows(sources, sizes, mirrored, starts, ratios, ops.zeros_like(ratios), high)


def draw_mosaics(
    settings: AugmentationSettings, numbers: RandomNumbers, sizes: Any, canvas: tuple[int, int]
) -> Windows:
    """Four windows for each canvas: of its own image, and of three random images of the batch.

    Each has a random position in its image, or, if it is larger than the image, the image in it.

    Args:
        settings: The changes and their ranges.
        numbers: Random numbers; uses 25.
        sizes: Height and width of each image, int32 `(batch, 2)`.
        canvas: Height and width of the canvas.
    """
    scale, places, mirrored = (
        _zoom(settings, numbers(PARTS, 1)),
        numbers(PARTS, 2),
        _mirrored(settings, numbers(PARTS, 2)),
    )
    sources = _sources(numbers(PARTS - 1))
    ratios, sizes = (
        ops.take(values, sources, axis=0) for values in (_fitted_ratios(sizes, canvas), ops.cast(sizes, "float32"))
    )
    ratios = ratios * scale
    whole, beyond = _floats(canvas), _floats(CORNERS)
    cuts = ops.floor(whole * (CUT[0] + (CUT[1] - CUT[0]) * numbers(1, 2)))
    low, high = cuts * beyond, cuts + (whole - cuts) * beyond
    starts = places * (sizes - (high - low) * ratios) - low * ratios
    return Windows(sources, sizes, mirrored, starts, ratios, low, high)


def choose(use: Any, mosaics: Windows, plain: Windows) -> Windows:
    """Mosaics for some canvases, and one part (plus three empty ones) for the rest.

    Args:
        use: Canvases with a mosaic, bool `(batch,)`.
        mosaics: Four parts per canvas.
        plain: One part per canvas.
    """
    plain = plain._replace(high=plain.high * _floats([[1], [0], [0], [0]]))

    def chosen(mosaic: Any, other: Any) -> Any:
        return ops.where(ops.reshape(use, (-1, *[1] * (len(mosaic.shape) - 1))), mosaic, other)

    return Windows(*map(chosen, mosaics, plain))


def _floats(values: Any) -> Any:
    return ops.convert_to_tensor(values, dtype="float32")


def _zoom(settings: AugmentationSettings, numbers: Any) -> Any:
    low, high = settings.crop
    return low + (high - low) * numbers


def _mirrored(settings: AugmentationSettings, numbers: Any) -> Any:
    return numbers < _floats((settings.vertical_flip, settings.horizontal_flip))


def _fitted_ratios(sizes: Any, canvas: tuple[int, int]) -> Any:
    """Pixels of an image per pixel of the canvas that contains all of it, as `Preprocessing` fits it."""
    return ops.cast(sizes, "float32") / ops.cast(fitted_sizes(sizes, canvas), "float32")


def _sources(numbers: Any) -> Any:
    """Index of the image itself, and of one image of the batch per number."""
    batch = ops.shape(numbers)[0]
    own = ops.arange(batch, dtype="int32")[:, None]
    return ops.concatenate([own, ops.cast(numbers * ops.cast(batch, "float32"), "int32")], axis=1)


class RandomNumbers:
    """Uniform random numbers in [0, 1), returned in order.

    All come from one call of the generator; each image has its own. Callers take them whether or not a change is
    enabled, so that enabling one doesn't alter the others.
    """

    def __init__(self, batch: Any, seed: Any) -> None:
        """Draw the numbers.

        Args:
            batch: Number of photos.
            seed: A `keras.random.SeedGenerator`, which advances by one; an int; or a pair (or tensor) of ints, such
                as a seed and a step.
        """
        generator = seed if isinstance(seed, int | keras.random.SeedGenerator) else _Pair(seed)
        self._table = keras.random.uniform((batch, COLUMNS), seed=generator, dtype="float32")
        self._taken = 0

    def __call__(self, *shape: int) -> Any:
        """The next numbers, float32 `(batch, *shape)`."""
        first, self._taken = self._taken, self._taken + math.prod(shape)
        return ops.reshape(self._table[:, first : self._taken], (-1, *shape))


class _Pair(keras.random.SeedGenerator):
    """A generator without state, which always returns the same pair."""

    def __init__(self, pair: Any) -> None:
        self._pair = pair

    def next(self, ordered: bool = True) -> Any:
        dtype = "uint32" if keras.backend.backend() == "jax" else "int64"  # what each backend's generator takes
        return ops.stack([ops.cast(self._pair[index], dtype) for index in (0, 1)])
