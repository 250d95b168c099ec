"""The saved form of a detector: a folder, or one zip of it, with `config.json` and `model.weights.h5`."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from centernet.config import ModelConfig
from centernet.errors import CheckpointError, ConfigError

CONFIG = "config.json"
WEIGHTS = "model.weights.h5"
FORMAT = 1


def save(
    detector: Any, target: Path, *, overwrite: bool = True, dtype: Literal["float16", "float32"] = "float32"
) -> None:
    """Save a detector; see `Detector.save`. An existing saved model is replaced in one step or not at all."""
    _check_target(target, overwrite)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as temporary:
        folder = Path(temporary) / "model"
        folder.mkdir()
        detector.save_weights(folder / WEIGHTS)
        if dtype != "float32":
            convert_weights(folder / WEIGHTS, dtype)
        versions = {name: importlib.metadata.version(name) for name in ("centernet", "keras")}
        description = {"format": FORMAT, "versions": versions, "model": detector.config.to_dict()}
        (folder / CONFIG).write_text(json.dumps(description, indent=1))
        if target.suffix == ".zip":
            packed = folder.with_suffix(".zip")
            with zipfile.ZipFile(packed, "w") as file:
                for part in (CONFIG, WEIGHTS):
                    file.write(folder / part, part)
            os.replace(packed, target)
        else:
            if target.is_dir():
                shutil.rmtree(target)
            os.replace(folder, target)


def is_saved(folder: Path) -> bool:
    """Whether a folder is a detector saved by `save`."""
    return (folder / CONFIG).is_file() and (folder / WEIGHTS).is_file()


def read_config(folder: Path) -> ModelConfig:
    """The description in a saved folder.

    Raises:
        CheckpointError: If it is no such file, or of a later version of the library.
    """
    path = folder / CONFIG
    try:
        description: Mapping[str, Any] = json.loads(path.read_text())
        version, model = int(description["format"]), description["model"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"Expected the description of a saved detector in {path}. {error!r}") from error
    if version > FORMAT:
        raise CheckpointError(
            f"{path} has format {version}; this version of centernet reads up to {FORMAT}. Update centernet."
        )
    return ModelConfig.from_dict(model, where=str(path))


def load_weights(detector: Any, path: Path) -> None:
    """Set the weights from a `.weights.h5` file, every one of them.

    Raises:
        CheckpointError: If the file is damaged or belongs to another network.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras warns of each part that is missing, and then fails
            detector.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).partition("List of objects")[0].strip()
        raise CheckpointError(
            f"The weights {path} are damaged or don't fit {detector.config.name}. Keras says: {reason}"
        ) from error


def convert_weights(path: Path, dtype: str) -> None:
    """Rewrite the float32 values of a `.weights.h5` file in another precision."""
    import h5py

    smaller = path.with_suffix(".part")
    with h5py.File(path) as old, h5py.File(smaller, "w") as new:

        def convert(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset):
                values = item[()]
                if getattr(values, "dtype", None) == "float32":
                    values = values.astype(dtype)
                new.create_dataset(name, data=values)
            else:
                new.require_group(name)
            new[name].attrs.update(item.attrs)

        old.visititems(convert)
    os.replace(smaller, path)


def _check_target(target: Path, overwrite: bool) -> None:
    if not target.exists():
        return
    saved = is_saved(target) if target.is_dir() else target.suffix == ".zip"
    empty = target.is_dir() and not any(target.iterdir())
    if not (saved or empty):
        raise ConfigError(f"{target} exists and is no saved detector: it is left alone. Save to another path.")
    if not overwrite and not empty:
        raise ConfigError(f"{target} exists already. Pass overwrite=True to replace it.")
