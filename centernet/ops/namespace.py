"""Where the functions of an array are: `keras.ops` for tensors, the same functions on NumPy alone for its arrays."""

from __future__ import annotations

from typing import Any

import numpy as np


def namespace(array: Any) -> Any:
    """`keras.ops` for a tensor of the current backend; for a NumPy array NumPy, with what it lacks of them."""
    if isinstance(array, np.ndarray):
        return NUMPY
    from keras import ops

    return ops


def is_torch(array: Any) -> bool:
    """Whether an array is one of PyTorch, which has no slices with negative steps and orders ties arbitrarily."""
    if isinstance(array, np.ndarray):
        return False
    import keras

    return bool(keras.backend.backend() == "torch")


class _NumPy:
    """NumPy with the functions of `keras.ops` that the decoders need and it lacks."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    @staticmethod
    def cast(x: Any, dtype: str) -> np.ndarray:
        return np.asarray(x).astype(dtype)

    @staticmethod
    def convert_to_tensor(x: Any, dtype: str | None = None) -> np.ndarray:
        return np.asarray(x, dtype)

    @staticmethod
    def sigmoid(x: np.ndarray) -> np.ndarray:
        return np.exp(-np.logaddexp(0, -x))

    @staticmethod
    def max_pool(x: np.ndarray, pool_size: int, *, strides: int, padding: str, data_format: str) -> np.ndarray:
        """Maxima over windows around each cell of `(batch, height, width, channels)`."""
        if (pool_size % 2, strides, padding, data_format) != (1, 1, "same", "channels_last"):
            raise NotImplementedError("Windows around each cell are all that decoders need.")
        for axis in (1, 2):
            border = [(pool_size // 2,) * 2 if place == axis else (0, 0) for place in range(4)]
            padded = np.pad(x, border, constant_values=-np.inf)
            x = np.lib.stride_tricks.sliding_window_view(padded, pool_size, axis=axis).max(axis=-1)
        return x

    @staticmethod
    def top_k(x: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        index = np.argsort(-x, axis=-1, kind="stable")[..., :k]
        return np.take_along_axis(x, index, axis=-1), index.astype(np.int32)


NUMPY = _NumPy()
