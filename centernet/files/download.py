"""Downloads: resumed after a failure, verified, and renamed into place, by one process at a time."""

from __future__ import annotations

import hashlib
import logging
import os
import random
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPResponse
from pathlib import Path

from centernet.errors import DownloadError
from centernet.files.environment import ensure_writable, is_offline, storage_errors
from centernet.files.web import TemporaryFailure, check_url, content_extent, open_url, read_available, validator_of

logger = logging.getLogger("centernet")

_CHUNK = 1 << 20
_MAX_BYTES = 16 << 30  # where neither the caller nor the server knows the size
# A try that adds this many bytes resets the count of failures: large files cross bad networks.
_REAL_PROGRESS = 8 << 20


def download(
    url: str,
    target: Path,
    *,
    sha256: str | None = None,
    size: int | None = None,
    progress: bool = True,
    retries: int = 4,
    timeout: float = 30.0,
    backoff: float = 1.0,
    sleep: Callable[[float], None] = time.sleep,
) -> Path:
    """Download a file, unless it exists already.

    The bytes go to `<target>.part`, which survives a failure and is resumed by the next call; `target` appears
    only when the file is complete and verified. A second process waits for the first one on `<target>.lock`.

    Args:
        url: Address: `https`, or plain `http` on this computer (tests, local mirrors).
        target: File to write; its folder is created.
        sha256: Expected hash, 64 hexadecimal digits.
        size: Expected size in bytes.
        progress: Show a progress bar, if standard error is a terminal.
        retries: Retries after a temporary failure (connection, stall, truncation, 5xx, 429).
        timeout: Seconds without a byte after which the connection counts as stalled.
        backoff: Seconds before the first retry, about doubled before each later one.
        sleep: Waits for the given seconds.

    Returns:
        `target`.

    Raises:
        DownloadError: The file can't be fetched, stored or verified, or `CENTERNET_OFFLINE` forbids it.
    """
    check_url(url)
    if _is_complete(target, sha256, size):
        return target
    if is_offline():
        state = "is not the expected file" if target.exists() else "is missing"
        raise DownloadError(
            f"CENTERNET_OFFLINE is set and {target} {state}. Fetch {url} on a computer with a network and "
            f"put it at {target}, or unset CENTERNET_OFFLINE."
        )
    ensure_writable(target.parent)
    with _locked(target):
        # Another process may have downloaded it in the meantime.
        if not _is_complete(target, sha256, size):
            with _progress_bar(target.name, progress) as report:
                _Transfer(url, target, sha256, size, timeout, report).run(retries, backoff, sleep)
    return target


def _is_complete(target: Path, sha256: str | None, size: int | None) -> bool:
    with storage_errors(target):
        if not target.is_file():
            return False
        problem = _mismatch(target, sha256, size)
    if problem:
        logger.warning("%s is not used: %s", target, problem)
    return problem is None


def _mismatch(path: Path, sha256: str | None, size: int | None) -> str | None:
    """Describe how a file differs from the expected size or hash; None if it doesn't."""
    length = path.stat().st_size
    if size is not None and length != size:
        return f"it has {length:,} bytes, {size:,} were expected"
    if sha256 is not None:
        with path.open("rb") as file:
            actual = hashlib.file_digest(file, "sha256").hexdigest()
        if actual != sha256.lower():
            return f"its sha256 is {actual}, {sha256.lower()} was expected"
    return None


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    """Keep other processes from downloading the same file."""
    from filelock import FileLock, Timeout

    lock = FileLock(target.with_name(target.name + ".lock"))
    with storage_errors(target):
        # `Timeout` is an OSError too, so it is handled inside.
        try:
            lock.acquire(timeout=0)
        except Timeout:
            logger.info("Another process is downloading %s; waiting for it", target)
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _progress_bar(name: str, enabled: bool) -> Iterator[Callable[[int, int | None], None]]:
    """Yield a function that shows (received bytes, total bytes if known)."""
    if not (enabled and sys.stderr.isatty()):
        yield lambda received, total: None
        return
    from rich import progress
    from rich.console import Console

    columns = progress.DownloadColumn(), progress.TransferSpeedColumn(), progress.TimeRemainingColumn()
    with progress.Progress("{task.description}", progress.BarColumn(), *columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=None)
        yield lambda received, total: bar.update(task, completed=received, total=total)


