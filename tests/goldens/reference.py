"""What the reference computed, read from `points/`."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

POINTS = Path(__file__).parent / "points"
NETWORKS = ("hg104", "resnet50_v1_fpn", "resnet101_v1_fpn", "resnet50_v2", "mobilenetv2fpn")
# Our names of the heads → the reference's.
HEADS = {
    "heatmap": "object_center",
    "size": "box/scale",
    "offset": "box/offset",
    "keypoint_heatmap": "human_pose/keypoint/heatmap",
    "keypoint_regression": "human_pose/keypoint/regression",
    "keypoint_offset": "human_pose/keypoint/offset",
}


def read_json(path: Path) -> Any:
    """The content of a (gzipped) JSON file."""
    data = path.read_bytes()
    return json.loads(gzip.decompress(data) if path.suffix == ".gz" else data)


@cache
def manifests() -> dict[str, Any]:
    """Model → what `README.md` says of `manifests.json.gz`."""
    return read_json(POINTS / "manifests.json.gz")


MODELS = tuple(sorted(manifests()))
KEYPOINT_MODELS = tuple(name for name in MODELS if "kpts" in name)


def training(model: str) -> dict[str, list[int]]:
    """Name → shape of the variables that belong to the model itself."""
    return {name: shape for name, shape in manifests()[model]["training"].items() if name != "save_counter"}


def outputs(model: str) -> dict[str, np.ndarray]:
    """Name → array of everything that was computed with a model."""
    network = next(network for network in NETWORKS if network in model)
    arrays = _arrays(network)
    return {name: arrays[digest] for name, digest in facts(model)["arrays"].items()}


def facts(model: str) -> dict[str, Any]:
    """`arrays` (name → name in the file), `near_ties` (group → pairs of ranks), `signatures`."""
    return _facts()[model]


def group(model: str, prefix: str) -> dict[str, np.ndarray]:
    """The arrays of one group, by the rest of their names; empty if the model doesn't have it."""
    return {
        name.removeprefix(f"{prefix}/"): value
        for name, value in outputs(model).items()
        if name.startswith(f"{prefix}/")
    }


def last_maps(model: str) -> dict[str, np.ndarray]:
    """Our head name → the reference's map of the last stack, `(1, 32, 32, channels)`."""
    found = outputs(model)
    stack = 1 if "hg104" in model else 0
    named = {ours: found.get(f"heads/{theirs}/{stack}") for ours, theirs in HEADS.items()}
    return {name: value for name, value in named.items() if value is not None}


@cache
def units() -> dict[str, np.ndarray]:
    """Name → array of what single functions of the reference computed."""
    with np.load(POINTS / "units.npz") as arrays:
        return dict(arrays)


def unit(name: str, era: str = "") -> np.ndarray:
    """An array of `units`; an era holds only what differs from the latest rules."""
    return units().get(f"{era}/{name}", units()[name])


@cache
def _facts() -> dict[str, Any]:
    return read_json(POINTS / "outputs.json.gz")


@cache
def _arrays(network: str) -> dict[str, np.ndarray]:
    with np.load(POINTS / f"outputs_{network}.npz") as arrays:
        return dict(arrays)
