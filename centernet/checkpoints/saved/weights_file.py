"""The weights of a saved detector: an HDF5 file with one tensor per variable, named by the variable's path.

Files of `keras.Model.save_weights` are read as well. Keras names tensors by layer classes and matches them by walking
through every attribute of every layer, which takes longer than reading them.
"""

from __future__ import annotations

import math
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

import h5py
import numpy as np

from centernet.errors import CheckpointError

MARK = "centernet_format"
FORMAT = 1
SEPARATOR = "."  # in place of "/", which would make a group of each layer
OPTIMIZER = "optimizer"  # Keras's group of the optimizer
VARIABLES = "vars"  # Keras's group of a layer's tensors
SHOWN = 4
MAX_BYTES = 8  # of a number; no backend takes long doubles
Tensor = tuple[str, tuple[int, ...]]  # name and shape
ALIGNMENT = 64  # bytes, of tensors that TensorFlow takes without copying
# Raised by HDF5 and Keras for files that are damaged or of another network.
UNREADABLE = (OSError, ValueError, KeyError, TypeError, RuntimeError)


def write_weights(detector: Any, path: Path, dtype: str = "float32") -> None:
    """Write the weights of a detector, without those of an optimizer; LoRA updates are merged into their kernels.

    Args:
        detector: The detector.
        path: The file.
        dtype: Precision; tensors with values beyond its range keep their own.
    """
    import keras

    lora = [layer for layer in detector._flatten_layers() if getattr(layer, "lora_enabled", False)]
    merged = {id(layer._kernel): layer.kernel for layer in lora}
    updates = {id(variable) for layer in lora for variable in (layer.lora_kernel_a, layer.lora_kernel_b)}
    with h5py.File(path, "w") as file:
        file.attrs[MARK] = FORMAT
        for name, variable in _by_name(detector).items():
            if id(variable) in updates:
                continue
            values = np.asarray(keras.ops.convert_to_numpy(merged.get(id(variable), variable)))
            file.create_dataset(name, data=_converted(values, dtype) if values.dtype == np.float32 else values)


class Place(NamedTuple):
    """Place of a tensor in a file: its first byte, or None if the values are already read."""

    start: int | None
    values: np.ndarray  # or, with a start, an empty array of the type and shape


def find_weights(path: Path) -> dict[str, Place] | None:
    """The place of each tensor in a file.

    Args:
        path: A `.weights.h5` file.

    Returns:
        Name → place, or None if it is Keras's own form, which `load_weights` reads.

    Raises:
        CheckpointError: If the file is damaged.
    """
    try:
        with h5py.File(path) as file:
            if MARK not in file.attrs:
                return None
            return {name: _place(name, dataset) for name, dataset in file.items()}
    except UNREADABLE as error:
        raise _damaged(path, error) from error


def read_weights(path: Path, places: dict[str, Place] | None) -> dict[str, Any] | None:
    """Read the tensors at their places in a file, as tensors of the backend.

    Reads without HDF5 and without holding Python's lock, so that another thread can build the network meanwhile.

    Raises:
        CheckpointError: If the file has become shorter.
    """
    if places is None:
        return None
    with path.open("rb", buffering=0) as file:
        return {name: _tensor(_read(file, path, *place)) for name, place in places.items()}


def load_weights(detector: Any, path: Path, tensors: dict[str, Any] | None = None) -> None:
    """Set all weights from a `.weights.h5` file of this library or of Keras.

    Args:
        detector: The detector.
        path: The file.
        tensors: Result of `read_weights`, if the file was read already; it is emptied.

    Raises:
        CheckpointError: If the file is damaged or belongs to another network. The detector is unchanged then.
    """
    tensors = tensors or read_weights(path, find_weights(path))
    if tensors is None:
        _load_keras(detector, path)
        return
    variables = _by_name(detector)
    tensors = _matched_names(detector, tensors, variables)
    wanted = {name: tuple(variable.shape) for name, variable in variables.items()}
    _compare(detector, path, {(name, tuple(value.shape)) for name, value in tensors.items()}, set(wanted.items()))
    for name, variable in variables.items():
        variable.assign(tensors.pop(name))
    detector.refresh()


def _place(name: str, dataset: Any) -> Place:
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in "fiu" or dataset.dtype.itemsize > MAX_BYTES:
        raise TypeError(f"{name} holds no numbers of at most {MAX_BYTES} bytes.")
    start = dataset.id.get_offset()
    if start is None:  # empty, or not in one piece
        return Place(None, dataset[()])
    return Place(start, _aligned(dataset.dtype, dataset.shape))


def _aligned(dtype: np.dtype[Any], shape: tuple[int, ...]) -> np.ndarray:
    """An uninitialized array, aligned so that TensorFlow can use it without copying."""
    size = dtype.itemsize * math.prod(shape)
    room = np.empty(size + ALIGNMENT, np.uint8)
    first = -room.ctypes.data % ALIGNMENT
    return room[first : first + size].view(dtype).reshape(shape)


def _read(file: IO[bytes], path: Path, start: int | None, values: np.ndarray) -> np.ndarray:
    if start is None:
        return values
    file.seek(start)
    left = values.reshape(-1).view(np.uint8).data
    while left:
        count = file.readinto(left)  # type: ignore[attr-defined] # of a raw file
        if not count:
            raise CheckpointError(f"The weights {path} are damaged: the file ends before all tensors are read.")
        left = left[count:]
    return values


