"""Writing a detector to a file that other programs run."""

from __future__ import annotations

import importlib.util
import os
import tempfile
from pathlib import Path
from typing import Any

import keras

from centernet.errors import ConfigError, DownloadError, MissingExtraError
from centernet.exporting.formats import Format, format_of
from centernet.exporting.graph import graph_of
from centernet.saving import CONFIG, put_in_place, write_config


def export(detector: Any, path: Path, format: str | None = None, *, image_size: tuple[int, int] | None = None) -> None:
    """Write a detector to a file; see `Detector.export`."""
    path = path.expanduser().absolute()
    form = format_of(path, format)
    _check(form, path)
    model = graph_of(detector, image_size)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".exporting.") as temporary:
            written = Path(temporary) / path.name
            model.export(str(written), format=form.name, verbose=False)
            described = written.with_name(f"{path.name}.json") if form.suffix else written / CONFIG
            write_config(detector, described)
            put_in_place(written, path, Path(temporary) / "replaced")
            if form.suffix:
                os.replace(described, path.with_name(described.name))
    except OSError as error:
        raise DownloadError(f"{path} can't be written: {error}. What was there before is unchanged.") from error


def _check(form: Format, path: Path) -> None:
    if keras.backend.backend() != "tensorflow":
        raise ConfigError(
            "Expected the TensorFlow backend, on which Keras exports: load the saved detector with "
            f"KERAS_BACKEND=tensorflow. Received: {keras.backend.backend()}"
        )
    missing = [name for name in form.needs if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(f"{', '.join(missing)} is needed: pip install centernet[export]")
    replaceable = path.is_file() if form.suffix else _is_saved_model(path)
    if path.exists() and not replaceable:
        raise ConfigError(f"{path} exists and is no {form.name}: it is left alone. Export to another path.")


def _is_saved_model(path: Path) -> bool:
    return path.is_dir() and ((path / "saved_model.pb").is_file() or not any(path.iterdir()))
