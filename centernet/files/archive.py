"""Untrusted archives: only regular files and folders inside the target are unpacked, within caps of size and number."""

from __future__ import annotations

import gzip
import logging
import lzma
import os
import secrets
import shutil
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple, cast

from centernet.errors import ArchiveError
from centernet.files.environment import DISK_FULL

logger = logging.getLogger("centernet")

_CHUNK = 1 << 20
_MAX_NAME_BYTES = 1024
_MAX_PART_BYTES = 255  # between two slashes; the limit of the common file systems
_MAX_HEADER_BYTES = 64 << 10  # of one tar member, its extended headers included
_MAX_PADDING_BYTES = 1 << 20  # after the end marker; tar fills its last record with zeros
# Separators on some systems only, where such a name would address another file.
_NOT_PORTABLE = '\\ : " * ? < > |'
_TAR_KINDS = {
    **dict.fromkeys((tarfile.REGTYPE, tarfile.AREGTYPE), "file"),
    **dict.fromkeys((tarfile.CHRTYPE, tarfile.BLKTYPE), "device"),
    tarfile.DIRTYPE: "folder",
    tarfile.SYMTYPE: "symbolic link",
    tarfile.LNKTYPE: "hard link",
    tarfile.FIFOTYPE: "fifo",
}
# A second check of names, available from Python 3.11.4 on.
_DATA_FILTER = getattr(tarfile, "data_filter", None)
_DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError, OverflowError),
    *(ValueError, RuntimeError, IndexError),  # unreadable numbers and names, empty names; an unknown compression
)


class Member(NamedTuple):
    """One entry of an archive; nothing in its header is trusted."""

    name: str  # as the archive spells it
    kind: str  # `file`, `folder` or the name of another kind of entry
    size: int  # in bytes, according to the header
    read: Callable[[int], bytes]  # next bytes, at most so many, none at the end; until the next entry is read


def extract(archive: Path, target: Path, *, max_bytes: int = 8 << 30, max_members: int = 10_000) -> Path:
    """Unpack a `.tar`, `.tar.gz` or `.zip`, recognized by its first bytes.

    The archive is unpacked beside the target and renamed, so that the target appears complete or not at all. A
    target that is not empty is returned unchanged: name it after the content of the archive.

    Args:
        archive: The archive.
        target: Folder to create; the archive's members keep their names in it.
        max_bytes: Maximum sum of the unpacked files, counted while they are written.
        max_members: Maximum number of entries.

    Returns:
        `target`.

    Raises:
        ArchiveError: The archive is damaged, too large or has an entry that is not a regular file or folder
            inside the target, or the file system refuses. Nothing is left behind.
    """
    unpacked = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
    extraction = _Extraction(archive, max_bytes, max_members)
    try:
        with extraction.errors():
            if _is_filled(target):
                return target
            unpacked.mkdir(parents=True)
            extraction.run(unpacked)
            _move_into_place(unpacked, target)
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)
    return target