def _tensor(values: np.ndarray) -> Any:
    """The values as a tensor of the backend, without copying where possible."""
    import keras

    takes = keras.backend.backend() == "tensorflow" and values.dtype.isnative and values.ctypes.data % ALIGNMENT == 0
    if not takes:
        return keras.ops.convert_to_tensor(values)
    import tensorflow as tf

    return tf.experimental.dlpack.from_dlpack(values.__dlpack__())


def _by_name(detector: Any) -> dict[str, Any]:
    variables = {variable.path.replace("/", SEPARATOR): variable for variable in detector.variables}
    assert len(variables) == len(detector.variables), "two variables have one path"
    return variables


def _matched_names(detector: Any, tensors: dict[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
    """The tensors under the names of the variables, if only the numbers in Keras's automatic layer names differ.

    Keras numbers unnamed layers of a class (`conv2d`, `conv2d_1`) by their order in the process, so a network that is
    built twice has other numbers the second time.
    """
    if tensors.keys() == variables.keys():
        return tensors
    words = r"(?<=[a-z])(?=[A-Z])|(?<=.)(?=[A-Z][a-z])"  # Conv2DTranspose is conv2d_transpose
    kinds = sorted({re.sub(words, "_", type(layer).__name__).lower() for layer in detector._flatten_layers()})
    automatic = re.compile(f"({'|'.join(kinds)})(?:_([0-9]+))?")
    ours, theirs = _ranked(variables, automatic), _ranked(tensors, automatic)
    return {ours[name]: tensors[theirs[name]] for name in ours} if ours.keys() == theirs.keys() else tensors


def _ranked(names: Iterable[str], automatic: re.Pattern[str]) -> dict[str, str]:
    """Name with the rank of each automatic layer name in place of its number → name."""
    split = {name: name.split(SEPARATOR) for name in names}
    matches = {part: match for parts in split.values() for part in parts if (match := automatic.fullmatch(part))}
    ranks: Counter[str] = Counter()
    ranked = {}
    for part, match in sorted(matches.items(), key=lambda item: int(item[1][2] or 0)):
        ranked[part] = f"{match[1]} {ranks[match[1]]}"
        ranks[match[1]] += 1
    return {SEPARATOR.join(ranked.get(part, part) for part in parts): name for name, parts in split.items()}


def _converted(values: np.ndarray, dtype: str) -> np.ndarray:
    with np.errstate(over="ignore"):
        converted = values.astype(dtype)
    return converted if np.array_equal(np.isfinite(converted), np.isfinite(values)) else values


def _load_keras(detector: Any, path: Path) -> None:
    """Load a file of Keras's form. Keras itself would ignore surplus tensors."""
    import keras

    try:
        found = _keras_tensors(path)
        wanted = [(variable.path.split("/")[-2], tuple(variable.shape)) for variable in detector.variables]
        # Layer names may differ: Keras matches layers by class and order.
        if Counter(shape for _, shape in found) != Counter(shape for _, shape in wanted):
            _compare(detector, path, *(_numbered(tensors) for tensors in (found, wanted)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras warns about each missing part, and then fails
            keras.Model.load_weights(detector, path)
    except CheckpointError:
        raise
    except UNREADABLE as error:
        raise _damaged(path, error) from error
    detector.refresh()


def _keras_tensors(path: Path) -> list[Tensor]:
    """Layer name and shape of each tensor in a file of Keras's form."""
    found: list[Tensor] = []

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and name.split("/")[0] != OPTIMIZER:
            layer = item.parent.attrs.get("name", name.rpartition(f"/{VARIABLES}/")[0])
            found.append((str(layer), item.shape))

    with h5py.File(path) as file:
        file.visititems(note)
    return found


def _numbered(tensors: Iterable[Tensor]) -> set[Tensor]:
    """Number repeated tensors of one layer and shape: `name`, `name #2` and so on."""
    seen: Counter[Tensor] = Counter()
    numbered = set()
    for layer, shape in tensors:
        seen[layer, shape] += 1
        number = seen[layer, shape]
        numbered.add((f"{layer} #{number}" if number > 1 else layer, shape))
    return numbered


def _compare(detector: Any, path: Path, found: set[Tensor], wanted: set[Tensor]) -> None:
    if found != wanted:
        raise CheckpointError(
            f"The weights {path} belong to another model than {detector.config.name}: they have {len(found)} tensors, "
            f"expected {len(wanted)}. Only in the file: {_some(found - wanted)}; only in the model: "
            f"{_some(wanted - found)}. Load them with the description they were saved with."
        )


def _some(tensors: Iterable[Tensor]) -> str:
    listed = sorted(tensors, key=lambda tensor: (-math.prod(tensor[1]), tensor))
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return ", ".join(f"{name} {shape}" for name, shape in listed[:SHOWN]) + more or "none"


def _damaged(path: Path, error: Exception) -> CheckpointError:
    if path.is_file() and not h5py.is_hdf5(path):
        return CheckpointError(
            f"The weights {path} are damaged: expected an HDF5 file, as save_weights writes it. Received: a file of "
            f"{path.stat().st_size} bytes of another kind. Get it again."
        )
    reason = str(error).partition("List of objects")[0].strip()
    return CheckpointError(f"The weights {path} are damaged or don't fit. The error of reading them: {reason}")
