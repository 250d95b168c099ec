"""The published networks of Keypoint Triplets with stand-in weights, read from a file of the authors' form."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
from goldens.decoding import manifest
from goldens.merging import arrays
from goldens.triplets.seeded import stand_in
from pytorch_writer import State, legacy, tensor

import centernet

FILES = {"hg52": "CenterNet-52_480000.pkl", "hg104": "CenterNet-104_480000.pkl"}
NAMES = {"hg52": "centernet_triplet_hourglass52", "hg104": "centernet_triplet_hourglass104"}


def keys_of(network: str) -> dict[str, list[int]]:
    """Key → shape in the published file of `hg52` or `hg104`."""
    return manifest(f"centernet_triplet_{network}")


@contextmanager
def loaded(network: str, folder: Path) -> Iterator[Any]:
    """The detector; afterwards its memory is free again, and before that its file is gone."""
    path, keys = folder / FILES[network], keys_of(network)
    path.write_bytes(legacy(State((key, tensor(stand_in(key, keys[key]), key)) for key in keys)))
    detector = centernet.load(NAMES[network], weights=path)
    path.unlink()
    yield detector
    del detector
    keras.backend.clear_session()
    gc.collect()


def image_of_chains() -> np.ndarray:
    """The image that the reference's networks detected in, uint8 RGB."""
    return np.ascontiguousarray(arrays("canvas")["image"][..., ::-1])


def check_report(detector: Any, network: str) -> None:
    """Every tensor of the file was taken but counters, and every variable was set."""
    keys = {key.removeprefix("module.") for key in keys_of(network)}
    counters = {key for key in keys if key.endswith("num_batches_tracked")}
    assert set(detector.report.left_over) == counters
    assert set(detector.report.left_over.values()) == {"counter of batch normalization"}
    assert sorted(detector.report.taken) == sorted(keys - counters)
    assert len(detector.report.taken) == len(detector.variables)
