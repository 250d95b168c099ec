"""Targets and losses of the reference of Objects as Points, read from `points/training.*`, in our form."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from goldens.reference import HEADS, POINTS, group, read_json

UNIT_SIZE = (96, 128)  # height and width of the input of `targets/` and `kp_targets/`
CANVAS = (128, 128)  # of the models' losses


@cache
def training() -> dict[str, np.ndarray]:
    """Name → array; `points/pack_training.py` says what they are."""
    with np.load(POINTS / "training.npz") as found:
        return dict(found)


def unit_objects(unit: str) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The objects of `targets` or `kp_targets`, of both images, and their weights; keypoints come with the latter."""
    found = {name.removeprefix(f"{unit}/input/"): value for name, value in training().items()}
    slots = len(found["boxes0"])
    objects: dict[str, list[np.ndarray]] = {"boxes": [], "class_ids": [], "weights": []}
    if unit == "kp_targets":
        objects["keypoints"] = []
    for image in range(2):
        objects["boxes"].append(padded(in_pixels(found[f"boxes{image}"], UNIT_SIZE), slots))
        objects["class_ids"].append(padded(found[f"classes{image}"].argmax(axis=-1).astype(np.int32), slots, -1))
        objects["weights"].append(padded(found[f"weights{image}"], slots))
        if unit == "kp_targets":
            objects["keypoints"].append(padded(with_visibility(found[f"keypoints{image}"], UNIT_SIZE), slots))
    arrays = {name: np.stack(values) for name, values in objects.items()}
    return arrays, arrays.pop("weights")


def of_units(values: np.ndarray) -> np.ndarray:
    """Values of our slots `(2, 8, ...)` in the order of the reference: the objects of the first image, the second's."""
    counts = (len(training()[f"targets/input/boxes{image}"]) for image in range(2))
    return np.concatenate([values[image, :count] for image, count in enumerate(counts)])


def loss_objects(model: str) -> dict[str, np.ndarray]:
    """The objects that the losses of a model belong to, of both images."""
    found = training()
    classes = 1 if "mobilenetv2fpn_512x512_coco17_kpts" in model else 90
    objects = {
        "boxes": in_pixels(found["loss_input/boxes"], CANVAS),
        "class_ids": found[f"loss_input/class_ids/{classes}"],
    }
    if "kpts" in model:
        objects["keypoints"] = with_visibility(found["loss_input/keypoints"], CANVAS)
    return objects


def reference_losses(model: str, case: str) -> dict[str, float]:
    """Our head name (and `loss`, the total) → loss, of `loss_batch1`, ..., `published_loss_batch2`."""
    found: dict[str, Any] = _losses()[model]
    named = {ours: found.get(f"{case}/Loss/{theirs}") for ours, theirs in HEADS.items()}
    return {"loss": found[f"{case}/total"]} | {name: value for name, value in named.items() if value is not None}


def reference_maps(model: str) -> dict[str, list[np.ndarray]]:
    """Our head name → the reference's map of the canvas, of a model with one stack."""
    found = group(model, "heads")
    named = {ours: found.get(f"{theirs}/0") for ours, theirs in HEADS.items()}
    return {name: [value] for name, value in named.items() if value is not None}


def in_pixels(fractions: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Pairs `y x` of fractions, one or two in the last axis, as pairs `x y` in pixels."""
    pairs = fractions.reshape(*fractions.shape[:-1], -1, 2) * np.float64(size)
    return pairs[..., ::-1].reshape(fractions.shape).astype(np.float32)


def with_visibility(keypoints: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """`x y` in pixels and 2 or 0, whether there is one."""
    labeled = ~np.isnan(keypoints).any(axis=-1, keepdims=True)
    return np.concatenate([in_pixels(keypoints, size), np.where(labeled, 2, 0)], axis=-1, dtype=np.float32)


def padded(values: np.ndarray, count: int, value: float = 0) -> np.ndarray:
    missing = [(0, count - len(values))] + [(0, 0)] * (values.ndim - 1)
    return np.pad(values, missing, constant_values=value)


@cache
def _losses() -> dict[str, Any]:
    return read_json(POINTS / "training.json")
