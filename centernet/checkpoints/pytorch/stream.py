"""PyTorch's weight files: which of the two containers one is, and the older one, a stream of pickles and storages."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

from centernet.checkpoints.pytorch.container import (
    MAX_DESCRIPTION,
    Contents,
    Place,
    big_endian,
    damaged,
    length,
    reading,
)
from centernet.checkpoints.pytorch.pickle import interpret
from centernet.checkpoints.pytorch.records import shown
from centernet.checkpoints.pytorch.zip_form import DESCRIPTION, ZIP_START, directory, read_zip, starts_as_pytorch
from centernet.errors import CheckpointError

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_VERSION = 1001
LEGACY_START = b"\x80\x02\x8a\x0a" + LEGACY_MAGIC.to_bytes(10, "little") + b"."


def is_pytorch_file(path: Path) -> bool:
    """Whether a file is built as PyTorch's weight files are; its name doesn't matter.

    Args:
        path: Any path.

    Returns:
        True for a legacy stream, and for a zip archive with a `*/data.pkl`.
    """
    try:
        with reading(path):
            if not path.is_file():
                return False
            with path.open("rb") as file:
                head = file.read(512)
            if head.startswith(LEGACY_START) or starts_as_pytorch(head):
                return True
            return head.startswith(ZIP_START) and any(name.endswith(DESCRIPTION) for name in directory(path))
    except CheckpointError:
        return False


def read_contents(path: Path) -> Contents:
    """Read what a PyTorch file describes, without its numbers.

    Args:
        path: The file.

    Returns:
        Its contents; each storage lies inside the file.

    Raises:
        CheckpointError: If it is no such file, is damaged or truncated, or asks for anything but tensors.
    """
    with reading(path):
        if not path.is_file():
            raise CheckpointError(f"Expected a PyTorch file. Received: {path}, which is no file.")
        with path.open("rb") as file:
            head = file.read(len(LEGACY_START))
    if head.startswith(ZIP_START):
        return read_zip(path)
    if head == LEGACY_START:
        return _read_legacy(path)
    raise CheckpointError(
        f"Expected a file written by torch.save (a zip archive, or a legacy stream). {path} is neither: it starts "
        f"with {head!r}. Download or copy it again, or give the file of weights itself."
    )


def _read_legacy(path: Path) -> Contents:
    with reading(path), path.open("rb") as file:
        stream = BytesIO(file.read(MAX_DESCRIPTION))
        _magic, version, system = (interpret(stream, str(path))[0] for _ in range(3))
        if version != LEGACY_VERSION:
            raise damaged(path, f"its version is not {LEGACY_VERSION}")
        if not isinstance(system, dict) or system.get("little_endian") is not True:
            raise big_endian(path)
        root, storages = interpret(stream, str(path))
        keys, _ = interpret(stream, str(path))
        if not isinstance(keys, list) or len(keys) != len(storages) or set(map(_name, keys)) != set(storages):
            raise damaged(path, "its list of storages is not that of its tensors")
        places = {}
        position, end = stream.tell(), path.stat().st_size
        for key in keys:
            file.seek(position)
            count, size = file.read(8), length(storages[key])
            position += 8 + size
            if position > end:
                raise damaged(path, f"it has {end} bytes, and storage {shown(key)} ends at {position}")
            if int.from_bytes(count, "little", signed=True) != storages[key].size:
                raise damaged(path, f"the size of storage {shown(key)} is not that of its tensors")
            places[key] = Place(position - size, size)
    return Contents("PyTorch legacy stream", root, places)


def _name(key: Any) -> str:
    if not isinstance(key, str):
        raise ValueError("the key of a storage is no text")
    return key
