"""Sets a detector's weights from a PyTorch file of either reference implementation, strictly."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from centernet.checkpoints.pytorch.container import Place, damaged, is_pytorch_file, read_contents, reading
from centernet.checkpoints.pytorch.names import VARIABLES, Source, head_source, layer_source
from centernet.checkpoints.pytorch.recognize import recognize_pytorch, refuse_unloadable
from centernet.checkpoints.pytorch.records import STORAGE_TYPES, StoredTensor, shown
from centernet.checkpoints.report import LoadReport
from centernet.errors import CheckpointError
from centernet.models.triplets.pooling import REFERENCE_NAMES

NAMES_SHOWN = 8
BRANCHES = {"top_left": "tl", "bottom_right": "br", "center": "ct"}
KINDS = {"": "heats", "_embedding": "tags", "_offset": "regrs"}
__all__ = ["PyTorchCheckpoint", "is_pytorch_file"]
STATE_DICT = "state_dict"
PREFIX = "module."  # added to every key by DataParallel
# Entries of state dicts that are not weights of the network, and other content of training files.
BESIDE_THE_MODEL = (
    (re.compile(r"(^|\.)num_batches_tracked$"), "counter of batch normalization"),
    (re.compile(r"^(base\.)?fc\.(weight|bias)$"), "ImageNet classifier of the trunk"),
)
OUTER_REASONS = {"epoch": "counter", "iteration": "counter", "step": "counter", "optimizer": "optimizer state"}
_CHUNK = 1 << 20


def load_pytorch(detector: Any, checkpoint: PyTorchCheckpoint) -> LoadReport:
    """Set every variable of a detector from a PyTorch file; PyTorch itself isn't needed, and nothing is executed.

    Args:
        detector: A `TripletDetector`, or a `PointDetector` of Zhou's architectures.
        checkpoint: The file.

    Returns:
        The tensors used and left over.

    Raises:
        CheckpointError: If the file is damaged or belongs to another network. The detector is unchanged then.
    """
    refuse_unloadable(checkpoint.shapes, checkpoint.prefix)
    wanted = list(_wanted(detector))
    _check(detector, checkpoint, wanted)
    left_over = _left_over(detector, checkpoint, {source.key for _, source, _ in wanted})
    for _, source, variable in wanted:
        variable.assign(source.array(checkpoint.read(source.key)))
    return LoadReport(str(checkpoint.prefix), checkpoint.form, tuple(source.key for _, source, _ in wanted), left_over)


def triplet_source(layer: str, path: str) -> Source:
    """The source of a variable of a triplet detector's pooling module or head.

    Args:
        layer: `{branch}_{stack}_pooling`, or a head such as `top_left_embedding_0` or `center_0_hidden`.
        path: Path of the variable; its last part is the variable, the one before a part of the module.

    Returns:
        Its source.

    Raises:
        KeyError: If there is none.
    """
    *_, part, variable = path.split("/")
    if match := re.fullmatch(r"(top_left|bottom_right|center)_(\d+)_pooling", layer):
        return Source(f"{BRANCHES[match[1]]}_cnvs.{match[2]}.{REFERENCE_NAMES[part]}.{VARIABLES[variable]}")
    match = re.fullmatch(r"(top_left|bottom_right|center)(_embedding|_offset)?_(\d+)(_hidden)?", layer)
    if not match:
        raise KeyError(layer)
    branch, kind, stack, hidden = match.groups()
    place = "0.conv" if hidden else "1"
    return Source(f"{BRANCHES[branch]}_{KINDS[kind or '']}.{stack}.{place}.{VARIABLES[variable]}")


def _wanted(detector: Any) -> Iterator[tuple[str, Source, Any]]:
    """Every variable of the detector: its name here, its source in the file, the variable."""
    config = detector.config
    hourglass = config.backbone["name"].startswith("hourglass")
    try:
        for layer in detector.backbone.layers:
            for variable in layer.weights:
                yield f"{layer.name}/{variable.name}", layer_source(layer.name, variable.name), variable
        for layer in detector.layers:
            for variable in layer.weights if layer is not detector.backbone else ():
                if config.family == "triplets":
                    source = triplet_source(layer.name, variable.path)
                else:
                    channels = variable.shape[-1]
                    source = head_source(layer.name, variable.name, channels, hourglass=hourglass)
                yield f"{layer.name}/{variable.name}", source, variable
    except KeyError as error:
        raise CheckpointError(
            f"No PyTorch weights were published for {config.backbone['name']} with {config.family} heads (layer "
            f"{error}). Load them into one of the models that they belong to."
        ) from error


def _check(detector: Any, checkpoint: PyTorchCheckpoint, wanted: list[Any]) -> None:
    """Compare names and shapes; the error names what doesn't fit."""
    shapes = checkpoint.shapes
    missing = [name for name, source, _ in wanted if source.key not in shapes]
    misfits = [
        f"{name} is {tuple(variable.shape)} here and {source.shape(shapes[source.key])} in the file"
        for name, source, variable in wanted
        if source.key in shapes and source.shape(shapes[source.key]) != tuple(variable.shape)
    ]
    problems = []
    if missing:
        problems.append(f"{len(missing)} of {len(wanted)} variables are not in it: {_some(missing)}")
    if misfits:
        problems.append(f"{len(misfits)} have another shape: {_some(misfits)}")
    if problems:
        raise _mismatch(detector, checkpoint, ". ".join(problems))


def _left_over(detector: Any, checkpoint: PyTorchCheckpoint, used: set[str]) -> dict[str, str]:
    """Why each tensor that was not taken was left; one without a reason is an error."""
    rest = [key for key in (*checkpoint.shapes, *checkpoint.outer) if key not in used]
    reasons = {key: checkpoint.beside_the_model(key) for key in rest}
    unexplained = [key for key, reason in reasons.items() if reason is None]
    if unexplained:
        raise _mismatch(
            detector, checkpoint, f"It holds {len(unexplained)} tensors that have no place: {_some(unexplained)}"
        )
    return {key: reason for key, reason in reasons.items() if reason}


def _mismatch(detector: Any, checkpoint: PyTorchCheckpoint, problem: str) -> CheckpointError:
    config = detector.config
    return CheckpointError(
        f"The file {checkpoint.prefix} doesn't fit {config.name} ({config.backbone['name']}, {len(config.classes)} "
        f"classes). It looks like {recognize_pytorch(checkpoint.shapes)}. {problem}. Nothing was loaded; load it with "
        "a model description that fits."
    )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more


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
