"""Unpacking archives that nobody vouches for: regular files and folders inside the target, nothing else."""

from __future__ import annotations

import gzip
import logging
import lzma
import os
import secrets
import shutil
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from centernet.errors import ArchiveError
from centernet.files.archive_members import Member, members
from centernet.files.environment import DISK_FULL

logger = logging.getLogger("centernet")

_CHUNK = 1 << 20
_MAX_NAME_BYTES = 1024
_MAX_PART_BYTES = 255  # of a name between two slashes; the limit of the common file systems
# Not separators everywhere, but on some systems: a name with them means different files on different ones.
_NOT_PORTABLE = '\\ : " * ? < > |'
_ADVICE = "Use the archive as it was published, or unpack it yourself and pass the folder."
_DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    ValueError,  # unreadable numbers and names
    RuntimeError,  # an unknown compression
)


def extract(archive: Path, target: Path, *, max_bytes: int = 8 << 30, max_members: int = 10_000) -> Path:
    """Unpack a `.tar`, `.tar.gz` or `.zip`, told apart by their first bytes.

    Everything is unpacked beside the target and renamed, so the target appears whole or not at all. A target
    that already holds something is therefore returned as it is: name it after what the archive contains.

    Args:
        archive: The archive.
        target: The folder to create. It will hold the archive's members under their own names.
        max_bytes: The cap on the sum of the unpacked files, counted while they are written.
        max_members: The cap on the number of entries.

    Returns:
        `target`.

    Raises:
        ArchiveError: The archive is damaged, too large, or has an entry that is no regular file or folder
            inside the target, or the file system refused. Nothing is left behind.
    """
    unpacked = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
    names: dict[str, tuple[str, bool]] = {}
    try:
        with _archive_errors(archive, names):
            if _is_filled(target):
                return target
            unpacked.mkdir(parents=True)
            _unpack(archive, unpacked, names, max_bytes, max_members)
            _put_in_place(unpacked, target)
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)
    return target


def _is_filled(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _unpack(archive: Path, folder: Path, names: dict[str, tuple[str, bool]], max_bytes: int, max_members: int) -> None:
    left = max_bytes
    for count, member in enumerate(members(archive, folder), start=1):
        if count > max_members:
            raise _refusal(archive, member, f"comes after {max_members:,} others, the most that is accepted")
        path = folder.joinpath(*_checked_parts(archive, member, names))
        if member.kind == "folder":
            path.mkdir(parents=True, exist_ok=True)
            continue
        if member.size > left:
            raise _too_large(archive, member, max_bytes)
        path.parent.mkdir(parents=True, exist_ok=True)
        left -= _write(archive, member, path, left, max_bytes)


def _write(archive: Path, member: Member, path: Path, left: int, max_bytes: int) -> int:
    """Write one file and return its length in bytes."""
    written = 0
    with path.open("xb") as file:
        while chunk := member.read(_CHUNK):
            written += len(chunk)
            if written > left:
                raise _too_large(archive, member, max_bytes)
            file.write(chunk)
    if written != member.size:
        raise _refusal(archive, member, f"has {written:,} bytes, its header says {member.size:,}")
    return written


def _checked_parts(archive: Path, member: Member, names: dict[str, tuple[str, bool]]) -> list[str]:
    """Return the parts of a member's path, if it is a new file or a folder inside the target."""
    if member.kind not in ("file", "folder"):
        raise _refusal(archive, member, f"is a {member.kind}; only regular files and folders are accepted")
    parts = [part for part in member.name.split("/") if part not in ("", ".")]
    problem = _name_problem(member.name, parts)
    if problem is None and not parts and member.kind == "file":
        problem = "has no name"
    if problem:
        raise _refusal(archive, member, problem)
    for depth in range(1, len(parts) + 1):
        entry = ("/".join(parts[:depth]), depth < len(parts) or member.kind == "folder")
        # Equal but for case or the spelling of accents is the same file on macOS and Windows.
        known = names.setdefault(unicodedata.normalize("NFC", entry[0]).casefold(), entry)
        if known is not entry and not (known == entry and entry[1]):
            raise _refusal(archive, member, f"would be the same file as {known[0]!r}")
    return parts


def _name_problem(name: str, parts: list[str]) -> str | None:
    if name.startswith("/") or ".." in parts:
        return "would be written outside the folder"
    if not name.isprintable() or set(_NOT_PORTABLE.split()) & set(name):
        return f"has a character in its name that is not accepted (unprintable, or one of {_NOT_PORTABLE})"
    longest = max((len(part.encode()) for part in parts), default=0)
    if len(name.encode()) > _MAX_NAME_BYTES or longest > _MAX_PART_BYTES:
        return "has too long a name"
    return None


def _put_in_place(unpacked: Path, target: Path) -> None:
    with suppress(OSError):
        target.rmdir()  # an empty folder may give way
    try:
        os.replace(unpacked, target)
    except OSError:
        if not _is_filled(target):
            raise
        logger.info("Another process has unpacked %s meanwhile", target)


def _refusal(archive: Path, member: Member, what: str) -> ArchiveError:
    return ArchiveError(f"{archive} is refused: its entry {member.name[:200]!r} {what}. {_ADVICE}")


def _too_large(archive: Path, member: Member, max_bytes: int) -> ArchiveError:
    return _refusal(archive, member, f"brings the unpacked size above {max_bytes:,} bytes, the most accepted")


@contextmanager
def _archive_errors(archive: Path, names: dict[str, tuple[str, bool]]) -> Iterator[None]:
    """Turn what `tarfile`, `zipfile`, `gzip` and the file system raise into ours."""
    try:
        yield
    except ArchiveError:
        raise
    except _DAMAGE as error:
        last = f" (the last entry begun was {next(reversed(names.values()))[0]!r})" if names else ""
        raise ArchiveError(
            f"{archive} can't be unpacked: {error}{last}. Expected an undamaged .tar, .tar.gz or .zip: "
            "delete this file and fetch it again."
        ) from error
    except OSError as error:
        full = "The disk is full" if error.errno in DISK_FULL else error.strerror or str(error)
        raise ArchiveError(
            f"{archive} can't be unpacked: {full} ({error.filename or 'while writing'}). Free some space or "
            "mend the folder, or set CENTERNET_HOME to a folder elsewhere."
        ) from error
