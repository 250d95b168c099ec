"""Reading and checking arguments that several commands have."""

from __future__ import annotations

import dataclasses
import math
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from centernet.cli.console import STDOUT
from centernet.errors import ConfigError

if TYPE_CHECKING:
    from centernet.models.test_time import TestTime


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


def read_scales(text: str | None) -> tuple[float, ...] | None:
    """Scales out of `0.6,1,1.2`.

    Raises:
        ConfigError: If one is no number above 0.
    """
    if text is None:
        return None
    try:
        scales = tuple(float(part) for part in text.split(","))
    except ValueError:
        scales = ()
    if not scales or not all(0 < scale < math.inf for scale in scales):
        raise ConfigError(f"--scales expected numbers above 0 with commas, as in 0.6,1,1.2. Received: {text!r}")
    return scales


def change_passes(
    default: TestTime | None, flip: bool | None, scales: tuple[float, ...] | None, vote: bool | None = None
) -> TestTime | None:
    """A model's own passes over an image, with what was asked for instead.

    Args:
        default: What the model's description says.
        flip: Whether mirrored, too; None for the model's own.
        scales: All scales; None for the model's own.
        vote: Whether boxes vote; None as published (see `TestTime`).

    Returns:
        The passes; None for those of the model.
    """
    from centernet.models.test_time import TestTime

    asked: dict[str, Any] = {"flip": flip, "scales": scales, "vote": vote}
    given = {name: value for name, value in asked.items() if value is not None}
    return dataclasses.replace(default or TestTime(), **given) if given else None


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
    if path is None or path == STDOUT:
        return
    if path.is_dir() or (path.exists() and not os.access(path, os.W_OK)):
        kind = "a folder" if path.is_dir() else "a file that is write-protected"
        raise ConfigError(f"{option} expected a file to write. Received {os.fspath(path)!r}, {kind}.")
    if not path.exists():
        ensure_writable(path.parent, option)
