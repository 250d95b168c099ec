"""Reading PyTorch's weight files with neither PyTorch nor the execution of what they hold."""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from centernet.checkpoints.pytorch.container import Place, damaged, is_pytorch_file, read_contents, reading
from centernet.checkpoints.pytorch.records import STORAGE_TYPES, StoredTensor, shown
from centernet.errors import CheckpointError

__all__ = ["PyTorchCheckpoint", "is_pytorch_file"]

STATE_DICT = "state_dict"
PREFIX = "module."  # added to every key by DataParallel
# What state dicts hold that is no weight of the network, and what training saves beside them.
BESIDE_THE_MODEL = (
    (re.compile(r"(^|\.)num_batches_tracked$"), "counter of batch normalization"),
    (re.compile(r"^(base\.)?fc\.(weight|bias)$"), "ImageNet classifier of the trunk"),
)
OUTER_REASONS = {"epoch": "counter", "iteration": "counter", "step": "counter", "optimizer": "optimizer state"}
_CHUNK = 1 << 20


class PyTorchCheckpoint:
    """A state dict saved by `torch.save`, bare or as the `state_dict` of a dict, opened for reading.

    Only the description of the tensors is read at once; each tensor is read from the file when it is asked for.

    Attributes:
        prefix: Path of the file.
        shapes: Key, without a leading `module.` → shape, in the order of the file.
        form: What kind of file it is, in words.
        stripped: What was before every key: `"module."` or nothing.
        outer: Keys beside the state dict (`epoch`, `optimizer`); `beside_the_model` has a reason for each.
    """

    def __init__(self, path: Path) -> None:
        """Open the file.

        Args:
            path: A legacy stream or a zip archive, whatever its suffix.

        Raises:
            CheckpointError: If it is missing, damaged or truncated, is no PyTorch file, or asks for anything but
                plain tensors. Nothing that it holds is executed.
        """
        self.prefix = path
        contents = read_contents(path)
        self.form = contents.form
        self._places = contents.places
        state, self.outer = _state_dict(contents.root, path)
        self.stripped = PREFIX if state and all(key.startswith(PREFIX) for key in state) else ""
        self._tensors = {key.removeprefix(self.stripped): tensor for key, tensor in state.items()}
        self.shapes = {key: tensor.shape for key, tensor in self._tensors.items()}
        self._verified: set[str] = set()

    def read(self, key: str) -> np.ndarray:
        """Read a tensor from the file.

        Args:
            key: A key of `shapes`.

        Returns:
            A contiguous array of the caller's own; float16 and bfloat16 become float32.

        Raises:
            CheckpointError: If there is no such key, or the file is damaged or was changed since it was opened.
        """
        if key not in self._tensors:
            raise CheckpointError(f"The PyTorch file {self.prefix} has no tensor {key!r}.")
        tensor = self._tensors[key]
        numbers = self._numbers(tensor)
        # Steps along axes of length 1 are never taken, and may be anything.
        steps = [s * numbers.itemsize if n > 1 else 0 for n, s in zip(tensor.shape, tensor.strides, strict=True)]
        array = np.lib.stride_tricks.as_strided(numbers, tensor.shape, steps)
        return _decoded(np.asarray(array, order="C"), tensor.storage.kind)

    def beside_the_model(self, key: str) -> str | None:
        """Why a key of `shapes` or `outer` is no weight of the network, or None if it should be one."""
        if key in self.outer:
            return OUTER_REASONS.get(key, "entry beside the state dict")
        return next((why for pattern, why in BESIDE_THE_MODEL if pattern.search(key)), None)

    def _numbers(self, tensor: StoredTensor) -> np.ndarray:
        """The elements from the first of a tensor to its last, as they are in the file."""
        place = self._places[tensor.storage.key]
        numbers = np.empty(tensor.reach, STORAGE_TYPES[tensor.storage.kind])
        with reading(self.prefix), self.prefix.open("rb") as file:
            whole = numbers.nbytes == place.bytes
            if place.crc is not None and not whole and tensor.storage.key not in self._verified:
                self._verify(tensor.storage.key, place, _checksum(file, place))
            file.seek(place.start + tensor.offset * numbers.itemsize)
            if file.readinto(numbers.view(np.uint8).data) != numbers.nbytes:
                raise damaged(self.prefix, "it became shorter while it was read")
            if whole:
                self._verify(tensor.storage.key, place, zlib.crc32(numbers.data))
        return numbers

    def _verify(self, key: str, place: Place, crc: int) -> None:
        if place.crc is not None and crc != place.crc:
            raise damaged(self.prefix, f"storage {shown(key)} has another checksum")
        self._verified.add(key)


def _state_dict(root: Any, path: Path) -> tuple[dict[str, StoredTensor], tuple[str, ...]]:
    """The state dict in what a file describes, and the keys beside it."""
    state, outer = root, tuple[str, ...]()
    if isinstance(root, dict) and isinstance(root.get(STATE_DICT), dict):
        state, outer = root[STATE_DICT], tuple(str(key) for key in root if key != STATE_DICT)
    if not isinstance(state, dict):
        raise CheckpointError(f"Expected a state dict in {path}. Received: a {type(state).__name__}.")
    others = [shown(str(key)) for key, tensor in state.items() if not _is_weight(key, tensor)]
    if others:
        raise CheckpointError(
            f"Expected a state dict in {path}: names of tensors, or a dict that holds it as {STATE_DICT!r}. "
            f"Received: {len(others)} of {len(state)} entries that are no tensors ({', '.join(others[:8])})."
        )
    return state, outer


def _is_weight(key: Any, tensor: Any) -> bool:
    return isinstance(key, str) and isinstance(tensor, StoredTensor)


def _checksum(file: Any, place: Place) -> int:
    crc, left = 0, place.bytes
    file.seek(place.start)
    while left and (chunk := file.read(min(left, _CHUNK))):
        crc, left = zlib.crc32(chunk, crc), left - len(chunk)
    return crc


def _decoded(array: np.ndarray, kind: str) -> np.ndarray:
    # Arithmetic on arrays without axes gives NumPy's scalars, hence asarray.
    if kind == "torch.BFloat16Storage":
        return np.asarray(array.astype(np.uint32) << np.uint32(16)).view(np.float32)
    if kind == "torch.HalfStorage":
        return array.astype(np.float32)
    return np.asarray(array != 0) if kind == "torch.BoolStorage" else array
