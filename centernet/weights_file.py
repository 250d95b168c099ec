"""The weights of a saved detector: an HDF5 file with one tensor a variable, named by the variable's path.

Files that `keras.Model.save_weights` wrote are read as well. They name tensors by the classes of layers and are found
by walking through every attribute of every layer, which takes longer than reading them; so that isn't our own form.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
from keras import ops

from centernet.errors import CheckpointError

MARK = "centernet_format"
FORMAT = 1
SEPARATOR = "."  # in place of "/", which would make a group of each layer
OPTIMIZER = "optimizer"  # what Keras calls an optimizer's part of its files
SHOWN = 4
# What HDF5 and Keras raise for files that are damaged or another network's.
UNREADABLE = (OSError, ValueError, KeyError, TypeError, RuntimeError)


def write_weights(detector: Any, path: Path, dtype: str = "float32") -> None:
    """Write the weights of a detector, without those of an optimizer.

    Args:
        detector: The detector.
        path: The file.
        dtype: Precision; a tensor with values beyond its range keeps its own.
    """
    with h5py.File(path, "w") as file:
        file.attrs[MARK] = FORMAT
        for name, variable in _by_name(detector).items():
            values = np.asarray(ops.convert_to_numpy(variable))
            file.create_dataset(name, data=_converted(values, dtype) if values.dtype == np.float32 else values)


def map_weights(path: Path) -> dict[str, np.ndarray] | None:
    """All tensors of a file, mapped into memory: they are read when they are used.

    Args:
        path: A `.weights.h5` file.

    Returns:
        Name → array, or None if it is Keras's own form, which `load_weights` reads.

    Raises:
        CheckpointError: If the file is damaged.
    """
    try:
        with h5py.File(path) as file:
            if MARK not in file.attrs:
                return None
            content = np.memmap(path, np.uint8, "r")
            return {name: _mapped(name, dataset, content) for name, dataset in file.items()}
    except UNREADABLE as error:
        raise _damaged(path, error) from error


def read_weights(mapped: dict[str, np.ndarray] | None) -> dict[str, Any] | None:
    """Read mapped tensors to where the backend has its own; this may be another thread, since HDF5 plays no part."""
    return mapped and {name: ops.convert_to_tensor(values) for name, values in mapped.items()}


def load_weights(detector: Any, path: Path, tensors: dict[str, Any] | None = None) -> None:
    """Set the weights from a `.weights.h5` file of either form, every one of them.

    Args:
        detector: The detector.
        path: The file.
        tensors: What `read_weights` gave, if the file was read already; it is emptied.

    Raises:
        CheckpointError: If the file is damaged or belongs to another network. The detector is unchanged then.
    """
    tensors = tensors or map_weights(path)
    if tensors is None:
        _load_keras(detector, path)
        return
    variables = _by_name(detector)
    wanted = {name: tuple(variable.shape) for name, variable in variables.items()}
    _compare(detector, path, {(name, tuple(value.shape)) for name, value in tensors.items()}, set(wanted.items()))
    for name, variable in variables.items():
        variable.assign(tensors.pop(name))
    detector.refresh()


def _mapped(name: str, dataset: Any, content: np.ndarray) -> np.ndarray:
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in "fiu":
        raise TypeError(f"{name} holds no numbers.")
    start = dataset.id.get_offset()
    if start is None:  # empty, or not in one piece
        return dataset[()]
    return content[start : start + dataset.nbytes].view(dataset.dtype).reshape(dataset.shape)


def _by_name(detector: Any) -> dict[str, Any]:
    variables = {variable.path.replace("/", SEPARATOR): variable for variable in detector.variables}
    assert len(variables) == len(detector.variables), "two variables have one path"
    return variables


def _converted(values: np.ndarray, dtype: str) -> np.ndarray:
    with np.errstate(over="ignore"):
        converted = values.astype(dtype)
    return converted if np.array_equal(np.isfinite(converted), np.isfinite(values)) else values


def _load_keras(detector: Any, path: Path) -> None:
    """Load a file of Keras's form; Keras itself ignores what it holds beside the wanted."""
    try:
        found = Counter(_keras_shapes(path))
        wanted = Counter(tuple(variable.shape) for variable in detector.variables)
        _compare(detector, path, *(_numbered(shapes) for shapes in (found, wanted)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras warns of each part that is missing, and then fails
            keras.Model.load_weights(detector, path)
    except CheckpointError:
        raise
    except UNREADABLE as error:
        raise _damaged(path, error) from error
    detector.refresh()


def _keras_shapes(path: Path) -> list[tuple[int, ...]]:
    shapes: list[tuple[int, ...]] = []

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and name.split("/")[0] != OPTIMIZER:
            shapes.append(item.shape)

    with h5py.File(path) as file:
        file.visititems(note)
    return shapes


def _numbered(shapes: Mapping[tuple[int, ...], int]) -> set[tuple[str, tuple[int, ...]]]:
    """Tensors without names, told apart by numbers."""
    return {(f"#{number}", shape) for shape, count in shapes.items() for number in range(count)}


def _compare(detector: Any, path: Path, found: set[Any], wanted: set[Any]) -> None:
    if found != wanted:
        raise CheckpointError(
            f"The weights {path} belong to another model than {detector.config.name}: they hold {len(found)} tensors, "
            f"expected {len(wanted)}. Only in the file: {_some(found - wanted)}; only in the model: "
            f"{_some(wanted - found)}. Load them with the description they were saved with."
        )


def _some(tensors: Iterable[tuple[str, tuple[int, ...]]]) -> str:
    listed = sorted(tensors, key=lambda tensor: (-math.prod(tensor[1]), tensor))
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return ", ".join(f"{name} {shape}" for name, shape in listed[:SHOWN]) + more or "none"


def _damaged(path: Path, error: Exception) -> CheckpointError:
    reason = str(error).partition("List of objects")[0].strip()
    return CheckpointError(f"The weights {path} are damaged or don't fit. What reading them says: {reason}")
