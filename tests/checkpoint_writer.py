"""Writes the weights of a detector as the Detection API would have, in both of its forms."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from goldens.checkpoints import SUFFIX, write

from centernet.checkpoints.zoo.names import DEFAULT_TASK, head_paths, layer_paths

COUNTER = {"save_counter": np.ones((), np.int64)}


def tensors_of(detector: Any, task: str = DEFAULT_TASK) -> dict[str, np.ndarray]:
    """Name in a training checkpoint, without its ending → value, of every variable of a detector."""
    paths = layer_paths(detector.config.backbone["name"], detector.backbone)
    places = [(layer, paths[layer.name]) for layer in detector.backbone.layers if layer.weights]
    places += [(layer, head_paths(layer.name, task)) for layer in detector.layers[2:] if layer.weights]
    tensors = {}
    for layer, path in places:
        for variable in layer.weights:
            depthwise = isinstance(layer, keras.layers.DepthwiseConv2D) and variable.name == "kernel"
            leaf = "depthwise_kernel" if depthwise else variable.name
            name = "/".join(part.replace("/", ".S") for part in (*path, leaf))
            tensors[name] = np.array(keras.ops.convert_to_numpy(variable))
    return tensors


def write_training(
    detector: Any,
    prefix: Path,
    *,
    changes: Mapping[str, np.ndarray | None] | None = None,
    objects: bool = True,
    task: str = DEFAULT_TASK,
) -> Path:
    """A training checkpoint: `model/...` and a counter.

    Args:
        detector: Whose weights.
        prefix: Path without `.index`.
        changes: Tensors that are other, more or (None) missing.
        objects: Whether the object graph says the same as the names; otherwise it is empty.
        task: Name of the keypoint task.

    Returns:
        The prefix.
    """
    tensors = {**tensors_of(detector, task), **COUNTER, **(changes or {})}
    kept = {name: value for name, value in tensors.items() if value is not None}
    return write(prefix, kept, {name: name for name in kept if "OPTIMIZER_SLOT" not in name} if objects else {})


def write_saved_model(detector: Any, folder: Path, *, changes: Mapping[str, np.ndarray | None] | None = None) -> Path:
    """The variables of a SavedModel: numbers for names, which only the object graph explains.

    Args:
        detector: Whose weights.
        folder: Where `variables/variables.index` goes.
        changes: As in `write_training`.

    Returns:
        The folder.
    """
    tensors = {**tensors_of(detector), **(changes or {})}
    origins = {name: value for name, value in tensors.items() if value is not None}
    # In an order of their own, as published.
    keys = {name: f"_model/_feature_extractor/variables/{n}" for n, name in enumerate(sorted(origins, reverse=True))}
    keys |= {name: f"_{name}" for name in origins if "_prediction_head_dict" in name}
    write(
        folder / "variables" / "variables",
        {keys[name]: value for name, value in origins.items()},
        {f"_{name}": key for name, key in keys.items()},
    )
    return folder


def write_zoo_folder(detector: Any, folder: Path, *, saved_model: bool = True) -> Path:
    """A folder as the archives of the zoo unpack to."""
    write_training(detector, folder / "checkpoint" / "ckpt-0")
    (folder / "checkpoint" / "checkpoint").write_text('model_checkpoint_path: "ckpt-0"\n')
    (folder / "pipeline.config").write_text(pipeline_config(detector))
    if saved_model:
        write_saved_model(detector, folder / "saved_model")
        (folder / "saved_model" / "saved_model.pb").write_bytes(b"a graph that is not read")
    return folder


def pack(folder: Path, archive: Path, names: Iterable[str] | None = None) -> Path:
    """A `.tar.gz` of a folder under its own name, or of some things in it."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, "w:gz", compresslevel=1) as file:
        for name in names or [""]:
            file.add(folder / name, name or folder.name)
    return archive


def pipeline_config(detector: Any, detections: int = 77) -> str:
    """What the Detection API would have written for a MobileNetV2 FPN, as far as it matters."""
    side = detector.config.preprocessing.size[0]
    return f"""model {{ center_net {{
        num_classes: {len(detector.config.classes)}
        feature_extractor {{ type: "mobilenet_v2_fpn_sep_conv" }}
        image_resizer {{ keep_aspect_ratio_resizer {{ min_dimension: {side} max_dimension: {side} }} }}
        object_center_params {{ max_box_predictions: {detections} }}
    }} }}"""


__all__ = ["SUFFIX", "pack", "pipeline_config", "tensors_of", "write_saved_model", "write_training", "write_zoo_folder"]
