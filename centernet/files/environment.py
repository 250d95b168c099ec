"""The package's surroundings: its version, configs and cache folder, and whether the network may be used."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from centernet.errors import DownloadError

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})  # error numbers of a full disk or quota


@cache
def package_version() -> str:
    """Version of the installed package."""
    from importlib.metadata import PackageNotFoundError, version  # takes 40 ms

    try:
        return version("centernet")
    except PackageNotFoundError:  # imported from a checkout that was never installed
        return "0+unknown"


def configs_dir() -> Path:
    """Folder of the configs: inside an installed package, or at the top of a checkout."""
    package = Path(__file__).parents[1]
    inside = package / "configs"
    return inside if inside.is_dir() else package.parent / "configs"


def cache_dir() -> Path:
    """Folder of downloaded and converted files, as an absolute path; it may not exist yet.

    `$CENTERNET_HOME`, or else the user's cache folder of the platform (on Linux `$XDG_CACHE_HOME/centernet`).
    """
    home = os.environ.get("CENTERNET_HOME")
    if home:
        return Path(home).expanduser().absolute()
    import platformdirs  # an uninstalled checkout still has its version without it

    return platformdirs.user_cache_path("centernet", appauthor=False)


def is_offline() -> bool:
    """Whether `CENTERNET_OFFLINE` (`1`, `true`, `yes` or `on`) forbids the use of the network."""
    return os.environ.get("CENTERNET_OFFLINE", "").strip().lower() in {"1", "true", "yes", "on"}


def ensure_writable(folder: Path) -> None:
    """Create a folder with its parents; raise a DownloadError if files can't be created in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Permission bits say nothing about read-only file systems or root, so create a file.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise DownloadError(
            f"The folder {folder} can't be written to: {error.strerror or error}. "
            "Make it writable, or set the environment variable CENTERNET_HOME to a folder elsewhere."
        ) from error


@contextmanager
def storage_errors(target: Path) -> Iterator[None]:
    """Turn errors of the file system into a DownloadError that names the file being read or written."""
    try:
        yield
    except DownloadError:
        raise
    except OSError as error:
        advice = "Make the folder usable, or set CENTERNET_HOME to a folder elsewhere."
        if error.errno in DISK_FULL:
            advice = (
                "The received bytes are kept: free some space and call again to continue, "
                "or set CENTERNET_HOME to a folder on another disk."
            )
        raise DownloadError(f"{target} can't be stored or read: {error.strerror or error}. {advice}") from error
