"""Resolves any source of weights (path, URL, TF-Hub or Kaggle handle) to a local path."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import socket
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from centernet.checkpoints.saved import saving
from centernet.errors import DownloadError
from centernet.files.archive import extract
from centernet.files.download import download
from centernet.files.environment import cache_dir, ensure_writable, is_offline
from centernet.files.web import check_url
from centernet.models import presets

ARCHIVES = (".tar.gz", ".tgz", ".tar", ".zip", ".keras")
_HANDLE = re.compile(r"https://(tfhub\.dev/|(www\.)?kaggle\.com/models/)[^/]")
_CACHE_VARIABLE = "TFHUB_CACHE_DIR"
_STALL_SECONDS = 60.0  # tensorflow_hub has no timeout


def fetch(source: str, wanted: str = "the name of a model") -> Path:
    """The local path of a path, URL or handle; archives are downloaded and unpacked.

    Args:
        source: The path, URL or handle.
        wanted: What else the source may be, for the error message.

    Returns:
        The path.

    Raises:
        ConfigError: If it is neither a path nor the name of a model.
        DownloadError: If it can't be fetched.
    """
    if is_hub_handle(source):
        return resolve_handle(source)
    if urlsplit(source).scheme in ("http", "https"):
        # Archives of different URLs may have the same name.
        return fetch_archive(source, cache_dir() / "archives" / hashlib.sha256(source.encode()).hexdigest()[:12])
    path = Path(source).expanduser()
    if path.is_file() and path.name.endswith(ARCHIVES):
        return _unpacked(path)
    if not source.strip() or not (path.exists() or Path(f"{path}.index").exists()):
        presets.find_model(source, wanted)  # not one of these: the error has the nearest names
    return path


def fetch_archive(url: str, folder: Path) -> Path:
    """The folder of an unpacked archive, which is downloaded to `folder` unless it is there.

    Raises:
        DownloadError: If it can't be fetched; offline, the message says which file is needed where.
    """
    name = Path(urlsplit(url).path).name.lstrip(".") or "archive"
    target, unpacked = folder / name, folder / (_stem(name) if _stem(name) != name else f"{name}.unpacked")
    if not unpacked.is_dir() or not any(unpacked.iterdir()):
        download(url, target)
    return _unpacked(target, unpacked)


def checkpoint_prefix(place: Path) -> Path | None:
    """Prefix of the checkpoint in a folder of the zoo, a SavedModel or a folder of checkpoints; the latest one."""
    if Path(f"{place}.index").is_file():
        return place
    if place.suffix == ".index" and place.is_file():
        return place.with_suffix("")
    for folder in (place / "checkpoint", place, place / "saved_model" / "variables", place / "variables"):
        found = [path.with_suffix("") for path in folder.glob("*.index")]
        if found:
            return max(found, key=lambda prefix: (_step(prefix), prefix.name))
    return None


def _step(prefix: Path) -> int:
    number = prefix.name.rpartition("-")[2]
    return int(number) if number.isdigit() else -1


def _unpacked(archive: Path, folder: Path | None = None) -> Path:
    """The folder that an archive unpacks to; one that lies elsewhere is unpacked in the cache."""
    if folder is None:
        state = archive.stat()
        key = hashlib.sha256(f"{archive.resolve()}:{state.st_size}:{state.st_mtime_ns}".encode()).hexdigest()[:12]
        folder = cache_dir() / "unpacked" / f"{_stem(archive.name)}-{key}"
    extract(archive, folder)  # unless it is unpacked already
    inner = [path for path in folder.iterdir() if not path.name.startswith(".")]
    return inner[0] if len(inner) == 1 and inner[0].is_dir() and not _is_place(folder) else folder


def _is_place(folder: Path) -> bool:
    """Whether a folder is itself a checkpoint's, not just the top folder of an archive."""
    return saving.is_saved(folder) or checkpoint_prefix(folder) is not None


