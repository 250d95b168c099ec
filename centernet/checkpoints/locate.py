"""Locates the weights of a source, and the description of their model."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from centernet.checkpoints.fetching import checkpoint_prefix, fetch, fetch_archive
from centernet.checkpoints.model_garden.experiment import is_experiment, read_experiment
from centernet.checkpoints.pytorch.checkpoint import PyTorchCheckpoint, is_pytorch_file
from centernet.checkpoints.pytorch.recognize import recognize_pytorch, refuse_unloadable
from centernet.checkpoints.saved import saving
from centernet.checkpoints.zoo.pipeline_config import read_pipeline_config
from centernet.checkpoints.zoo.recognize import fits, infer_config
from centernet.errors import CenterNetError, CheckpointError, ConfigError, DownloadError
from centernet.files.environment import cache_dir
from centernet.files.formatting import missing_file
from centernet.files.yaml_files import read_yaml
from centernet.models import presets
from centernet.models.config import ModelConfig
from centernet.models.presets import complete

EXPORTED = (".onnx", ".tflite", ".xml")
CONFIG_SUFFIX = ".config"  # of the Detection API
logger = logging.getLogger("centernet")
__all__ = ["Located", "locate", "locate_published", "locate_weights", "locate_weights_file"]


@dataclass(frozen=True)
class Located:
    """Weights on disk and the model that they belong to.

    Attributes:
        config: The model's description; None if only weights were requested and they don't include one.
        form: `"checkpoint"` (TensorFlow), `"pytorch"`, `"weights"` (a `.weights.h5`), or None without weights.
        path: Prefix of the checkpoint, or the file.
        convert_to: Folder in the cache for the converted copy, if one should be kept (or was used).
    """

    config: ModelConfig
    form: Literal["checkpoint", "pytorch", "weights"] | None = None
    path: Path | None = None
    convert_to: Path | None = None


def locate(source: str) -> Located:
    """Locate the weights of a path, URL or handle, and the description of their model.

    Args:
        source: See `centernet.load`.

    Returns:
        The weights and the model's description.

    Raises:
        ConfigError: If it is neither a path nor the name of a model, or contains no model.
        CheckpointError: If it is damaged, or a PyTorch file of an unsupported network.
    """
    place = fetch(source)
    saved = _saved(place)
    if saved:
        return saved
    if ((place / "saved_model.pb").is_file() and (place / saving.CONFIG).is_file()) or place.suffix in EXPORTED:
        raise ConfigError(
            f"{place} was exported for other programs. Load the detector that it was exported from, as detector.save "
            "wrote it."
        )
    if is_pytorch_file(place):
        shapes = PyTorchCheckpoint(place).shapes
        refuse_unloadable(shapes, place)
        raise ConfigError(
            f"{place} is a PyTorch file ({recognize_pytorch(shapes)}), which doesn't describe its model completely. "
            f"Call centernet.load(model, weights={source!r})."
        )
    prefix = checkpoint_prefix(place)
    if place.name.endswith(".weights.h5"):
        raise ConfigError(
            f"{place} doesn't say which model it belongs to. Call centernet.load(model, weights={source!r})."
        )
    if prefix is None:
        raise ConfigError(
            f"Expected a saved detector, a checkpoint (ckpt-N.index), a folder of the Detection Zoo, a "
            f"saved_model or an archive of these at {place}. Found: {_content(place)}"
        )
    return Located(_describe(place, prefix), "checkpoint", prefix)


def locate_weights(source: str) -> Located:
    """Locate weights only; the `config` of the result may be None or that of another model.

    Raises:
        ConfigError: If there is no such file or model.
    """
    if source in presets.list_models().names:
        return locate_published(presets.find_model(source))
    place = fetch(source, "weights: the name of a model")
    unknown: ModelConfig = None  # type: ignore[assignment] # the caller has the description
    if place.name.endswith(".weights.h5"):
        return Located(unknown, "weights", place)
    saved = _saved(place)
    if saved:
        return saved
    if is_pytorch_file(place):
        return Located(unknown, "pytorch", place)
    prefix = checkpoint_prefix(place)
    if prefix is None:
        raise CheckpointError(
            f"Expected weights at {place}: a .weights.h5 file, a PyTorch file, a saved detector, a checkpoint "
            f"(ckpt-N.index), a folder of the Detection Zoo or a saved_model. Found: {_content(place)}"
        )
    return Located(unknown, "checkpoint", prefix)


def locate_weights_file(source: str) -> Path:
    """The HDF5 file of weights that `load_weights` reads.

    Args:
        source: Such a file itself; or a saved detector: its folder, `.zip` or `.keras`.

    Returns:
        The file.

    Raises:
        CheckpointError: If there is no such file, or it holds weights in another format.
    """
    import h5py

    place = Path(source).expanduser()
    if not (place.exists() or Path(f"{place}.index").exists()):
        raise CheckpointError(f"Expected weights at {place}: {missing_file(place)}")
    if place.is_file() and (place.name.endswith(".weights.h5") or h5py.is_hdf5(place)):
        return place
    found = locate_weights(source)
    if found.form != "weights" or found.path is None:
        raise CheckpointError(
            f"Expected a .weights.h5 file or a saved detector at {place}. Received: a checkpoint of another program. "
            f"Call centernet.load(model, weights={source!r})."
        )
    return found.path


def locate_published(config: ModelConfig, *, use_converted: bool = True) -> Located:
    """The published weights of a model: shipped, converted in the cache, or downloaded.

    Args:
        config: The model.
        use_converted: Whether to use a converted copy in the cache.

    Returns:
        The weights.

    Raises:
        ConfigError: If none were published.
        DownloadError: If they can't be fetched; offline, the message says which file is needed where.
        CheckpointError: If a file is not the published one.
    """
    archive = config.archive
    if archive.bundled:
        return Located(config, "weights", presets.configs_dir() / archive.bundled)
    if archive.page:
        raise DownloadError(
            f"The published weights of {config.name} ({archive.file}) can only be downloaded with a browser; the "
            f"authors link them at {archive.page}. Download the file and call centernet.load({config.name!r}, "
            "weights=its path), or give --weights PATH on the command line."
        )
    if not archive.url:
        raise ConfigError(
            f"{config.name} has no published weights. Give the path of a checkpoint: weights=PATH, or --weights PATH "
            "on the command line. In Python, weights=None builds it with random ones."
        )
    converted = cache_dir() / "converted" / config.identifier
    if use_converted and _is_converted(converted, config):
        return Located(config, "weights", converted / saving.WEIGHTS, convert_to=converted)
    folder = fetch_archive(archive.url, cache_dir() / "archives")
    known = folder / archive.checkpoint if archive.checkpoint else None
    there = known is not None and Path(f"{known}.index").is_file()
    prefix = known if there else checkpoint_prefix(folder)
    if prefix is None:
        raise CheckpointError(f"Expected a checkpoint in {folder}. Found: {_content(folder)}")
    _verify(config, folder, prefix)
    return Located(config, "checkpoint", prefix, convert_to=converted)


def _is_converted(folder: Path, config: ModelConfig) -> bool:
    """Whether a folder is a converted copy with the model's current description."""
    try:
        return saving.is_saved(folder) and saving.read_config(folder) == config
    except CenterNetError as error:
        logger.warning("The converted copy in the cache is not used: %s", error)
        return False


