"""What both containers of PyTorch's weight files have in common: places of storages, and errors."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from centernet.checkpoints.pytorch.records import STORAGE_TYPES, Storage, shown
from centernet.errors import CheckpointError

# Hourglass-104 needs 0.2 MiB for its pickle, and its archive has 0.1 MiB of directory.
MAX_DESCRIPTION = 4 << 20


@dataclass(frozen=True)
class Place:
    """Where the numbers of a storage are.

    Attributes:
        start: First byte in the file.
        bytes: Their length.
        crc: Their CRC-32, if the file has one.
    """

    start: int
    bytes: int
    crc: int | None = None


@dataclass(frozen=True)
class Contents:
    """What a container holds.

    Attributes:
        form: Which container it is, in words.
        root: What its pickle describes.
        places: Key of each storage → where it is.
    """

    form: str
    root: Any
    places: Mapping[str, Place]


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Within it, everything that a damaged or unreadable file can raise is a `CheckpointError`."""
    try:
        yield
    except CheckpointError:
        raise
    except OSError as error:
        raise CheckpointError(f"Expected a PyTorch file at {path}, but it can't be read: {error}.") from error
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, OverflowError, struct.error) as error:
        raise damaged(path, shown(str(error))) from error


def damaged(path: Path, problem: str) -> CheckpointError:
    """The error of a file whose parts don't fit together."""
    return CheckpointError(f"The PyTorch file {path} is damaged or truncated: {problem}. Download or copy it again.")


def big_endian(path: Path) -> CheckpointError:
    """The error of a file that isn't in little-endian byte order."""
    return CheckpointError(
        f"Expected a PyTorch file in little-endian byte order. {path} doesn't say so; save it again on a "
        "little-endian machine."
    )


def length(storage: Storage) -> int:
    """Bytes of a storage."""
    return storage.size * np.dtype(STORAGE_TYPES[storage.kind]).itemsize
