"""Fetching one file: once, by one process, and only where the network may be used."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from centernet.errors import DownloadError
from centernet.files.cache import ensure_writable, is_offline, storage_errors
from centernet.files.https import check_url
from centernet.files.transfer import Transfer, mismatch

logger = logging.getLogger("centernet")


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
    """Fetch a file, unless it is there already.

    The bytes go to `<target>.part`, which survives a failure and is continued by the next call; `target`
    appears only when the file is whole and verified. A second process waits for the first on `<target>.lock`.

    Args:
        url: Where the file is: `https`, or plain `http` from this computer (tests, local mirrors).
        target: The file to write; its folder is created.
        sha256: The expected hash, 64 hexadecimal digits.
        size: The expected length in bytes.
        progress: Show a bar, if standard error is a terminal.
        retries: Further tries after a failure that may pass (connection, stall, truncation, 5xx, 429).
        timeout: Seconds without a byte after which a connection counts as stalled.
        backoff: Seconds before the first further try, about doubled before each later one.
        sleep: What waits; takes seconds.

    Returns:
        `target`.

    Raises:
        DownloadError: The file can't be fetched, stored or verified, or `CENTERNET_OFFLINE` forbids it.
    """
    check_url(url)
    if _is_there(target, sha256, size):
        return target
    if is_offline():
        state = "is not the expected file" if target.exists() else "is missing"
        raise DownloadError(
            f"CENTERNET_OFFLINE is set and {target} {state}. Fetch {url} on a computer with a network and "
            f"put it at {target}, or unset CENTERNET_OFFLINE."
        )
    ensure_writable(target.parent)
    with _locked(target):
        # Another process may have brought it while this one waited.
        if not _is_there(target, sha256, size):
            with _progress_bar(target.name, progress) as report:
                Transfer(url, target, sha256, size, timeout, report).run(retries, backoff, sleep)
    return target


def _is_there(target: Path, sha256: str | None, size: int | None) -> bool:
    with storage_errors(target):
        if not target.is_file():
            return False
        problem = mismatch(target, sha256, size)
    if problem:
        logger.warning("%s is not used: %s", target, problem)
    return problem is None


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    """Keep other processes from fetching the same file."""
    from filelock import FileLock, Timeout

    lock = FileLock(target.with_name(target.name + ".lock"))
    with storage_errors(target):
        # `Timeout` is an OSError too, so it is dealt with inside.
        try:
            lock.acquire(timeout=0)
        except Timeout:
            logger.info("Another process is fetching %s; waiting for it", target)
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _progress_bar(name: str, wanted: bool) -> Iterator[Callable[[int, int | None], None]]:
    """Give a function that is told (bytes so far, bytes in all)."""
    if not (wanted and sys.stderr.isatty()):
        yield lambda done, total: None
        return
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