def _stem(name: str) -> str:
    suffix = next((suffix for suffix in ARCHIVES if name.endswith(suffix)), "")
    return name.removesuffix(suffix)


def is_hub_handle(source: str) -> bool:
    """Whether a string is a TF-Hub or Kaggle model handle (an `https://` URL)."""
    return _HANDLE.match(source) is not None


def resolve_handle(handle: str) -> Path:
    """The local folder of a hub model, downloaded on first use.

    Models are cached in `$TFHUB_CACHE_DIR`, or in `hub` in the cache folder if that is not set. A cached model needs
    neither the network nor `tensorflow_hub`.

    Args:
        handle: `https://tfhub.dev/...`, `https://www.kaggle.com/models/...`, or anything else that
            `tensorflow_hub.resolve` understands, such as a local folder.

    Returns:
        The folder that holds the model (`saved_model.pb`, `variables/`).

    Raises:
        DownloadError: The handle can't be resolved, or `CENTERNET_OFFLINE` is set and it isn't kept yet.
    """
    if "://" not in handle:
        return _resolve(handle)
    check_url(handle)
    folder = _hub_cache() / hashlib.sha1(handle.encode(), usedforsecurity=False).hexdigest()
    if folder.is_dir() and any(folder.iterdir()):
        return folder
    if is_offline():
        raise DownloadError(
            f"CENTERNET_OFFLINE is set and {handle} is not in the hub cache. Its folder would be {folder} "
            f"({_CACHE_VARIABLE} moves that cache): put the unpacked model there, or unset CENTERNET_OFFLINE."
        )
    ensure_writable(folder.parent)
    return _resolve(handle)


def _hub_cache() -> Path:
    return Path(os.environ.get(_CACHE_VARIABLE) or cache_dir() / "hub").expanduser()


def _resolve(handle: str) -> Path:
    try:
        with _pkg_resources():
            import tensorflow_hub
    except ImportError as error:
        raise DownloadError(
            f"{handle} needs tensorflow_hub, which can't be imported: {error}. "
            'Run: pip install "tensorflow-hub>=0.16" packaging'
        ) from error
    try:
        with _hub_settings():
            found = os.fspath(tensorflow_hub.resolve(handle))
    # The resolver, TensorFlow's file system and the archive reader raise different types.
    except Exception as error:
        raise DownloadError(
            f"tensorflow_hub could not resolve {handle}: {type(error).__name__}: {error}. Check that "
            "the handle ends in a version and opens in a browser; or download the model there as .tar.gz and "
            "pass its path."
        ) from error
    if "://" in found:
        raise DownloadError(
            f"tensorflow_hub resolved {handle} to {found}, which is not on this computer. "
            "Unset TFHUB_MODEL_LOAD_FORMAT."
        )
    return Path(found)


@contextmanager
def _pkg_resources() -> Iterator[None]:
    """Stand in for `pkg_resources`, which new versions of setuptools lack, while tensorflow_hub 0.16 imports it.

    tensorflow_hub uses only `parse_version`. The stand-in is removed afterwards, so that no other library sees it.
    """
    name = "pkg_resources"
    if name in sys.modules or importlib.util.find_spec(name) is not None:
        yield
        return
    from packaging.version import parse

    stand_in = types.ModuleType(name)
    stand_in.__dict__["parse_version"] = parse
    sys.modules[name] = stand_in
    try:
        yield
    finally:
        del sys.modules[name]


@contextmanager
def _hub_settings() -> Iterator[None]:
    """Set tensorflow_hub's cache folder and a timeout, and restore both."""
    before = os.environ.get(_CACHE_VARIABLE)
    limit = socket.getdefaulttimeout()
    os.environ[_CACHE_VARIABLE] = str(_hub_cache())
    socket.setdefaulttimeout(limit or _STALL_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(limit)
        if before is None:
            del os.environ[_CACHE_VARIABLE]
        else:
            os.environ[_CACHE_VARIABLE] = before
