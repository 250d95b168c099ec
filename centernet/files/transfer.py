"""One file on its way: continued, tried again, verified, and put in its place in one step."""

from __future__ import annotations

import hashlib
import logging
import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPResponse
from pathlib import Path

from centernet.errors import DownloadError
from centernet.files.cache import storage_errors
from centernet.files.https import Interruption, extent, open_url, read_some, validator_of

logger = logging.getLogger("centernet")

_CHUNK = 1 << 20
_MAX_BYTES = 16 << 30  # the cap where neither the caller nor the server says how long the file is
# A try that brought this many new bytes starts the count of failures afresh: large files cross bad networks.
_REAL_PROGRESS = 8 << 20


@dataclass
class Transfer:
    """One file: what is expected of it, and what of it is here.

    Attributes:
        url: Where it is.
        target: Where it goes, in a folder that can be written to.
        sha256: The expected hash in hexadecimal digits, if known.
        size: The expected length in bytes, if known.
        timeout: Seconds without a byte after which a connection counts as stalled.
        report: Told the bytes that are here and the bytes in all, if known, as they come.
        resumed: Whether the part that is here was begun by an earlier try.
    """

    url: str
    target: Path
    sha256: str | None
    size: int | None
    timeout: float
    report: Callable[[int, int | None], None]
    resumed: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.part = self.target.with_name(self.target.name + ".part")
        self.tag = self.target.with_name(self.target.name + ".part.tag")

    def run(self, retries: int, backoff: float, sleep: Callable[[float], None]) -> None:
        """Try until the file is in its place.

        Args:
            retries: Tries after the first that brought little or nothing.
            backoff: Seconds before the second try, about doubled before each later one.
            sleep: What waits; takes seconds.

        Raises:
            DownloadError: The tries are used up, or another one would not help.
        """
        failures, furthest = 0, self._length()
        while True:
            try:
                with storage_errors(self.target):
                    self._receive()
                    return self._finish()
            except Interruption as problem:
                if problem.restart:
                    self._discard()
                length = self._length()
                failures = 1 if length - furthest >= _REAL_PROGRESS else failures + 1
                furthest = max(furthest, length)
                if failures > retries:
                    raise self._given_up(problem, failures) from problem
                wait = max(problem.wait, backoff * 2 ** (failures - 1) * random.uniform(0.5, 1.5))
                logger.warning("%s: %s; trying again in %.1f s", self.url, problem, wait)
                sleep(wait)

    def _receive(self) -> None:
        offset, validator = self._resume_point()
        self.resumed = offset > 0
        if offset and offset == self.size:
            return
        with open_url(self.url, offset=offset, validator=validator, timeout=self.timeout) as response:
            start, announced = extent(response)
            same = validator_of(response.headers) in ("", validator) or not validator
            if start is None or (start > 0 and not (start == offset and same)):
                raise Interruption("the server's answer does not continue what is here", restart=True)
            self.resumed = start > 0
            total = self._agreed(announced)
            self._check_room(total)
            self._store(response, start, total)

    def _resume_point(self) -> tuple[int, str]:
        offset = self._length()
        validator = self.tag.read_text("latin-1") if offset and self.tag.exists() else ""
        if not validator.isprintable():  # a crash can leave zeros
            validator = ""
        # Without either, nobody would notice that the rest belongs to another version of the file.
        noticeable = bool(validator or self.sha256)
        too_long = self.size is not None and offset > self.size
        return (offset, validator) if noticeable and not too_long else (0, "")

    def _agreed(self, announced: int | None) -> int | None:
        """Return the length of the whole file, if anybody knows it."""
        if self.size is not None and announced not in (None, self.size):
            raise self._wrong(f"the server announces {announced:,} bytes, {self.size:,} were expected")
        return announced if self.size is None else self.size

    def _check_room(self, total: int | None) -> None:
        missing = 0 if total is None else total - self._length()
        free = shutil.disk_usage(self.target.parent).free
        if missing > free:
            raise DownloadError(
                f"{self.url} needs {missing:,} bytes more, but {self.target.parent} has {free:,} left. "
                "Free some space, or set CENTERNET_HOME to a folder on another disk."
            )

    def _store(self, response: HTTPResponse, start: int, total: int | None) -> None:
        done, most = start, _MAX_BYTES if total is None else total
        with self.part.open("ab" if start else "wb") as file:
            if not start:
                # After the truncation: a crash in between must not leave old bytes under a new tag.
                self.tag.write_text(validator_of(response.headers), "latin-1")
            while chunk := read_some(response, _CHUNK):
                done += len(chunk)
                if done > most:
                    break
                file.write(chunk)
                self.report(done, total)
            file.flush()
            os.fsync(file.fileno())
        if done > most:
            self._discard()
            raise self._wrong(f"more than the {most:,} bytes came that were announced or are allowed")
        if total is not None and done < total:
            raise Interruption(f"the connection ended after {done:,} of {total:,} bytes")

    def _finish(self) -> None:
        """Verify the file and put it in its place."""
        problem = mismatch(self.part, self.sha256, self.size)
        if problem is None:
            os.replace(self.part, self.target)
            self.tag.unlink(missing_ok=True)
            return
        self._discard()
        if self.resumed:
            raise Interruption(f"the continued file is not the expected one: {problem}")
        raise self._wrong(f"{problem}; what came was deleted")

    def _length(self) -> int:
        return self.part.stat().st_size if self.part.is_file() else 0

    def _discard(self) -> None:
        self.part.unlink(missing_ok=True)
        self.tag.unlink(missing_ok=True)

    def _wrong(self, what: str) -> DownloadError:
        return DownloadError(
            f"{self.url} is not the expected file: {what}. The published file changed, or a proxy or login "
            f"page answered: open the address in a browser, or put the right file at {self.target}."
        )

    def _given_up(self, problem: Interruption, tries: int) -> DownloadError:
        kept = "; what came is kept and will be continued" if self._length() else ""
        return DownloadError(
            f"{self.url} could not be fetched: {problem} (try {tries} of {tries}{kept}). Check the network "
            f"and call again, or fetch the file by other means and put it at {self.target}."
        )


def mismatch(path: Path, sha256: str | None, size: int | None) -> str | None:
    """Say how a file differs from what is expected of it.

    Args:
        path: The file.
        sha256: Its expected hash in hexadecimal digits, if known.
        size: Its expected length in bytes, if known.

    Returns:
        The difference in words, or None if there is none.
    """
    length = path.stat().st_size
    if size is not None and length != size:
        return f"it has {length:,} bytes, {size:,} were expected"
    if sha256 is not None:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != sha256.lower():
            return f"its sha256 is {found}, {sha256.lower()} was expected"
    return None
