"""The zip archives that PyTorch saves weights in: `*/data.pkl`, and one entry a storage, none compressed."""

from __future__ import annotations

import struct
import zipfile
import zlib
from io import BytesIO, FileIO
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
from centernet.errors import CheckpointError

ZIP_START = b"PK\x03\x04"
DESCRIPTION = "/data.pkl"
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_ENCRYPTED = 0x1


def starts_as_pytorch(head: bytes) -> bool:
    """Whether the first entry of a zip archive is a description of tensors, as torch.save writes it first.

    Args:
        head: The first bytes of the file, 512 or so.

    Returns:
        Whether it is; an archive that lost its end is known by this as well.
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
    """Read the description in a zip archive, and where its storages are; see `read_contents`."""
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
    """A file that gives no more than `MAX_DESCRIPTION` bytes at once, so that no directory of a zip is larger."""

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
    # PyTorch can be told to compute no CRC, and writes 0 then.
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