def _saved(place: Path) -> Located | None:
    if place.is_dir() and saving.is_saved(place):
        return Located(saving.read_config(place), "weights", place / saving.WEIGHTS)
    return None


def _describe(place: Path, prefix: Path) -> ModelConfig:
    """The model of a checkpoint, from its folder's name, a file beside it, or else its tensors."""
    folders = prefix.absolute().parents[:3]
    names = presets.list_models().names
    for folder in (place, *folders):
        # Fine-tuned models often keep the folder of the published one.
        if folder.name in names and fits(prefix, presets.find_model(folder.name)):
            return presets.find_model(folder.name)
    for folder in folders:
        for name in ("pipeline.config", "model.config"):
            if (folder / name).is_file():
                return infer_config(prefix, read_pipeline_config(folder / name, strict=False))
        parameters = folder / "params.yaml"  # what Model Garden's trainer writes
        if parameters.is_file() and is_experiment(read_yaml(parameters)):
            return read_model(parameters)
    return infer_config(prefix)


def _verify(config: ModelConfig, folder: Path, prefix: Path) -> None:
    """Verify the SHA-256 of the files that will be read."""
    used = prefix.relative_to(folder).as_posix()
    for name, expected in config.archive.sha256.items():
        path = folder / name
        if name.startswith(f"{used}.") and path.is_file():
            with path.open("rb") as file:
                actual = hashlib.file_digest(file, "sha256").hexdigest()
            if actual != expected.lower():
                raise CheckpointError(
                    f"{path} is not the published file: its sha256 is {actual}, expected {expected}. Remove "
                    f"{folder} and its archive to fetch it again, or pass weights={str(prefix)!r} to use it."
                )


def _content(place: Path) -> str:
    if not place.exists():
        return "nothing"
    if place.is_file():
        return f"a file of {place.stat().st_size} bytes"
    names = sorted(path.name for path in place.iterdir())
    return ", ".join(names[:8]) or "an empty folder"


def describe(source: str | Path) -> ModelConfig:
    """The description of a source of `centernet.load`, without its weights."""
    return find(str(source), with_weights=False).config


def find(source: str, with_weights: bool) -> Located:
    """The description that a source contains or names and, if wanted, its weights."""
    if source in presets.list_models().names:
        config = presets.find_model(source)
        return locate_published(config) if with_weights else Located(config)
    if source.lower().endswith((".yaml", ".yml", CONFIG_SUFFIX)):
        return Located(read_model(source))
    return locate(source)


def read_model(path: str | Path) -> ModelConfig:
    """Read the description of a model: a YAML of ours, an experiment of Model Garden, or a `pipeline.config`.

    Args:
        path: The file. `classes` and `keypoints` may name a table of `configs/labels` and
            `configs/keypoints`.

    Returns:
        The description.

    Raises:
        ConfigError: If the file can't be read as one, or has an unknown key or value.
    """
    if str(path).lower().endswith(CONFIG_SUFFIX):
        return complete(read_pipeline_config(Path(path)), str(path))
    data = read_yaml(path)
    return complete(read_experiment(path) if isinstance(data, dict) and is_experiment(data) else data, str(path))
