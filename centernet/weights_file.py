"""Weights in Keras's `.weights.h5` files: read strictly, stored in another precision."""

from __future__ import annotations

import math
import os
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from centernet.errors import CheckpointError

OPTIMIZER = "optimizer"  # what Keras calls an optimizer's part of the file
SHAPES_SHOWN = 4
# What HDF5 and Keras raise for files that are damaged or another network's.
UNREADABLE = (OSError, ValueError, KeyError, TypeError, RuntimeError)


def load_weights(detector: Any, path: Path) -> None:
    """Set the weights from a `.weights.h5` file, every one of them.

    Raises:
        CheckpointError: If the file is damaged or belongs to another network.
    """
    try:
        _check_shapes(detector, path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras warns of each part that is missing, and then fails
            detector.load_weights(path)
    except CheckpointError:
        raise
    except UNREADABLE as error:
        reason = str(error).partition("List of objects")[0].strip()
        raise CheckpointError(
            f"The weights {path} are damaged or don't fit {detector.config.name}. Keras says: {reason}"
        ) from error


def convert_weights(path: Path, dtype: str) -> None:
    """Rewrite the values of a `.weights.h5` file in another precision, and leave out those of an optimizer.

    A tensor with values beyond the range of that precision stays as it is.
    """
    import h5py

    smaller = path.with_suffix(".part")
    with h5py.File(path) as old, h5py.File(smaller, "w") as new:

        def convert(name: str, item: Any) -> None:
            if name.split("/")[0] == OPTIMIZER:
                return
            if isinstance(item, h5py.Dataset):
                values = item[()]
                with np.errstate(over="ignore"):
                    converted = values.astype(dtype) if values.dtype == np.float32 else values
                fits = np.array_equal(np.isfinite(converted), np.isfinite(values))
                new.create_dataset(name, data=converted if fits else values)
            else:
                new.require_group(name)
            new[name].attrs.update(item.attrs)

        old.visititems(convert)
    os.replace(smaller, path)


def _check_shapes(detector: Any, path: Path) -> None:
    """Compare the shapes in a file with the detector's: Keras ignores what a file holds beside them."""
    import h5py

    found: Counter[tuple[int, ...]] = Counter()

    def count(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and name.split("/")[0] != OPTIMIZER:
            found[item.shape] += 1

    with h5py.File(path) as file:
        file.visititems(count)
    wanted = Counter(tuple(variable.shape) for variable in detector.variables)
    if found != wanted:
        raise CheckpointError(
            f"The weights {path} belong to another model than {detector.config.name}: they hold {found.total()} "
            f"tensors, expected {wanted.total()}. Only in the file: {_some(found - wanted)}; only in the model: "
            f"{_some(wanted - found)}. Load them with the description they were saved with."
        )


def _some(shapes: Counter[tuple[int, ...]]) -> str:
    listed = sorted(shapes.elements(), key=math.prod, reverse=True)
    more = f" and {len(listed) - SHAPES_SHOWN} more" if len(listed) > SHAPES_SHOWN else ""
    return ", ".join(map(str, listed[:SHAPES_SHOWN])) + more or "none"
