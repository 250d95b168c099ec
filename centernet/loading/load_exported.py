"""Loads a detector on another runtime than Keras: an exported file, or one that is exported once and kept."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import logging
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from centernet.checkpoints.fetching import is_hub_handle
from centernet.checkpoints.locate import Located, find, locate_weights
from centernet.errors import CenterNetError, CheckpointError, ConfigError, MissingExtraError
from centernet.files.environment import cache_dir, configs_dir, package_version
from centernet.files.web import is_url
from centernet.inference.runtimes import RUNTIMES, is_exported
from centernet.loading.exported import ExportedDetector

KERAS, AUTO = "keras", "auto"
WRITERS = ("tensorflow", "keras", "onnx", "tf2onnx")  # what writes an ONNX file
CONVERTED_ON = ("onnx", "openvino")  # runtimes for which a detector is exported
MOST_BYTES = 2**28  # of weights that auto exports: more takes minutes, and is no faster elsewhere
AGREEMENT = 1e-3  # largest difference of scores between runtimes
ROUNDS = 5  # of a measurement
logger = logging.getLogger("centernet")


def exported_path(source: str | Path) -> Path | None:
    """The path of an exported file that a source of `centernet.load` names, or None."""
    if is_url(str(source)) or is_hub_handle(str(source)):
        return None
    path = Path(source).expanduser()
    return path if is_exported(path) else None


def load_exported(path: Path, runtime: str | None, **changes: Any) -> ExportedDetector:
    """Load an exported file.

    Args:
        path: The file.
        runtime: See `centernet.load`.
        **changes: Further arguments of `centernet.load`, which an exported file can't take.

    Raises:
        ConfigError: If there are such arguments.
    """
    given = [name for name, value in changes.items() if value is not None]
    if given or runtime == KERAS:
        raise ConfigError(
            f"Expected no {' or '.join(given) or 'runtime=' + repr(KERAS)} for {path}, which was exported. Load the "
            "detector that it was exported from, and export it again."
        )
    return ExportedDetector(path, None if runtime in (None, AUTO) else runtime)


def load_on_runtime(
    source: str, weights: str | Path | None, runtime: str, load_on_keras: Callable[[], Any], *, is_changed: bool
) -> Any:
    """Load a detector for a runtime; see `centernet.load`.

    Args:
        source: As in `centernet.load`.
        weights: As in `centernet.load`.
        runtime: A runtime for which detectors are exported, or `"auto"`.
        load_on_keras: Loads the detector on Keras.
        is_changed: Whether that detector is built anew: random weights, other classes, keypoints or input size.

    Returns:
        An `ExportedDetector`; with `"auto"` the Keras detector where nothing faster can be had.

    Raises:
        ConfigError: If the runtime is unknown, or the model can't be exported for images of any size.
        MissingExtraError: If the runtime, or what writes its files, is not installed.
    """
    if runtime not in (AUTO, *CONVERTED_ON):
        raise ConfigError(f"Expected a runtime of {', '.join((AUTO, KERAS, *CONVERTED_ON))}. Received: {runtime!r}")
    if is_changed:
        raise ConfigError(
            f"Expected a trained detector as it is to run on {runtime}. Received: random weights, other classes, "
            "keypoints or input size. Train and save it, and load what was saved."
        )
    weights = str(weights)
    names = [name for name in CONVERTED_ON if RUNTIMES[name].is_installed and runtime in (AUTO, name)]
    if not names and runtime == AUTO:
        return load_on_keras()
    if not names:
        raise MissingExtraError(
            f"{RUNTIMES[runtime].module} is needed: pip install centernet[{RUNTIMES[runtime].extra}]"
        )
    found = find(source, with_weights=weights == "published")
    if found.config.preprocessing.fit == "original":
        if runtime == AUTO:
            return load_on_keras()
        raise ConfigError(
            f"Expected a model whose input has one size to run on {runtime}. Received: {found.config.name}, which sees "
            "images at their own size. Export it for one size: export(path, image_size=(480, 640))."
        )
    path = _shipped(found) if weights == "published" else None
    if path is None:
        missing = [name for name in WRITERS if importlib.util.find_spec(name) is None]
        files = _weight_files(found if weights == "published" else locate_weights(weights))
        if runtime == AUTO and (missing or sum(file.stat().st_size for file in files) > MOST_BYTES):
            return load_on_keras()
        if missing:
            raise MissingExtraError(f"{', '.join(missing)} is needed to export {source}: pip install centernet[export]")
        path = _cached_path(found, files)
        if not path.is_file():
            logger.info("Exporting %s to %s, once.", found.config.name, path)
            on_keras = load_on_keras()
            try:
                on_keras.export(path)
            except CenterNetError as error:
                if runtime != AUTO:
                    raise
                logger.warning("%s is not exported, and runs on Keras: %s", found.config.name, error)
                return on_keras
    if runtime != AUTO:
        return ExportedDetector(path, runtime)
    return ExportedDetector(path, names[0] if len(names) == 1 else _fastest(path, names))


def _shipped(found: Located) -> Path | None:
    """The exported file that ships with the library, if the weights do."""
    bundled = found.config.archive.bundled
    path = (configs_dir() / bundled).with_name(f"{found.config.name}.onnx") if bundled else None
    return path if path and path.is_file() else None


def _weight_files(found: Located) -> list[Path]:
    """The files of weights: one, or those of a checkpoint's prefix.

    Raises:
        CheckpointError: If there is none.
    """
    path = found.path
    if path is None or path.is_file():
        files = [path] if path else []
    else:
        files = sorted(file for file in path.parent.iterdir() if file.name.startswith(f"{path.name}."))
    if not files:
        raise CheckpointError(f"Expected weights to export at {path}. Found no file.")
    return files


def _cached_path(found: Located, files: list[Path]) -> Path:
    """Place of the exported file in the cache, named by a hash of the weights, the description and the versions."""
    content = hashlib.sha256(json.dumps(found.config.to_dict(), sort_keys=True).encode())
    for file in files:
        with file.open("rb") as opened:
            content.update(hashlib.file_digest(opened, "sha256").digest())
    versions = [package_version(), *map(_version, WRITERS)]
    content.update(" ".join(versions).encode())
    return cache_dir() / "exported" / f"{found.config.identifier}-{content.hexdigest()[:16]}.onnx"


def _version(module: str) -> str:
    """Version of an installed module; "unknown" if its package has another name, as tensorflow-cpu has."""
    try:
        return importlib.metadata.version(module)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def _fastest(path: Path, names: list[str]) -> str:
    """The runtime that is fastest for one photo on this machine, measured once, with the scores of the first."""
    kept = cache_dir() / "exported" / "fastest.json"
    state = path.stat()
    versions = [_version(RUNTIMES[name].module) for name in names]
    key = " ".join(map(str, [path, state.st_size, state.st_mtime_ns, os.cpu_count(), *names, *versions]))
    try:
        known = json.loads(kept.read_text(encoding="utf-8"))
        known = known if isinstance(known, dict) else {}
    except (OSError, ValueError):
        known = {}
    if known.get(key) not in names:
        known[key] = _measured(path, names)
        try:
            kept.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=kept.parent, delete=False, encoding="utf-8") as file:
                json.dump(known, file)
            os.replace(file.name, kept)
        except OSError as error:
            logger.warning("The fastest runtime can't be remembered in %s: %s", kept, error)
    return str(known[key])


def _measured(path: Path, names: list[str]) -> str:
    photo = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    times: dict[str, float] = {}
    expected: np.ndarray | None = None
    for name in names:
        try:
            detector = ExportedDetector(path, name)
            scores = detector.infer([photo])["scores"]
        except CenterNetError as error:
            logger.warning("%s is not used: %s", name, error)
            continue
        expected = scores if expected is None else expected
        if not np.allclose(scores, expected, atol=AGREEMENT):
            logger.warning("%s is not used for %s: its scores differ from those of %s.", name, path.name, names[0])
            continue
        rounds = []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            detector.infer([photo])
            rounds.append(time.perf_counter() - start)
        times[name] = min(rounds)
    return min(times, key=lambda name: times[name]) if times else names[0]
