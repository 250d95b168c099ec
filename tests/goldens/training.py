"""Targets and losses of the reference of Keypoint Triplets, read from `triplets/`."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

TRIPLETS = Path(__file__).parent / "triplets"
# Our keypoints → the reference's.
KEYPOINTS = {"top_left": "tl", "bottom_right": "br", "center": "ct"}


@cache
def training(file: str) -> dict[str, np.ndarray]:
    """Name → array of `targets` or `losses`; `triplets/pack_training.py` says what they are."""
    with np.load(TRIPLETS / f"{file}.npz") as found:
        return dict(found)


@cache
def losses() -> dict[str, Any]:
    """Case → the reference's losses."""
    return json.loads((TRIPLETS / "losses.json").read_text())


def sample_targets(sample: str) -> dict[str, np.ndarray]:
    """Our target name → what the reference's sampler made of a sample, channels last."""
    found = {name.removeprefix(f"{sample}/"): value for name, value in training("targets").items()}
    targets = {"mask": found["tag_masks"] == 1}
    for ours, theirs in KEYPOINTS.items():
        targets[ours] = np.moveaxis(found[f"{theirs}_heatmaps"], 1, -1)
        targets[f"{ours}_offset"], targets[f"{ours}_cell"] = found[f"{theirs}_regrs"], found[f"{theirs}_tags"]
    return targets


def sample_boxes(sample: str) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Boxes and classes from 0 of each image of a sample."""
    found = [training("targets")[f"{sample}/boxes{image}"] for image in range(2)]
    return [boxes[:, :4] for boxes in found], [boxes[:, 4].astype(int) - 1 for boxes in found]
