"""Where fetched and converted files live, and whether the network may be used."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from centernet.errors import DownloadError

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""The error numbers of a full disk and of a used-up quota."""


def cache_dir() -> Path:
    """Return the folder for everything that is fetched or converted.

    Returns:
        `$CENTERNET_HOME` if it is set, otherwise the user's cache folder of the platform (on Linux
        `$XDG_CACHE_HOME/centernet`). Absolute; it need not exist yet.
    """
    home = os.environ.get("CENTERNET_HOME")
    if home:
        return Path(home).expanduser().absolute()
    return platformdirs.user_cache_path("centernet", appauthor=False)


def is_offline() -> bool:
    """Return whether `CENTERNET_OFFLINE` (`1`, `true`, `yes` or `on`) forbids the network."""
    return os.environ.get("CENTERNET_OFFLINE", "").strip().lower() in {"1", "true", "yes", "on"}


def ensure_writable(folder: Path) -> None:
    """Create a folder, and prove that files can be made in it.

    Args:
        folder: The folder; its missing parents are created as well.

    Raises:
        DownloadError: It can't be created or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Permission bits say nothing about read-only file systems or root, so one file is really made.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise DownloadError(
            f"The folder {folder} can't be written to: {error.strerror or error}. "
            "Make it writable, or set the environment variable CENTERNET_HOME to a folder elsewhere."
        ) from error


@contextmanager
def storage_errors(target: Path) -> Iterator[None]:
    """Turn the file system's errors into ours.

    Args:
        target: The file that is being read or written, named in the message.

    Raises:
        DownloadError: The block raised an `OSError`; a `DownloadError` passes as it is.
    """
    try:
        yield
    except DownloadError:
        raise
    except OSError as error:
        if error.errno in DISK_FULL:
            advice = (
                "What has come so far is kept: free some space and call again to continue, "
                "or set CENTERNET_HOME to a folder on another disk."
            )
        else:
            advice = "Make the folder usable, or set CENTERNET_HOME to a folder elsewhere."
        raise DownloadError(f"{target} can't be stored or read: {error.strerror or error}. {advice}") from error