@dataclass
class _Transfer:
    """The transfer of one file; arguments as in `download`, `report` as in `_progress_bar`."""

    url: str
    target: Path
    sha256: str | None
    size: int | None
    timeout: float
    report: Callable[[int, int | None], None]
    resumed: bool = field(default=False, init=False)  # whether an earlier request wrote the first bytes

    def __post_init__(self) -> None:
        self.part = self.target.with_name(self.target.name + ".part")
        self.tag = self.target.with_name(self.target.name + ".part.tag")  # the validator of the part

    def run(self, retries: int, backoff: float, sleep: Callable[[float], None]) -> None:
        """Retry until the file is in place, or raise a DownloadError."""
        failures, furthest = 0, self._length()
        while True:
            try:
                with storage_errors(self.target):
                    self._receive()
                    return self._finish()
            except TemporaryFailure as failure:
                if failure.restart:
                    self._discard()
                length = self._length()
                failures = 1 if length - furthest >= _REAL_PROGRESS else failures + 1
                furthest = max(furthest, length)
                if failures > retries:
                    raise self._retries_exhausted(failure, failures) from failure
                wait = max(failure.wait, backoff * 2 ** (failures - 1) * random.uniform(0.5, 1.5))
                logger.warning("%s: %s; trying again in %.1f s", self.url, failure, wait)
                sleep(wait)

    def _receive(self) -> None:
        offset, validator = self._resume_point()
        self.resumed = offset > 0
        if offset and offset == self.size:
            return
        with open_url(self.url, offset=offset, validator=validator, timeout=self.timeout) as response:
            start, announced = content_extent(response)
            same_version = not validator or validator_of(response.headers) in ("", validator)
            if start is None or (start > 0 and not (start == offset and same_version)):
                raise TemporaryFailure("the server's answer does not continue the partial file", restart=True)
            self.resumed = start > 0
            total = self._total(announced)
            self._check_disk_space(total)
            self._store(response, start, total)

    def _resume_point(self) -> tuple[int, str]:
        offset = self._length()
        validator = self.tag.read_text("latin-1") if offset and self.tag.exists() else ""
        if not validator.isprintable():  # a crash can leave zeros
            validator = ""
        # Without a validator or hash, a rest of another version of the file would go unnoticed.
        verifiable = bool(validator or self.sha256)
        too_long = self.size is not None and offset > self.size
        return (offset, validator) if verifiable and not too_long else (0, "")

    def _total(self, announced: int | None) -> int | None:
        """Return the size of the whole file, if known."""
        if self.size is not None and announced not in (None, self.size):
            raise self._unexpected(f"the server announces {announced:,} bytes, {self.size:,} were expected")
        return announced if self.size is None else self.size

    def _check_disk_space(self, total: int | None) -> None:
        missing = 0 if total is None else total - self._length()
        free = shutil.disk_usage(self.target.parent).free
        if missing > free:
            raise DownloadError(
                f"{self.url} needs {missing:,} bytes more, but {self.target.parent} has {free:,} left. "
                "Free some space, or set CENTERNET_HOME to a folder on another disk."
            )

    def _store(self, response: HTTPResponse, start: int, total: int | None) -> None:
        received, limit = start, _MAX_BYTES if total is None else total
        with self.part.open("ab" if start else "wb") as file:
            if not start:
                # After the truncation: a crash in between must not leave old bytes under a new tag.
                self.tag.write_text(validator_of(response.headers), "latin-1")
            while chunk := read_available(response, _CHUNK):
                received += len(chunk)
                if received > limit:
                    break
                file.write(chunk)
                self.report(received, total)
            file.flush()
            os.fsync(file.fileno())
        if received > limit:
            self._discard()
            raise self._unexpected(f"it has more than the {limit:,} bytes that were announced or are allowed")
        if total is not None and received < total:
            raise TemporaryFailure(f"the connection ended after {received:,} of {total:,} bytes")

    def _finish(self) -> None:
        """Verify the file and rename it into place."""
        problem = _mismatch(self.part, self.sha256, self.size)
        if problem is None:
            os.replace(self.part, self.target)
            self.tag.unlink(missing_ok=True)
            return
        self._discard()
        if self.resumed:
            raise TemporaryFailure(f"the resumed file is not the expected one: {problem}")
        raise self._unexpected(f"{problem}; the received bytes were deleted")

    def _length(self) -> int:
        return self.part.stat().st_size if self.part.is_file() else 0

    def _discard(self) -> None:
        self.part.unlink(missing_ok=True)
        self.tag.unlink(missing_ok=True)

    def _unexpected(self, what: str) -> DownloadError:
        return DownloadError(
            f"{self.url} is not the expected file: {what}. The published file changed, or a proxy or login "
            f"page answered: open the address in a browser, or put the right file at {self.target}."
        )

    def _retries_exhausted(self, failure: TemporaryFailure, tries: int) -> DownloadError:
        kept = "; the received bytes are kept and will be continued" if self._length() else ""
        return DownloadError(
            f"{self.url} could not be fetched: {failure} (try {tries} of {tries}{kept}). Check the network "
            f"and call again, or fetch the file by other means and put it at {self.target}."
        )
