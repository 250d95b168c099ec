"""What the files of this folder hold, and the script that wrote them with the code of commit 343eaf4.

The files stay as they are: detectors, caches and trainings saved with that version must load for ever.

    git worktree add /tmp/old 343eaf4
    PYTHONPATH=/tmp/old:/tmp/old/tests python tests/checkpoints/old_forms/old_forms.py
"""

from __future__ import annotations

import dataclasses
import lzma
import shutil
import types
from pathlib import Path
from typing import Any

import numpy as np
from small import picture, small_detector
from small_triplets import small_triplets

import centernet
from centernet.data import Dataset, Sample

FOLDER = Path(__file__).parent
BACKBONE = {"name": "hourglass", "stacks": 1, "filters": [4, 6], "blocks": [1, 1], "stem_filters": 4}
KEYPOINTS = centernet.KeypointTask("b", ("left", "right", "top"), ((0, 1),), (1, 0, 2), (0.5, 0.5, 1.0))
CONVERTED = ("centernet_mobilenetv2fpn_512x512_coco17_od", "centernet_hg104_512x512_kpts_coco17_tpu-32")
TRAINING: dict[str, Any] = {
    "batch_size": 2,
    "learning_rate": 1e-3,
    "schedule": "constant",
    "ema": 0.9,
    "seed": 3,
    "evaluate_every": 0,
    "jit_compile": False,
    "verbose": 0,
}
RECIPE = """\
model:
  name: old
  family: points
  task: boxes+keypoints
  backbone: {name: mobilenetv2_fpn, alpha: 0.5, separable: true, widths: [64, 48, 32, 32]}
  heads: {filters: 64, kernel_size: 3, separable: true}
  preprocessing: {size: [256, 320], mean: [1, 2, 3], std: [4, 5, 6], channels: bgr}
  decoder: {max_detections: 50, rules: "2021-07"}
  test_time: {flip: true}
data: {path: photos, format: voc, train: train, validation: val, classes: [a, b]}
training:
  epochs: 5
  batch_size: 4
  optimizer: sgd
  learning_rate: 1.5e-3
  schedule: cosine
  warmup: 0.05
  ema: 0.99
  freeze: backbone
  load_size: [480, 640]
  evaluate_every: 2
  save_every: 3
  seed: 7
  targets: {object_radius: 1}
  loss_weights: {size: 0.2}
  augmentation:
    horizontal_flip: 0.5
    crop: [0.75, 1.35]
    shift: 0.2
    brightness: 0.15
    contrast: [0.85, 1.15]
image_size: [128, 192]
"""


def points(**options: Any) -> Any:
    """Objects as Points, with keypoints."""
    options = {"backbone": BACKBONE, "heads": centernet.HeadSettings(filters=4), "keypoints": KEYPOINTS} | options
    return small_detector(**options)


def triplets() -> Any:
    """Keypoint Triplets."""
    defaults = small_triplets(lively=False).config
    heads = dataclasses.replace(defaults.heads, filters=4, pooling_filters=4, pooling_inner_filters=4)
    decoder = dataclasses.replace(defaults.decoder, keypoints=20, max_pairs=60, max_detections=10)
    return small_triplets(backbone=BACKBONE, heads=heads, decoder=decoder)


def photos() -> Dataset:
    """Four photos, of which the training saw two batches."""
    boxes = np.float32([[4, 6, 30, 40], [20, 10, 60, 50]])
    samples = tuple(Sample(picture(64, 64, seed), boxes + seed, [0, 1], seed) for seed in range(4))
    return Dataset(samples, ("a", "b"))


def head_maps(detector: Any) -> dict[str, np.ndarray]:
    """Head maps of the fixed image."""
    batch, _ = detector.preprocess(picture())
    return {name: np.asarray(maps) for name, maps in detector.predict(batch, verbose=0).items()}


def detections(detector: Any) -> dict[str, np.ndarray]:
    """All detections in the fixed image."""
    found = detector.detect(picture(), min_score=0.0)
    arrays = {name: getattr(found, name) for name in ("boxes", "scores", "class_ids", "keypoints")}
    return {name: array for name, array in arrays.items() if array is not None}


def _compress(path: Path) -> None:
    path.with_name(f"{path.name}.xz").write_bytes(lzma.compress(path.read_bytes()))
    path.unlink()


def _write(detector: Any, folder: Path) -> None:
    for name in ("model", "model.zip", "model.keras"):
        detector.save(folder / name)
    detector.save_weights(folder / "model.weights.h5")
    shutil.rmtree(folder / "model")  # the zip holds the same two files
    for path in list(folder.glob("model.*")):  # up to 200 kB each, most of it zeros
        _compress(path)
    np.savez_compressed(folder / "heads.npz", **head_maps(detector))
    np.savez_compressed(folder / "detections.npz", **detections(detector))
    import yaml

    (folder / "model.yaml").write_text(yaml.safe_dump(detector.config.to_dict(), sort_keys=False), encoding="utf-8")


def _write_training(folder: Path) -> None:
    detector = points(keypoints=None)
    detector.fit(photos(), out=folder / "run", epochs=1, **TRAINING)
    shutil.copytree(folder / "run" / "state", folder / "state")
    _compress(folder / "state" / "values.npz")
    detector = points(keypoints=None, seed=9)
    detector.fit(photos(), out=folder / "run", epochs=2, resume=True, **TRAINING)
    np.savez_compressed(folder / "weights_after_2_epochs.npz", *detector.get_weights())
    shutil.rmtree(folder / "run")


def _write_converted(folder: Path) -> None:
    """Descriptions in the cache; the weights beside them are too large for this folder."""
    from centernet import presets, saving  # type: ignore[attr-defined] # as of 343eaf4

    for name in CONVERTED:
        config = presets.find_model(name)
        (folder / config.identifier).mkdir(parents=True)
        saving.write_config(types.SimpleNamespace(config=config), folder / config.identifier / "config.json")


if __name__ == "__main__":
    for make in (points, triplets):
        (FOLDER / make.__name__).mkdir()
        _write(make(), FOLDER / make.__name__)
    (FOLDER / "training").mkdir()
    _write_training(FOLDER / "training")
    _write_converted(FOLDER / "converted")
    (FOLDER / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
