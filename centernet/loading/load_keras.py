"""`centernet.load`: a detector with weights, from a name, a path, an address or a handle."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from centernet.checkpoints.locate import Located, describe, find, locate_published, locate_weights
from centernet.checkpoints.pytorch.checkpoint import PyTorchCheckpoint
from centernet.checkpoints.pytorch.loading import load_pytorch
from centernet.checkpoints.report import LoadReport
from centernet.checkpoints.saved.weights_file import find_weights, load_weights, read_weights
from centernet.checkpoints.zoo.loading import load_checkpoint, transfer
from centernet.checkpoints.zoo.tf_checkpoint import TensorFlowCheckpoint
from centernet.data.classes import class_names
from centernet.data.keypoints import KeypointTask
from centernet.detector import DETECTORS, Detector
from centernet.errors import CenterNetError, CheckpointError, ConfigError
from centernet.models.backbones.build import without_initialization
from centernet.models.config import ModelConfig

PUBLISHED = "published"
logger = logging.getLogger("centernet")
__all__ = ["PUBLISHED", "build", "changed", "describe", "load", "rebuilt"]


def load(
    source: str | Path,
    weights: str | Path | None = PUBLISHED,
    classes: int | Sequence[str] | None = None,
    *,
    keypoints: KeypointTask | None = None,
    image_size: tuple[int, int] | None = None,
) -> Detector:
    """Load a detector.

    Args:
        source: A name of `centernet.list_models()`; a YAML (ours or an experiment of Model Garden); a `pipeline.config`
            of the Detection API (then say `weights=`); a folder
            or `.zip` written by `Detector.save`; a `ckpt-N` prefix; a folder or `.tar.gz` of the Detection
            Zoo; an exported `saved_model`; an `https://` address of such an archive; a handle of TF-Hub or
            Kaggle.
        weights: `"published"` for the weights that belong to the source, None for random weights, or
            the path or address of weights: any of the forms above, or a `.weights.h5` file.
        classes: New classes: names or a number. The trunk and the channels of classes with the same name are kept,
            the remaining channels of class heatmaps are new. If the source has as many classes without names, these
            become their names.
        keypoints: New keypoints, such as the `keypoints` of a `Dataset`. Their heads are new.
        image_size: New height and width of the network's input in pixels.

    Returns:
        The detector; `detector.report` lists what was loaded from where, what was left over and what is new.

    Raises:
        ConfigError: If the source is unknown or its description is invalid.
        CheckpointError: If the weights are damaged or don't fit.
        DownloadError: If they can't be fetched.
    """
    names = None if classes is None else class_names(classes)
    found = _with_weights(find(str(source), weights == PUBLISHED), weights)
    config = found.config
    if names and _names_only(config, names):
        config = rename(config, names)
    detector = _with_read_weights(config, found) if found.form else build(config)
    wanted = changed(detector.config, names, keypoints, image_size)
    if wanted != detector.config:
        detector = rebuilt(detector, wanted, has_weights=found.form is not None)
    if detector.report:
        logger.info("%s", detector.report)
    return detector


def build(config: ModelConfig, *, initialize: bool = True) -> Detector:
    """Build a detector from its description.

    Args:
        config: The description.
        initialize: False if weights are set next, to skip random initialization.

    Returns:
        The detector, without trained weights.
    """
    kind: Any = DETECTORS[config.family]
    if initialize:
        return kind(config)
    with without_initialization():
        return kind(config)


def changed(
    config: ModelConfig,
    classes: tuple[str, ...] | None = None,
    keypoints: KeypointTask | None = None,
    image_size: tuple[int, int] | None = None,
) -> ModelConfig:
    """A description with other classes, keypoints or input size; None keeps the present ones."""
    others: dict[str, Any] = {}
    if classes and classes != config.classes:
        kept = config.keypoints and config.keypoints.class_name in classes
        others |= {"classes": classes, "dataset_ids": ()}
        others |= {} if kept else {"keypoints": None, "task": "boxes"}
    if keypoints and keypoints != config.keypoints:
        others |= {"keypoints": keypoints, "task": "boxes+keypoints" if config.task == "boxes" else config.task}
    if image_size is not None:
        others["preprocessing"] = dataclasses.replace(config.preprocessing, size=image_size)
    config, before = dataclasses.replace(config, **others), config
    return config if config == before else config.with_own_weights()


def rebuilt(detector: Detector, config: ModelConfig, *, has_weights: bool = True) -> Detector:
    """A copy of a detector for another description; its `report` lists the weights that were kept."""
    target = build(config)
    if has_weights:
        target.report = transfer(detector, target)
    return target


def with_weights_of(source: str, config: ModelConfig) -> Detector:
    """A detector with a description and the weights of another one of the same network, as far as they fit.

    Raises:
        ConfigError: If the other one has another backbone or other heads.
    """
    names = config.classes if _names_only(describe(source), config.classes) else None
    other, target = load(source, classes=names), build(config)
    if _network(other) != _network(target):
        raise ConfigError(
            f"Expected weights of the same network: {config.backbone} with {config.heads}. Received: {source} with "
            f"{other.config.backbone} and {other.config.heads}"
        )
    target.report = transfer(other, target)
    return target


def _network(detector: Detector) -> list[tuple[int, ...]]:
    """Shapes of the backbone's weights and of the layer behind it, which tell networks apart."""
    heads = [layer for layer in detector.layers if layer is not detector.backbone and layer.weights]
    return [tuple(weight.shape) for layer in (detector.backbone, *heads[:1]) for weight in layer.weights]