class _Extraction:
    """The extraction of one archive; arguments as in `extract`."""

    def __init__(self, archive: Path, max_bytes: int, max_members: int) -> None:
        self.archive, self.max_bytes, self.max_members = archive, max_bytes, max_members
        self.left = max_bytes
        # Comparable name → name as the archive spells it, and whether it is a folder.
        self.names: dict[str, tuple[str, bool]] = {}

    def run(self, folder: Path) -> None:
        for count, member in enumerate(members(self.archive, folder), start=1):
            if count > self.max_members:
                raise self._refusal(member, f"comes after {self.max_members:,} others, the maximum")
            path = folder.joinpath(*self._checked_parts(member))
            if member.kind == "folder":
                path.mkdir(parents=True, exist_ok=True)
                continue
            self._check_size(member, member.size)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._write(member, path)

    def _write(self, member: Member, path: Path) -> None:
        written = 0
        with path.open("xb") as file:
            while chunk := member.read(_CHUNK):
                written += len(chunk)
                self._check_size(member, written)
                file.write(chunk)
        if written != member.size:
            raise self._refusal(member, f"has {written:,} bytes, its header says {member.size:,}")
        self.left -= written

    def _checked_parts(self, member: Member) -> list[str]:
        """Return the parts of a member's path after checking that it is a new file, or a folder, in the target."""
        if member.kind not in ("file", "folder"):
            raise self._refusal(member, f"is a {member.kind}; only regular files and folders are accepted")
        parts = [part for part in member.name.split("/") if part not in ("", ".")]
        problem = _name_problem(member.name, parts)
        if problem is None and not parts and member.kind == "file":
            problem = "has no name"
        if problem:
            raise self._refusal(member, problem)
        for depth in range(1, len(parts) + 1):
            entry = ("/".join(parts[:depth]), depth < len(parts) or member.kind == "folder")
            # macOS and Windows treat names that differ in case or Unicode form as one file.
            known = self.names.setdefault(unicodedata.normalize("NFC", entry[0]).casefold(), entry)
            if known is not entry and not (known == entry and entry[1]):
                raise self._refusal(member, f"would be the same file as {known[0]!r}")
        return parts

    def _check_size(self, member: Member, size: int) -> None:
        if size > self.left:
            raise self._refusal(member, f"brings the unpacked size above {self.max_bytes:,} bytes, the maximum")

    def _refusal(self, member: Member, what: str) -> ArchiveError:
        return ArchiveError(
            f"{self.archive} is refused: its entry {member.name[:200]!r} {what}. "
            "Use the archive as it was published, or unpack it yourself and pass the folder."
        )

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn the errors of `tarfile`, `zipfile`, `gzip` and the file system into an ArchiveError."""
        try:
            yield
        except ArchiveError:
            raise
        except _DAMAGE as error:
            last = f" (the last entry begun was {next(reversed(self.names.values()))[0]!r})" if self.names else ""
            raise ArchiveError(
                f"{self.archive} can't be unpacked: {error}{last}. Expected an undamaged .tar, .tar.gz or .zip: "
                "delete this file and fetch it again."
            ) from error
        except OSError as error:
            reason = "The disk is full" if error.errno in DISK_FULL else error.strerror or str(error)
            raise ArchiveError(
                f"{self.archive} can't be unpacked: {reason} ({error.filename or 'while writing'}). Free some space or "
                "make the folder writable, or set CENTERNET_HOME to a folder elsewhere."
            ) from error


def _is_filled(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _name_problem(name: str, parts: list[str]) -> str | None:
    if name.startswith("/") or ".." in parts:
        return "would be written outside the folder"
    if not name.isprintable() or set(_NOT_PORTABLE.split()) & set(name):
        return f"has a character in its name that is not accepted (unprintable, or one of {_NOT_PORTABLE})"
    longest = max((len(part.encode()) for part in parts), default=0)
    if len(name.encode()) > _MAX_NAME_BYTES or longest > _MAX_PART_BYTES:
        return "has too long a name"
    return None


def _move_into_place(unpacked: Path, target: Path) -> None:
    with suppress(OSError):
        target.rmdir()  # an empty folder is replaced
    try:
        os.replace(unpacked, target)
    except OSError:
        if not _is_filled(target):
            raise
        logger.info("Another process has unpacked %s in the meantime", target)


def members(archive: Path, folder: Path) -> Iterator[Member]:
    """Yield the entries of a tar, gzipped tar or zip in order, and check the archive to its end after the last.

    `tarfile` checks their names against the folder that they are written to. Damaged bytes raise one of `_DAMAGE`.
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


class _ForwardReader:
    """The file interface that `tarfile` needs, forward only and limited to an allowance of bytes.

    A header may claim any length for what follows it, which `tarfile` reads into memory at once.
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
    reader = _ForwardReader(stream)
    with tarfile.open(fileobj=cast(IO[bytes], reader), mode="r:") as tar:
        while (info := tar.next()) is not None:
            kind: str = "sparse file" if info.issparse() else _TAR_KINDS.get(info.type, "special file")
            if kind in ("file", "folder") and _DATA_FILTER:
                _DATA_FILTER(info, str(folder))
            reader.allowance = max(info.size, 0)
            content = tar.extractfile(info) if kind == "file" else None
            yield Member(info.name, kind, info.size, content.read if content else _no_content)
            reader.allowance = _MAX_HEADER_BYTES
    # `tarfile` takes a damaged header, or the end of a truncated file, for the end of the archive.
    if reader.last != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("it ends without the end marker")
    reader.allowance = _MAX_PADDING_BYTES
    while reader.read(tarfile.RECORDSIZE):  # to the end of gzip, which holds its checksum
        pass


def _no_content(max_bytes: int) -> bytes:
    return b""


def _zip_members(file: IO[bytes]) -> Iterator[Member]:
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            kind = _zip_kind(info)
            if kind != "file":
                yield Member(info.orig_filename, kind, 0, _no_content)
                continue
            with archive.open(info) as content:
                yield Member(info.orig_filename, kind, info.file_size, content.read)


def _zip_kind(info: zipfile.ZipInfo) -> str:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if info.flag_bits & 1:
        return "password-protected file"
    if info.is_dir() and kind in (0, stat.S_IFDIR):
        return "folder"
    if kind in (0, stat.S_IFREG) and not info.is_dir():
        return "file"
    return "symbolic link" if kind == stat.S_IFLNK else "special file"
