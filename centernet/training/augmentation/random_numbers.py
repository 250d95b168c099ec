"""The random numbers of one batch."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

COLUMNS = 48  # numbers for each photo, more than are asked for


class Draws:
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
