"""Numbers and names from files that are out of any range: an error of the library at once, whatever they are."""

from __future__ import annotations

import io
import json
import time
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from small import small_detector

from centernet import backbones
from centernet.checkpoints.saved.saving import read_config
from centernet.checkpoints.saved.weights_file import load_weights
from centernet.data import load
from centernet.data.classes import MAX_CLASSES
from centernet.errors import ArchiveError, CenterNetError, CheckpointError, ConfigError
from centernet.files.archive import extract
from centernet.models.config import ModelConfig

HUGE = (float("inf"), float("nan"), 10**400, 2**31, 2**63)


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    return small_detector(keypoints=None).config.to_dict()


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all numbers in plain data."""
    if isinstance(value, dict):
        return [found for key, item in value.items() for found in places(item, (*path, key))]
    if isinstance(value, list | tuple):
        return [found for index, item in enumerate(value) for found in places(item, (*path, index))]
    return [path] if isinstance(value, int | float) and not isinstance(value, bool) else []


@pytest.mark.parametrize("number", HUGE, ids=str)
def test_every_number_of_a_description(description: dict[str, Any], number: Any, tmp_path: Path) -> None:
    for path in places(description):
        changed = json.loads(json.dumps(description))
        where = changed
        for key in path[:-1]:
            where = where[key]
        where[path[-1]] = number
        (tmp_path / "config.json").write_text(json.dumps({"format": 1, "model": changed}))
        started = time.process_time()
        try:
            config = read_config(tmp_path)
            if path[0] == "backbone":
                backbones.build_backbone(**config.backbone)
        except CenterNetError:
            pass
        assert time.process_time() - started < 5, path


@pytest.mark.parametrize("number", HUGE, ids=str)
def test_the_format_and_the_number_of_classes(description: dict[str, Any], number: Any, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"format": number, "model": description}))
    with pytest.raises(CheckpointError):
        read_config(tmp_path)
    with pytest.raises(ConfigError):
        ModelConfig.from_dict({**description, "classes": number})


def test_the_bound_of_classes_is_named(description: dict[str, Any]) -> None:
    with pytest.raises(
        ConfigError, match=f"classes of a model of at most {MAX_CLASSES:,}. Received: {MAX_CLASSES + 1}"
    ):
        ModelConfig.from_dict({**description, "classes": MAX_CLASSES + 1})


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("hourglass", {"stacks": 10**6}),
        ("hourglass", {"filters": [10**9, 10**9], "blocks": [1, 1]}),
        ("hourglass", {"filters": [8, 8], "blocks": [1, 10**6]}),
        ("mobilenetv2_fpn", {"widths": [10**9] * 4}),
        ("mobilenetv2_fpn", {"alpha": 1e9}),
        ("resnet50_v2", {"widths": [10**9] * 3}),
    ],
)
def test_backbones_have_bounds(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="of at most"):
        backbones.build_backbone(name, **options)


@pytest.mark.parametrize("name", ["a" * 300 + ".jpg", "a/" * 3000 + "b.jpg", "nul\0.jpg"], ids=["long", "deep", "nul"])
def test_names_that_no_file_system_has_are_missing_photos(tmp_path: Path, name: str) -> None:
    images = [{"id": 1, "file_name": name, "width": 9, "height": 9}]
    rows = [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 3, 3]}]
    content = {"images": images, "annotations": rows, "categories": [{"id": 1, "name": "cat"}]}
    (tmp_path / "a.json").write_text(json.dumps(content))
    kinds = {one.kind for one in load(tmp_path, split="all").check().problems}
    assert kinds & {"missing", "unreadable"}


def test_long_doubles_are_damage(tmp_path: Path) -> None:
    detector = small_detector()
    detector.save(tmp_path / "model")
    path = tmp_path / "model" / "model.weights.h5"
    with h5py.File(path, "a") as file:
        name = next(iter(file))
        values = file[name][()]
        del file[name]
        file.create_dataset(name, data=values.astype(np.longdouble))
    with pytest.raises(CheckpointError, match="no numbers of at most 8 bytes"):
        load_weights(detector, path)


def test_an_archive_with_an_empty_name_is_refused(tmp_path: Path) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("x", b"content")
    (tmp_path / "a.zip").write_bytes(data.getvalue().replace(b"\x01\x00\x00\x00x", b"\x00\x00\x00\x00"))
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo(""), b"content")
    for name in ("a.zip", "b.zip"):
        with pytest.raises(ArchiveError):
            extract(tmp_path / name, tmp_path / "out")
