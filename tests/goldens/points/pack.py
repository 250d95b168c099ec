"""Writes the files beside it from the folder in which the reference's numbers were collected.

`python pack.py FOLDER ZOO`: FOLDER holds `manifests/`, `outputs/` and `units.*`, ZOO the files of a published
archive. Arrays that several models have in common are stored once; what only training needs is left out.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
OUTPUTS = ("preprocess_", "small/", "heads/", "heads_stride2/", "features_stride4/", "post_", "serving_")
BESIDE_BOXES = ("detection_multiclass_scores", "detection_boxes_strided")
UNITS = ("peaks/", "boxes/", "keypoints/", "resize_sizes/", "resize_small/")
NOT_OURS = (
    "pool1",
    "score_distance_ratio",
    "scaled_distance",
    "gaussian_weighted",
)  # rules no published model uses
ERAS = ("", "published_2020_07/", "published_2021_02/", "published_2020_07_on_tf215/")
NETWORKS = ("hg104", "resnet50_v1_fpn", "resnet101_v1_fpn", "resnet50_v2", "mobilenetv2fpn")


def main(folder: Path, zoo: Path) -> None:
    names = sorted(path.stem for path in (folder / "manifests").glob("*.json"))
    write_json("manifests", {name: manifest(read(folder / "manifests" / f"{name}.json")) for name in names})
    write_json("outputs", {model: facts(folder, model) for model in names})
    for network in NETWORKS:
        models = [name for name in names if network in name]
        arrays = {key: value for model in models for key, value in outputs(folder, model).values()}
        np.savez_compressed(HERE / f"outputs_{network}.npz", **arrays)
    units(folder)
    archive(zoo)


def manifest(full: dict[str, Any]) -> dict[str, Any]:
    """Names and shapes: `training`, what the published archive has besides, the exported form, the layers."""
    era = full["published_era"]
    exported = None if era["borrowed_from"] else era["saved_model"]
    return {
        "training": shapes(full["training"]),
        "published_extra": shapes(era["training_extra"]),
        "saved_model": same_as(full["saved_model"]),
        "saved_model_published": exported and same_as(exported),
        "layers": {
            part: [[layer.get(key) for key in ("index", "strides", "epsilon", "momentum")] for layer in layers]
            for part, layers in full.get("layers", {}).items()
            if part != "heads"
        },
        "layer_names": [layer["name"] for layer in full.get("layers", {}).get("_base_model", [])],
    }


def shapes(entries: list[dict[str, Any]]) -> dict[str, list[int]]:
    return {strip(entry["key"]): entry["shape"] for entry in entries if entry["key"] != GRAPH}


def same_as(entries: list[dict[str, Any]]) -> dict[str, str]:
    return {strip(entry["key"]): strip(entry["same_as"]) for entry in entries if entry["key"] != GRAPH}


def strip(key: str) -> str:
    assert key.endswith(SUFFIX), key
    return key.removesuffix(SUFFIX)


def outputs(folder: Path, model: str) -> dict[str, tuple[str, np.ndarray]]:
    """Name of each array that is kept → its digest, which is its name in the file, and the array."""
    kept = {}
    with np.load(folder / "outputs" / f"{model}.npz") as arrays:
        for name in arrays.files:
            if name.startswith(OUTPUTS) and not name.endswith(BESIDE_BOXES):
                value = arrays[name]
                content = f"{value.dtype}{value.shape}".encode() + value.tobytes()
                kept[name] = (hashlib.sha256(content).hexdigest()[:12], value)
    return kept


def facts(folder: Path, model: str) -> dict[str, Any]:
    described = read(folder / "outputs" / f"{model}.json")
    ties = {group: pairs for group, pairs in described["near_ties_below_2e_6"].items() if pairs}
    signatures = {era: described[f"signature_{era}"]["outputs"] for era in ("2021", "published")}
    digests = {name: digest for name, (digest, _) in outputs(folder, model).items()}
    return {"arrays": digests, "near_ties": ties, "signatures": signatures}


def units(folder: Path) -> None:
    with np.load(folder / "units.npz") as arrays:
        wanted = tuple(f"{era}{unit}" for era in ERAS for unit in UNITS)
        kept = {k: arrays[k] for k in arrays.files if k.startswith(wanted) and not any(n in k for n in NOT_OURS)}
    np.savez_compressed(HERE / "units.npz", **kept)
    described = read(folder / "units.json")
    named = {group for name in kept for group in described["groups"] if name.startswith(group)}
    groups = {group: described["groups"][group] for group in sorted(named)}
    checks = {key: described[key] for key in ("_seed_self_check", "_image_self_check")}
    (HERE / "units.json").write_text(json.dumps({"groups": groups, **checks}, indent=1) + "\n")


def archive(zoo: Path) -> None:
    """The published MobileNetV2 archive: both index files, and what they say."""
    (HERE / "zoo").mkdir(exist_ok=True)
    for path in zoo.glob("*.index"):
        shutil.copyfile(path, HERE / "zoo" / path.name.removeprefix("mobilenetv2fpn_od."))
    entries = {e["name"]: [e["dtype"], e["shape"], e["crc32c"]] for e in read(next(zoo.glob("*.entries.json")))}
    exported = {strip(k): strip(v) for k, v in read(next(zoo.glob("*_checkpoint_names.json"))).items()}
    write_json("zoo/ckpt-301.entries", entries)
    write_json("zoo/saved_model_names", exported)


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def write_json(name: str, data: Any) -> None:
    text = json.dumps(data, separators=(",", ":")).encode()
    (HERE / f"{name}.json.gz").write_bytes(gzip.compress(text, mtime=0))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
