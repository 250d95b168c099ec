"""The stand-in weights and images are, bit for bit, those that the reference's numbers belong to."""

from __future__ import annotations

import re
import zlib

import numpy as np
import pytest
from goldens import images
from goldens.reference import MODELS, POINTS, facts, outputs, read_json
from goldens.seeded import seeded_tensor

CHECKS = read_json(POINTS / "units.json")
LIMIT = 12 * 2**20


@pytest.mark.parametrize("described", CHECKS["_seed_self_check"])
def test_stand_in_tensor_has_the_checksum_of_the_reference(described: str) -> None:
    name, shape = described.split(" ", 1)
    tensor = seeded_tensor(name, tuple(int(side) for side in re.findall(r"\d+", shape)))
    assert tensor.dtype == np.float32
    assert zlib.crc32(tensor.tobytes()) == CHECKS["_seed_self_check"][described]


@pytest.mark.parametrize("name", CHECKS["_image_self_check"])
def test_image_has_the_checksum_of_the_reference(name: str) -> None:
    shape, checksum = CHECKS["_image_self_check"][name]
    image = getattr(images, name)()
    assert list(image.shape) == shape
    assert zlib.crc32(image.tobytes()) == checksum


@pytest.mark.parametrize("model", MODELS)
def test_every_array_of_a_model_is_there(model: str) -> None:
    assert len(outputs(model)) == len(facts(model)["arrays"]) > 20


def test_the_goldens_stay_small() -> None:
    files = [path for path in POINTS.parent.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert sum(path.stat().st_size for path in files) <= LIMIT
