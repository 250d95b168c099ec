"""Sets a detector's weights from a PyTorch file of either reference implementation, strictly."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from centernet.checkpoints.pytorch.checkpoint import PyTorchCheckpoint
from centernet.checkpoints.pytorch.names import VARIABLES, Source, head_source, layer_source
from centernet.checkpoints.pytorch.recognize import recognize_pytorch, refuse_unloadable
from centernet.checkpoints.report import LoadReport
from centernet.errors import CheckpointError
from centernet.models.triplets.pooling import REFERENCE_NAMES

NAMES_SHOWN = 8
BRANCHES = {"top_left": "tl", "bottom_right": "br", "center": "ct"}
KINDS = {"": "heats", "_embedding": "tags", "_offset": "regrs"}


def load_pytorch(detector: Any, checkpoint: PyTorchCheckpoint) -> LoadReport:
    """Set every variable of a detector from a PyTorch file; PyTorch itself isn't needed, and nothing is executed.

    Args:
        detector: A `TripletDetector`, or a `PointDetector` of Zhou's architectures.
        checkpoint: The file.

    Returns:
        The tensors used and left over.

    Raises:
        CheckpointError: If the file is damaged or belongs to another network. The detector is unchanged then.
    """
    refuse_unloadable(checkpoint.shapes, checkpoint.prefix)
    wanted = list(_wanted(detector))
    _check(detector, checkpoint, wanted)
    left_over = _left_over(detector, checkpoint, {source.key for _, source, _ in wanted})
    for _, source, variable in wanted:
        variable.assign(source.array(checkpoint.read(source.key)))
    return LoadReport(str(checkpoint.prefix), checkpoint.form, tuple(source.key for _, source, _ in wanted), left_over)


def triplet_source(layer: str, path: str) -> Source:
    """The source of a variable of a triplet detector's pooling module or head.

    Args:
        layer: `{branch}_{stack}_pooling`, or a head such as `top_left_embedding_0` or `center_0_hidden`.
        path: Path of the variable; its last part is the variable, the one before a part of the module.

    Returns:
        Its source.

    Raises:
        KeyError: If the reference has no such layer.
    """
    *_, part, variable = path.split("/")
    if match := re.fullmatch(r"(top_left|bottom_right|center)_(\d+)_pooling", layer):
        return Source(f"{BRANCHES[match[1]]}_cnvs.{match[2]}.{REFERENCE_NAMES[part]}.{VARIABLES[variable]}")
    match = re.fullmatch(r"(top_left|bottom_right|center)(_embedding|_offset)?_(\d+)(_hidden)?", layer)
    if not match:
        raise KeyError(layer)
    branch, kind, stack, hidden = match.groups()
    place = "0.conv" if hidden else "1"
    return Source(f"{BRANCHES[branch]}_{KINDS[kind or '']}.{stack}.{place}.{VARIABLES[variable]}")


def _wanted(detector: Any) -> Iterator[tuple[str, Source, Any]]:
    """Every variable of the detector: its name here, its source in the file, the variable."""
    config = detector.config
    hourglass = config.backbone["name"].startswith("hourglass")
    try:
        for layer in detector.backbone.layers:
            for variable in layer.weights:
                yield f"{layer.name}/{variable.name}", layer_source(layer.name, variable.name), variable
        for layer in detector.layers:
            for variable in layer.weights if layer is not detector.backbone else ():
                if config.family == "triplets":
                    source = triplet_source(layer.name, variable.path)
                else:
                    channels = variable.shape[-1]
                    source = head_source(layer.name, variable.name, channels, hourglass=hourglass)
                yield f"{layer.name}/{variable.name}", source, variable
    except KeyError as error:
        raise CheckpointError(
            f"No PyTorch weights were published for {config.backbone['name']} with {config.family} heads (layer "
            f"{error}). Load them into one of the models that they belong to."
        ) from error


def _check(detector: Any, checkpoint: PyTorchCheckpoint, wanted: list[Any]) -> None:
    """Compare names and shapes; the error names what doesn't fit."""
    shapes = checkpoint.shapes
    missing = [name for name, source, _ in wanted if source.key not in shapes]
    misfits = [
        f"{name} is {tuple(variable.shape)} here and {source.shape(shapes[source.key])} in the file"
        for name, source, variable in wanted
        if source.key in shapes and source.shape(shapes[source.key]) != tuple(variable.shape)
    ]
    problems = []
    if missing:
        problems.append(f"{len(missing)} of {len(wanted)} variables are not in it: {_some(missing)}")
    if misfits:
        problems.append(f"{len(misfits)} have another shape: {_some(misfits)}")
    if problems:
        raise _mismatch(detector, checkpoint, ". ".join(problems))


def _left_over(detector: Any, checkpoint: PyTorchCheckpoint, used: set[str]) -> dict[str, str]:
    """Why each tensor that was not taken was left; one without a reason is an error."""
    rest = [key for key in (*checkpoint.shapes, *checkpoint.outer) if key not in used]
    reasons = {key: checkpoint.beside_the_model(key) for key in rest}
    unexplained = [key for key, reason in reasons.items() if reason is None]
    if unexplained:
        raise _mismatch(
            detector, checkpoint, f"It holds {len(unexplained)} tensors that have no place: {_some(unexplained)}"
        )
    return {key: reason for key, reason in reasons.items() if reason}


def _mismatch(detector: Any, checkpoint: PyTorchCheckpoint, problem: str) -> CheckpointError:
    config = detector.config
    return CheckpointError(
        f"The file {checkpoint.prefix} doesn't fit {config.name} ({config.backbone['name']}, {len(config.classes)} "
        f"classes). It looks like {recognize_pytorch(checkpoint.shapes)}. {problem}. Nothing was loaded; load it with "
        "a model description that fits."
    )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more
