"""From any source of weights to a path on this machine, and to the checkpoint that lies there."""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.parse import urlsplit

from centernet.checkpoints import hub
from centernet.checkpoints.saved import saving
from centernet.files.archive import extract
from centernet.files.download import download
from centernet.files.environment import cache_dir
from centernet.models import presets

ARCHIVES = (".tar.gz", ".tgz", ".tar", ".zip", ".keras")


def fetch(source: str, wanted: str = "the name of a model") -> Path:
    """A path on this machine for a path, an address or a handle; archives are downloaded and unpacked.

    Args:
        source: The path, address or handle.
        wanted: What else it might have been, for the message.

    Returns:
        The path.

    Raises:
        ConfigError: If it is neither a path nor the name of a model.
        DownloadError: If it can't be fetched.
    """
    if hub.is_hub_handle(source):
        return hub.resolve_handle(source)
    if urlsplit(source).scheme in ("http", "https"):
        # Archives of different addresses may have one name.
        return fetch_archive(source, cache_dir() / "archives" / hashlib.sha256(source.encode()).hexdigest()[:12])
    path = Path(source).expanduser()
    if path.is_file() and path.name.endswith(ARCHIVES):
        return _unpacked(path)
    if not source.strip() or not (path.exists() or Path(f"{path}.index").exists()):
        presets.find_model(source, wanted)  # not one of these: the error has the nearest names
    return path


def fetch_archive(url: str, folder: Path) -> Path:
    """Where the archive of an address is unpacked, downloaded to `folder` unless it is there.

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
    """Whether a folder itself is a checkpoint's, rather than the wrapping of one."""
    return saving.is_saved(folder) or checkpoint_prefix(folder) is not None


def _stem(name: str) -> str:
    suffix = next((suffix for suffix in ARCHIVES if name.endswith(suffix)), "")
    return name.removesuffix(suffix)