def rename(config: ModelConfig, classes: tuple[str, ...]) -> ModelConfig:
    """The same description with names for its numbered classes."""
    keypoints = config.keypoints
    if keypoints:
        name = classes[config.classes.index(keypoints.class_name)]
        keypoints = dataclasses.replace(keypoints, class_name=name)
    return dataclasses.replace(config, classes=classes, keypoints=keypoints)


def _names_only(config: ModelConfig, names: tuple[str, ...]) -> bool:
    return config.classes == class_names(len(config.classes)) and len(names) == len(config.classes)


def _with_weights(found: Located, weights: str | Path | None) -> Located:
    if weights is None:
        return Located(found.config)
    if weights != PUBLISHED:
        return dataclasses.replace(locate_weights(str(weights)), config=found.config)
    return locate_published(found.config) if found.form is None else found


def _with_read_weights(config: ModelConfig, found: Located) -> Detector:
    """Build a detector while another thread reads its weights, and set them."""
    try:
        with ThreadPoolExecutor(max_workers=1) as pool:
            reading = pool.submit(_reader(found))
            detector = build(config, initialize=False)
            detector.report = _set_weights(detector, found, reading.result())
        return detector
    except CheckpointError as error:
        if found.form != "weights" or found.convert_to is None:
            raise
        logger.warning("%s The published weights are converted again.", error)
        return _with_read_weights(config, locate_published(found.config, use_converted=False))


def _reader(found: Located) -> Callable[[], Any]:
    """A function that reads weights for `_set_weights`. Its imports run in the calling thread."""
    assert found.path is not None
    if found.form == "checkpoint":
        return TensorFlowCheckpoint(found.path).read_all
    if found.form == "pytorch":
        return partial(PyTorchCheckpoint, found.path)

    return partial(read_weights, found.path, find_weights(found.path))


def _set_weights(detector: Detector, found: Located, content: Any) -> LoadReport:
    assert found.path is not None
    if found.form == "checkpoint":
        report = load_checkpoint(detector, content)
        if found.convert_to is not None:
            _keep(detector, found.convert_to)
        return report
    if found.form == "pytorch":
        return load_pytorch(detector, content)

    load_weights(detector, found.path, content)
    names = tuple(variable.path for variable in detector.variables)
    return LoadReport(str(found.path), "weights of this library", names)


def _keep(detector: Detector, target: Path) -> None:
    """Keep a converted copy in the cache; a failure only logs a warning."""
    try:
        detector.save(target)
    except (CenterNetError, OSError) as error:
        logger.warning(
            "The converted weights could not be kept in %s (%s): the next load converts again.", target, error
        )
