"""Windows: the part of an image that a canvas shows, by scale, position and orientation of each axis."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import keras
from keras import ops

from centernet.ops.resize import fitted_sizes
from centernet.training.settings import AugmentationSettings

PARTS = 4  # of a mosaic
CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))  # part → whether it lies below and to the right of the cut
CUT = (0.25, 0.75)  # where on the canvas the parts of a mosaic meet, as in YOLOv4's (Bochkovskiy 2020)
COLUMNS = 48  # numbers for each photo, more than are asked for


class Windows(NamedTuple):
    """What each canvas shows. It has one part, or four that meet in a point.

    The last axis, where it is 2 long, is y and x. Lengths in a photo are pixels of the batch that was loaded, with
    pixel edges: a photo begins at 0 and ends at its size.

    Attributes:
        sources: Index of the part's photo in the batch, int32 `(batch, parts)`.
        sizes: Height and width of that photo, float32 `(batch, parts, 2)`.
        mirrored: Whether it is mirrored along each axis first, bool `(batch, parts, 2)`.
        starts: Where in the mirrored photo the canvas begins, float32 `(batch, parts, 2)`.
        ratios: How many pixels of the photo one of the canvas is, float32 `(batch, parts, 2)`.
        low: Where on the canvas the part begins, float32 `(batch, parts, 2)`, whole pixels.
        high: Where it ends, likewise; a part may be empty.
    """

    sources: Any
    sizes: Any
    mirrored: Any
    starts: Any
    ratios: Any
    low: Any
    high: Any


def draw_windows(settings: AugmentationSettings, draws: RandomNumbers, sizes: Any, canvas: tuple[int, int]) -> Windows:
    """One window for each photo.

    Args:
        settings: How photos are changed.
        draws: Random numbers; five are taken.
        sizes: Height and width of each photo, int32 `(batch, 2)`.
        canvas: Height and width of the canvas.

    Returns:
        The windows; without changes the whole photo, fitted to the canvas as a detector does.
    """
    scale, places, mirrored = _zoom(settings, draws(1, 1)), draws(1, 2), _mirrored(settings, draws(1, 2))
    ratios, sizes = (values[:, None] for values in (_fitted_ratios(sizes, canvas), ops.cast(sizes, "float32")))
    starts = ops.zeros_like(ratios)
    if settings.moves:
        ratios = ratios * scale
        centers = sizes * (0.5 + settings.shift * (2 * places - 1))
        starts = centers - ratios * _floats(canvas) / 2
    sources = ops.arange(ops.shape(sizes)[0], dtype="int32")[:, None]
    high = ops.zeros_like(ratios) + _floats(canvas)
    return Windows(sources, sizes, mirrored, starts, ratios, ops.zeros_like(ratios), high)


def draw_mosaics(settings: AugmentationSettings, draws: RandomNumbers, sizes: Any, canvas: tuple[int, int]) -> Windows:
    """Four windows for each canvas: of its own photo, and of three that are drawn from the batch.

    Each lies anywhere in its photo; where it is larger than the photo, the photo lies anywhere in it.

    Args:
        settings: How photos are changed.
        draws: Random numbers; 25 are taken.
        sizes: Height and width of each photo, int32 `(batch, 2)`.
        canvas: Height and width of the canvas.
    """
    scale, places, mirrored = _zoom(settings, draws(PARTS, 1)), draws(PARTS, 2), _mirrored(settings, draws(PARTS, 2))
    sources = _sources(draws(PARTS - 1))
    ratios, sizes = (
        ops.take(values, sources, axis=0) for values in (_fitted_ratios(sizes, canvas), ops.cast(sizes, "float32"))
    )
    ratios = ratios * scale
    whole, beyond = _floats(canvas), _floats(CORNERS)
    cuts = ops.floor(whole * (CUT[0] + (CUT[1] - CUT[0]) * draws(1, 2)))
    low, high = cuts * beyond, cuts + (whole - cuts) * beyond
    starts = places * (sizes - (high - low) * ratios) - low * ratios
    return Windows(sources, sizes, mirrored, starts, ratios, low, high)


def choose(use: Any, mosaics: Windows, plain: Windows) -> Windows:
    """Mosaics for some canvases, and windows of one part for the others, whose parts but the first are empty.

    Args:
        use: Which are mosaics, bool `(batch,)`.
        mosaics: Four parts for each canvas.
        plain: One part for each.
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
    """Pixels of a photo for one of the canvas that holds all of it, as `Preprocessing` fits it."""
    return ops.cast(sizes, "float32") / ops.cast(fitted_sizes(sizes, canvas), "float32")


def _sources(numbers: Any) -> Any:
    """The photo itself, and one of the batch for each number."""
    batch = ops.shape(numbers)[0]
    own = ops.arange(batch, dtype="int32")[:, None]
    return ops.concatenate([own, ops.cast(numbers * ops.cast(batch, "float32"), "int32")], axis=1)


class RandomNumbers:
    """Numbers from 0 to 1 (without 1), evenly distributed, handed out in order.

    All come from one call of the generator, each photo has its own, and they are asked for whether or not a change is
    on: so turning one on leaves the others as they were.
    """

    def __init__(self, batch: Any, seed: Any) -> None:
        """Draw the numbers.

        Args:
            batch: Number of photos.
            seed: A `keras.random.SeedGenerator`, which moves on by one, an int, or a pair of ints, such as a seed
                and a step, or a tensor of them.
        """
        generator = seed if isinstance(seed, int | keras.random.SeedGenerator) else _Pair(seed)
        self._table = keras.random.uniform((batch, COLUMNS), seed=generator, dtype="float32")
        self._taken = 0

    def __call__(self, *shape: int) -> Any:
        """The next numbers, float32 `(batch, *shape)`."""
        first, self._taken = self._taken, self._taken + math.prod(shape)
        return ops.reshape(self._table[:, first : self._taken], (-1, *shape))


class _Pair(keras.random.SeedGenerator):
    """A generator without state: it always gives the pair that it was made of."""

    def __init__(self, pair: Any) -> None:
        self._pair = pair

    def next(self, ordered: bool = True) -> Any:
        dtype = "uint32" if keras.backend.backend() == "jax" else "int64"  # what each backend's generator takes
        return ops.stack([ops.cast(self._pair[index], dtype) for index in (0, 1)])
