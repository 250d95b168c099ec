"""The two containers of PyTorch weight files, a zip and a stream of pickles: where each storage lies."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO, FileIO
from pathlib import Path
from typing import Any

import numpy as np

from centernet.checkpoints.pytorch.pickle import interpret
from centernet.checkpoints.pytorch.records import STORAGE_TYPES, Storage, shown
from centernet.errors import CheckpointError

# Hourglass-104 needs 0.2 MiB for its pickle, and its archive has 0.1 MiB of directory.
MAX_DESCRIPTION = 4 << 20
ZIP_START = b"PK\x03\x04"
DESCRIPTION = "/data.pkl"
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_ENCRYPTED = 0x1
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_VERSION = 1001
LEGACY_START = b"\x80\x02\x8a\x0a" + LEGACY_MAGIC.to_bytes(10, "little") + b"."


@dataclass(frozen=True)
class Place:
    """Place of a storage in the file.

    Attributes:
        start: First byte in the file.
        bytes: Length.
        crc: CRC-32, if the file has one.
    """

    start: int
    bytes: int
    crc: int | None = None


@dataclass(frozen=True)
class Contents:
    """The content of a container.

    Attributes:
        form: Kind of the container, in words.
        root: The object that its pickle describes.
        places: Key of each storage → place.
    """

    form: str
    root: Any
    places: Mapping[str, Place]


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns all errors of damaged or unreadable files into `CheckpointError`."""
    try:
        yield
    except CheckpointError:
        raise
    except OSError as error:
        raise CheckpointError(f"Expected a PyTorch file at {path}, but it can't be read: {error}.") from error
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, OverflowError, struct.error) as error:
        raise damaged(path, shown(str(error))) from error


def damaged(path: Path, problem: str) -> CheckpointError:
    """The error of an inconsistent file."""
    return CheckpointError(f"The PyTorch file {path} is damaged or truncated: {problem}. Download or copy it again.")


def big_endian(path: Path) -> CheckpointError:
    """The error of a file in big-endian or unknown byte order."""
    return CheckpointError(
        f"Expected a PyTorch file in little-endian byte order. {path} doesn't say so; save it again on a "
        "little-endian machine."
    )


def length(storage: Storage) -> int:
    """Bytes of a storage."""
    return storage.size * np.dtype(STORAGE_TYPES[storage.kind]).itemsize


def starts_as_pytorch(head: bytes) -> bool:
    """Whether the first entry of a zip archive is `data.pkl`, which torch.save writes first.

    Args:
        head: The first bytes of the file, 512 or so.

    Returns:
        True also for a truncated archive.
    """
    if not head.startswith(ZIP_START) or len(head) < _LOCAL_HEADER.size:
        return False
    _, name_length, _ = _LOCAL_HEADER.unpack_from(head)
    return head[_LOCAL_HEADER.size :][:name_length].endswith(DESCRIPTION.encode())


def directory(path: Path) -> dict[str, zipfile.ZipInfo]:
    """The entries of a zip archive by their names.

    Raises:
        CheckpointError: If it is damaged or truncated, or two entries have one name.
    """
    with reading(path), _BoundedFile(path) as file, zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
    named = {entry.filename: entry for entry in entries}
    if len(named) != len(entries):
        raise damaged(path, "two entries of the archive have one name")
    return named


def read_zip(path: Path) -> Contents:
    """Read the description and the places of the storages of a zip archive; see `read_contents`."""
    entries = directory(path)
    descriptions = [name for name in entries if name.endswith(DESCRIPTION) and name.count("/") == 1]
    if len(descriptions) != 1:
        raise CheckpointError(
            f"Expected a zip archive written by torch.save, with one data.pkl. Received: {path}, with "
            f"{len(descriptions)}. Give the file of weights itself, not an archive that holds it."
        )
    folder = descriptions[0].removesuffix(DESCRIPTION)
    with reading(path), path.open("rb") as file:
        order = entries.get(f"{folder}/byteorder")
        if order and _small_entry(file, path, order) != b"little":
            raise big_endian(path)
        description = _small_entry(file, path, entries[descriptions[0]])
        root, storages = interpret(BytesIO(description), str(path))
        places = {}
        for key, storage in storages.items():
            entry = entries.get(f"{folder}/data/{key}")
            if entry is None or entry.file_size != length(storage):
                raise damaged(path, f"storage {shown(key)} is not in it or has another size")
            places[key] = _entry_place(file, path, entry)
    return Contents("PyTorch zip archive", root, places)


class _BoundedFile(FileIO):
    """A file that reads at most `MAX_DESCRIPTION` bytes at once, which bounds the zip directory."""

    def read(self, size: int | None = -1) -> bytes:
        wanted = MAX_DESCRIPTION if size is None or size < 0 else min(size, MAX_DESCRIPTION)
        return super().read(wanted)


def _entry_place(file: Any, path: Path, entry: zipfile.ZipInfo) -> Place:
    name = shown(entry.filename)
    if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & _ENCRYPTED:
        raise CheckpointError(
            f"Expected entries without compression or encryption, as torch.save writes them. {name} in {path} is "
            "not; save the weights again with torch.save."
        )
    file.seek(entry.header_offset)
    header = file.read(_LOCAL_HEADER.size)
    if len(header) < _LOCAL_HEADER.size or not header.startswith(ZIP_START):
        raise damaged(path, f"entry {name} is not where the archive's directory says")
    _, name_length, extra_length = _LOCAL_HEADER.unpack(header)
    start = entry.header_offset + len(header) + name_length + extra_length
    if entry.compress_size != entry.file_size or start + entry.file_size > path.stat().st_size:
        raise damaged(path, f"entry {name} is not complete")
    # PyTorch can be set to compute no CRC; it writes 0 then.
    return Place(start, entry.file_size, entry.CRC or None)


def _small_entry(file: Any, path: Path, entry: zipfile.ZipInfo) -> bytes:
    place = _entry_place(file, path, entry)
    if place.bytes > MAX_DESCRIPTION:
        raise damaged(path, f"entry {shown(entry.filename)} has {place.bytes} bytes")
    file.seek(place.start)
    content: bytes = file.read(place.bytes)
    if place.crc is not None and zlib.crc32(content) != place.crc:
        raise damaged(path, f"entry {shown(entry.filename)} has another checksum")
    return content


def is_pytorch_file(path: Path) -> bool:
    """Whether a file has the structure of PyTorch's weight files, whatever its name.

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
    """Read the description of a PyTorch file, without the values.

    Args:
        path: The file.

    Returns:
        The contents; all storages are inside the file.

    Raises:
        CheckpointError: If it is no such file, is damaged or truncated, or contains anything but tensors.
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
