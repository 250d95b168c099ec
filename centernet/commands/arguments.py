"""Reading and checking arguments that several commands have."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from centernet.errors import ConfigError


def split_names(text: str | None) -> list[str] | None:
    """Names out of `a,b,c`.

    Raises:
        ConfigError: If a name is empty.
    """
    if text is None:
        return None
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise ConfigError(f"--classes expected names with commas between them, as in a,b,c. Received: {text!r}")
    return names


def ensure_writable(folder: Path, option: str) -> None:
    """Create a folder, and prove that files can be made in it.

    Args:
        folder: The folder.
        option: The option that named it, for the message.

    Raises:
        ConfigError: If it can't be created or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Permission bits say nothing about read-only file systems or root, so one file is really made.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigError(
            f"{option} expected a folder that can be written to. Received {os.fspath(folder)!r}: "
            f"{error.strerror or error}. Make it writable, or name another."
        ) from error


def ensure_writable_file(path: Path | None, option: str) -> None:
    """Prove that a file can be written, without touching one that is there.

    Raises:
        ConfigError: If it can't.
    """
    if path is None:
        return
    if path.is_dir() or (path.exists() and not os.access(path, os.W_OK)):
        kind = "a folder" if path.is_dir() else "a file that is write-protected"
        raise ConfigError(f"{option} expected a file to write. Received {os.fspath(path)!r}, {kind}.")
    if not path.exists():
        ensure_writable(path.parent, option)
