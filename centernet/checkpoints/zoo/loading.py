"""Sets a detector's weights from a checkpoint, strictly: every tensor is used, every variable is set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from centernet.checkpoints.report import LoadReport
from centernet.checkpoints.zoo.names import DEFAULT_TASK, UNUSED_LAYERS, head_paths, layer_paths
from centernet.checkpoints.zoo.recognize import FAMILY, recognize
from centernet.checkpoints.zoo.tf_checkpoint import TensorFlowCheckpoint
from centernet.errors import CheckpointError

NAMES_SHOWN = 8
CLASS_HEATMAPS = ("heatmap", "top_left", "bottom_right", "center")  # of both families


def load_checkpoint(detector: Any, checkpoint: TensorFlowCheckpoint) -> LoadReport:
    """Set every variable of a detector from a checkpoint of the Detection Zoo or of Model Garden.

    Args:
        detector: A `PointDetector`.
        checkpoint: The checkpoint.

    Returns:
        The tensors used and left over.

    Raises:
        CheckpointError: If the file is damaged, belongs to another architecture or number of classes, leaves a variable
            unset or has an unknown tensor. The detector is unchanged then.
    """
    if detector.config.family != FAMILY:
        raise CheckpointError(
            f"Expected a checkpoint of family {detector.config.family!r} for {detector.config.name}. Received: "
            f"{checkpoint.prefix}, of family {FAMILY!r} like all of the Detection Zoo and of Model Garden. It looks "
            f"like {recognize(checkpoint)}."
        )
    wanted = list(_wanted(detector, checkpoint.keypoint_task() or DEFAULT_TASK))
    keys = _matching_keys(detector, checkpoint, wanted)
    left_over = _left_over(detector, checkpoint, set(keys))
    # Read all before setting the first: a damaged file must not leave a mixture.
    values = [_numbers(checkpoint, key) for key in keys]
    for _, _, variable in reversed(wanted):
        variable.assign(values.pop())
    return LoadReport(str(checkpoint.prefix), checkpoint.form, tuple(keys), left_over)


def _numbers(checkpoint: TensorFlowCheckpoint, key: str) -> Any:
    """A tensor of numbers; text is an error."""
    value = checkpoint.read(key)
    if isinstance(value, np.ndarray) and value.dtype.kind in "OSU":
        raise CheckpointError(f"Expected numbers in {key} of {checkpoint.prefix}. Received: {value.dtype}.")
    return value


def _wanted(detector: Any, task: str) -> Iterator[tuple[str, tuple[str, ...], Any]]:
    """Every variable of the detector: its name here, its path in the checkpoint, the variable."""
    backbone = detector.backbone
    paths = layer_paths(detector.config.backbone["name"], backbone)
    heads = [layer for layer in detector.layers if layer is not backbone and layer.weights]
    for layer, path in [
        *((layer, paths[layer.name]) for layer in backbone.layers if layer.weights),
        *((layer, head_paths(layer.name, task)) for layer in heads),
    ]:
        for variable in layer.weights:
            depthwise = isinstance(layer, keras.layers.DepthwiseConv2D) and variable.name == "kernel"
            leaf = "depthwise_kernel" if depthwise else variable.name  # renamed in Keras 3
            yield f"{layer.name}/{variable.name}", (*path, leaf), variable


def _matching_keys(detector: Any, checkpoint: TensorFlowCheckpoint, wanted: list[Any]) -> list[str]:
    """The key of each variable; the error names those that are missing or have another shape."""
    found_keys = [checkpoint.key(path) for _, path, _ in wanted]
    keys = [key for key in found_keys if key is not None]
    missing = [name for (name, _, _), key in zip(wanted, found_keys, strict=True) if key is None]
    misfits = [
        f"{name} is {tuple(variable.shape)} here and {checkpoint.shapes[key]} in the file"
        for (name, _, variable), key in zip(wanted, found_keys, strict=True)
        if key is not None and checkpoint.shapes[key] != tuple(variable.shape)
    ]
    if missing or misfits:
        raise _mismatch(detector, checkpoint, len(wanted), missing, misfits)
    return keys


def _mismatch(
    detector: Any, checkpoint: TensorFlowCheckpoint, count: int, missing: list[str], misfits: list[str]
) -> CheckpointError:
    found = recognize(checkpoint)
    problems = []
    if missing:
        problems.append(f"{len(missing)} of {count} variables are not in it: {_some(missing)}")
    if misfits:
        problems.append(f"{len(misfits)} have another shape: {_some(misfits)}")
    config = detector.config
    return CheckpointError(
        f"The checkpoint {checkpoint.prefix} doesn't fit {config.name} ({config.backbone['name']}, "
        f"{len(config.classes)} classes{', keypoints' if config.keypoints else ''}). It looks like {found}. "
        f"{'. '.join(problems)}. Nothing was loaded; load it with a model description that fits."
    )


def _left_over(detector: Any, checkpoint: TensorFlowCheckpoint, used: set[str]) -> dict[str, str]:
    """Each unused tensor of the file → reason; one without a reason is an error."""
    unused = {}
    for layer, path in layer_paths(detector.config.backbone["name"], detector.backbone).items():
        for leaf in ("kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance"):
            key = checkpoint.key((*path, leaf)) if layer in UNUSED_LAYERS else None
            if key:
                unused[key] = UNUSED_LAYERS[layer]
    reasons = {key: unused.get(key) or checkpoint.beside_the_model(key) for key in checkpoint.shapes if key not in used}
    unexplained = [key for key, reason in reasons.items() if reason is None]
    if unexplained:
        raise CheckpointError(
            f"The checkpoint {checkpoint.prefix} holds {len(unexplained)} tensors that {detector.config.name} has "
            f"no place for: {_some(unexplained)}. It looks like {recognize(checkpoint)}. Nothing was loaded; load "
            "it with a model description that fits."
        )
    return {key: reason for key, reason in reasons.items() if reason}


def transfer(source: Any, target: Any) -> LoadReport:
    """Copy a detector's weights into one with other classes or keypoints.

    The trunk and all heads are kept, except the last layer of the heatmaps of classes, whose channels are kept for
    class names that both have, and new for the others; and except heads of keypoints that are others.

    Args:
        source: The detector with weights.
        target: A detector of the same architecture with other classes, keypoints or input size.

    Returns:
        What was kept and what is new.
    """
    old, new = source.config.classes, target.config.classes
    kept = {index: old.index(name) for index, name in enumerate(new) if name in old}
    fresh = [name for name in new if name not in old]
    layers = {layer.name: layer for layer in source.layers}
    new_keypoints = bool(target.config.keypoints) and _names(source) != _names(target)
    taken: list[str] = []
    made: dict[str, str] = {}
    target.backbone.set_weights(source.backbone.get_weights())
    for layer in target.layers:
        if layer is target.backbone or not layer.weights:
            continue
        if new_keypoints and layer.name.startswith("keypoint_"):
            made |= {f"{layer.name}/{variable.name}": "heads of new keypoints" for variable in layer.weights}
            continue
        for variable, value in zip(layer.weights, layers[layer.name].get_weights(), strict=True):
            name = f"{layer.name}/{variable.name}"
            if variable.shape == value.shape and not _is_class_layer(layer.name):
                variable.assign(value)
                taken.append(name)
                continue
            channels = ops.convert_to_numpy(variable).copy()
            for index, origin in kept.items():
                channels[..., index] = value[..., origin]
            variable.assign(channels)
            if fresh:
                made[name] = f"channels of new classes ({_some(fresh)})"
            else:
                taken.append(name)
    taken += [f"backbone/{variable.path}" for variable in target.backbone.variables]
    gone = {name: "class that is no longer there" for name in old if name not in new}
    lost = source.config.keypoints and not target.config.keypoints
    others = "the keypoint heads are dropped with their class, the others kept" if lost else "all other heads are kept"
    if new_keypoints:
        others = f"the heads of {len(_names(target))} keypoints are new, the others kept"
    notes = (
        f"classes: {len(kept)} kept by name ({_some([new[i] for i in kept]) or 'none'}), {len(fresh)} new "
        f"({_some(fresh) or 'none'}), {len(gone)} dropped; the trunk is kept; {others}",
    )
    origin = source.report
    return LoadReport(
        origin.source if origin else source.name,
        origin.form if origin else "detector",
        tuple(taken),
        {**(origin.left_over if origin else {}), **gone},
        made,
        notes,
    )


def _names(detector: Any) -> tuple[str, ...]:
    """Names of the keypoints that a detector finds."""
    return detector.config.keypoints.names if detector.config.keypoints else ()


def _is_class_layer(name: str) -> bool:
    """Whether a head's layer has one channel a class: `heatmap_0` and so on, not `heatmap_0_hidden`."""
    head, _, stack = name.rpartition("_")
    return head in CLASS_HEATMAPS and stack.isdigit()


def _some(names: list[str]) -> str:
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more
