"""Where the package's own files are, and its version."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def configs_dir() -> Path:
    """Folder of the descriptions: inside an installed package, or at the top of a checkout."""
    package = Path(__file__).parents[1]
    inside = package / "configs"
    return inside if inside.is_dir() else package.parent / "configs"


@cache
def package_version() -> str:
    """The version of the installed package."""
    try:
        return version("centernet")
    except PackageNotFoundError:  # imported from a checkout that was never installed
        return "0+unknown"
