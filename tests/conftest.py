"""What all tests share: tolerances of the backend, and data that is too large for the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from backends import TOLERANCES, Tolerance, backend

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


@pytest.fixture(scope="session")
def tolerance() -> Tolerance:
    return TOLERANCES[backend()]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with photos and checkpoints that are not part of the repository."""
    repository = Path(__file__).parents[1]
    folder = Path(os.environ.get("CENTERNET_SHARED", repository.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"needs data that is not in the repository; {folder} is not there (CENTERNET_SHARED names it)")
    return folder
