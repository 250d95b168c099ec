"""Reading the entries of a tar or zip forwards, believing as little of their headers as possible."""

from __future__ import annotations

import gzip
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

_MAX_HEADER_BYTES = 64 << 10  # of one tar member, its extended headers included
_MAX_PADDING_BYTES = 1 << 20  # after the end mark; tar fills its last record with zeros
_TAR_KINDS = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.DIRTYPE: "folder",
    tarfile.SYMTYPE: "symbolic link",
    tarfile.LNKTYPE: "hard link",
    tarfile.FIFOTYPE: "fifo",
    tarfile.CHRTYPE: "device",
    tarfile.BLKTYPE: "device",
}
# A second opinion beside the checks of `extract`; Python 3.11.4 was the first to have it.
_DATA_FILTER = getattr(tarfile, "data_filter", None)


@dataclass(frozen=True)
class Member:
    """One entry of an archive.

    Attributes:
        name: Its path as the archive spells it.
        kind: `file`, `folder`, or in words what else it is.
        size: The length in bytes that its header tells.
        read: Gives its next bytes, at most so many as asked for, and none at the end. It can be called only
            until the next entry is taken.
    """

    name: str
    kind: str
    size: int
    read: Callable[[int], bytes]


def members(archive: Path, folder: Path) -> Iterator[Member]:
    """Go through the entries of an archive, in its order.

    Args:
        archive: A tar, a tar in gzip or a zip, told apart by the first bytes.
        folder: Where they will be written, for `tarfile`'s own check of names.

    Yields:
        Each entry. Behind the last one, the archive has been read and checked up to its end.

    Raises:
        tarfile.TarError: And whatever else `tarfile`, `zipfile`, `gzip` and `zlib` raise for damaged bytes.
    """
    with archive.open("rb") as file:
        head = file.read(4)
        file.seek(0)
        if head in (b"PK\x03\x04", b"PK\x05\x06"):
            yield from _zip_members(file)
        elif head.startswith(b"\x1f\x8b"):
            with gzip.open(file) as unpacked:
                yield from _tar_members(cast(IO[bytes], unpacked), folder)
        else:
            yield from _tar_members(file, folder)


class _Forwards:
    """What `tarfile` needs of a file, read forwards only and never beyond an allowance of bytes.

    A header may claim any length for what follows it, and `tarfile` reads that into memory at once.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._position = 0
        self.allowance = _MAX_HEADER_BYTES
        self.last = b""

    def read(self, size: int) -> bytes:
        if size < 0:
            raise tarfile.ReadError("a header points backwards")
        self.last = self._stream.read(min(size, self.allowance + 1))
        if len(self.last) > self.allowance:
            raise tarfile.ReadError(f"a header is longer than {_MAX_HEADER_BYTES:,} bytes, or junk follows the end")
        self.allowance -= len(self.last)
        self._position += len(self.last)
        return self.last

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> int:
        self.read(position - self._position)
        return self._position


def _tar_members(stream: IO[bytes], folder: Path) -> Iterator[Member]:
    source = _Forwards(stream)
    with tarfile.open(fileobj=cast(IO[bytes], source), mode="r:") as tar:
        while (info := tar.next()) is not None:
            kind: str = "sparse file" if info.issparse() else _TAR_KINDS.get(info.type, "special file")
            if kind in ("file", "folder") and _DATA_FILTER:
                _DATA_FILTER(info, str(folder))
            source.allowance = max(info.size, 0)
            yield Member(info.name, kind, info.size, _tar_reader(source, info))
            source.allowance = _MAX_HEADER_BYTES
    # `tarfile` takes a damaged header, or the end of a truncated file, for the end of the archive.
    if source.last != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("it ends without the mark for its end")
    source.allowance = _MAX_PADDING_BYTES
    while source.read(tarfile.RECORDSIZE):  # to the end of gzip, where its checksum is
        pass


def _tar_reader(source: _Forwards, info: tarfile.TarInfo) -> Callable[[int], bytes]:
    end = info.offset_data + info.size

    def read(most: int) -> bytes:
        wanted = min(most, end - source.tell())
        data = source.read(wanted) if wanted > 0 else b""
        if wanted > 0 and not data:
            raise tarfile.ReadError(f"it ends within {info.name}")
        return data

    return read


def _zip_members(file: IO[bytes]) -> Iterator[Member]:
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            kind = _zip_kind(info)
            if kind != "file":
                yield Member(info.orig_filename, kind, 0, lambda most: b"")
                continue
            with archive.open(info) as opened:
                yield Member(info.orig_filename, kind, info.file_size, opened.read)


def _zip_kind(info: zipfile.ZipInfo) -> str:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if info.flag_bits & 1:
        return "password-protected file"
    if info.is_dir() and kind in (0, stat.S_IFDIR):
        return "folder"
    if kind in (0, stat.S_IFREG) and not info.is_dir():
        return "file"
    return "symbolic link" if kind == stat.S_IFLNK else "special file"
