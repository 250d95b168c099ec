"""Writes a detector to files of other runtimes."""

from __future__ import annotations

import importlib.util
import logging
import tempfile
from collections.abc import Callable
from pathlib import Path

import keras

from centernet.checkpoints.saved.saving import CONFIG, description_of, put_in_place, read_config, write_config
from centernet.errors import CenterNetError, ConfigError, MissingExtraError, WriteError
from centernet.inference.compiled import check_weights
from centernet.inference.formats import FORMATS, Format, format_of
from centernet.inference.graph import GraphOptions, graph_of
from centernet.models.network import Network

# What a SavedModel that was exported here consists of.
SAVED_MODEL = {"saved_model.pb", "fingerprint.pb", "variables", "assets", CONFIG}
logger = logging.getLogger("centernet")


def export(
    detector: Network,
    path: Path,
    format: str | None,
    options: GraphOptions,
    precision: str = "float32",
    finish: Callable[[Path], None] | None = None,
) -> None:
    """Write a detector to a file; see `Detector.export`.

    Args:
        detector: The detector.
        path: See `Detector.export`.
        format: Likewise.
        options: What the graph takes and computes.
        precision: Of the network's computations, for the description.
        finish: Changes the written file before it is put in place. What it raises leaves nothing behind.
    """
    form = check_target(path, format)
    if options.dtype == "float16" and not form.halves:
        able = " or ".join(one.name for one in FORMATS.values() if one.halves)
        raise ConfigError(f"Expected a format that stores weights in half precision: {able}. Received: {form.name}")
    check_weights(detector)
    if options.passes and detector.config.test_time and detector.config.test_time.tiles:
        logger.warning(
            "The file has the passes of %s over one tile: centernet cuts images into tiles of %d×%d pixels for it, "
            "other programs have to.",
            detector.config.name,
            *detector.config.test_time.tiles,
        )
    path = path.expanduser().absolute()
    model = graph_of(detector, options)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".exporting.") as temporary:
            written = Path(temporary) / f"model{form.suffix}"
            described = Path(temporary) / "model.json"
            passes = options.passes and not options.heads_only and detector.config.test_time is not None
            write_config(
                detector, described, {"passes": passes, "heads_only": options.heads_only, "precision": precision}
            )
            form.write(model, written, described.read_text(encoding="utf-8"), options.dtype)
            if finish:
                finish(written)
            if not form.suffix:
                described = described.rename(written / CONFIG)
            files = {path.with_suffix(suffix): written.with_suffix(suffix) for suffix in form.beside}
            files |= {description_of(path): described} if form.suffix else {}
            put_in_place({**files, path: written}, Path(temporary) / "replaced")
    except OSError as error:
        raise WriteError(f"{path} can't be written: {error}. What was there before is unchanged.") from error


def check_target(path: Path, format: str | None = None) -> Format:
    """Check that a detector can be exported to a path.

    Args:
        path: The path.
        format: See `Detector.export`.

    Returns:
        The form of file.

    Raises:
        ConfigError: If the format is unknown, something else is in the way, or the backend is not TensorFlow.
        MissingExtraError: If what writes the format is not installed.
    """
    form = format_of(path, format)
    path = path.expanduser().absolute()
    if path.resolve() == Path.cwd():
        raise ConfigError("Expected a path to export to other than the current folder.")
    if keras.backend.backend() != "tensorflow":
        raise ConfigError(
            "Expected the TensorFlow backend, on which Keras exports: load the saved detector with "
            f"KERAS_BACKEND=tensorflow. Received: {keras.backend.backend()}"
        )
    missing = [name for name in form.needs if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(f"{', '.join(missing)} is needed: pip install centernet[{form.extra}]")
    ours = _is_description(description_of(path))
    for place in written_by(form, path):
        replaceable = (place.is_file() if place == path else ours) if form.suffix else _is_exported(path)
        if place.exists() and not replaceable:
            raise ConfigError(f"{place} exists and was not exported: it is left alone. Export to another path.")
    return form


def written_by(form: Format, path: Path) -> list[Path]:
    """The files, or the folder, that an export to a path writes."""
    beside = [path.with_suffix(suffix) for suffix in form.beside]
    return [path, *beside, *([description_of(path)] if form.suffix else [])]


def _is_exported(folder: Path) -> bool:
    names = {part.name for part in folder.iterdir()} if folder.is_dir() else {""}
    return not names or (names <= SAVED_MODEL and _is_description(folder / CONFIG))


def _is_description(file: Path) -> bool:
    try:
        read_config(file.parent, file.name)
    except CenterNetError:
        return False
    return True
