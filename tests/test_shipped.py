"""The models that ship with the library reach the figures that their descriptions state."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import centernet
from centernet.files.environment import configs_dir

ROOT = Path(__file__).parents[1]
LARGEST = 8_000_000  # bytes of a file of weights


def test_blood_cells_are_found_in_photos(shared: Path) -> None:
    photos = shared / "data" / "bccd"
    if not photos.is_dir():
        pytest.skip(f"needs data that is not in the repository: {photos}")
    detector = centernet.load("bccd")
    found = detector.evaluate(centernet.data.load(photos, split="test", classes=detector.class_names))
    assert 100 * found.ap == pytest.approx(detector.config.published.box_ap, abs=0.1)
    assert found.ap50 > 0.92
    assert found.ap75 > 0.67


def test_shapes_and_figures_are_found_in_scenes() -> None:
    spec = importlib.util.spec_from_file_location("render_shapes", ROOT / "examples" / "render_shapes.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    detector = centernet.load("shapes")
    found = detector.evaluate(module.scenes(100, seed=1))  # those that the recipe evaluates on
    # Scenes are written as JPEG for the recipe.
    assert 100 * found.ap == pytest.approx(detector.config.published.box_ap, abs=1)
    assert 100 * found.keypoints.ap == pytest.approx(detector.config.published.keypoint_ap, abs=1)


def test_the_scene_in_the_examples_is_found_whole() -> None:
    found = centernet.load("shapes").detect(ROOT / "examples" / "shapes.png")
    assert sorted(found.names) == ["circle", "figure", "figure", "square", "square", "star", "star", "triangle"]
    figures = found.keypoint_scores[[name == "figure" for name in found.names]]
    assert figures.shape == (2, 5)
    assert figures.min() > 0.3
    shown = Image.open(ROOT / "examples" / "shapes_found.png")
    np.testing.assert_array_equal(np.asarray(found.draw()), np.asarray(shown))


def test_the_pictures_in_the_examples_are_those_that_the_scripts_render(tmp_path: Path) -> None:
    for script, name in (("render_shapes", "shapes.png"), ("render_blood_cells", "blood_cells.png")):
        subprocess.run([sys.executable, ROOT / "examples" / f"{script}.py", tmp_path / name], check=True)
        rendered, shown = (np.asarray(Image.open(folder / name), np.int16) for folder in (tmp_path, ROOT / "examples"))
        assert np.abs(rendered - shown).max() <= 1


def test_their_files_are_small() -> None:
    files = list((configs_dir() / "weights").iterdir())
    assert {file.name for file in files} == {
        f"{name}.{end}" for name in ("bccd", "shapes") for end in ("onnx", "weights.h5")
    }
    assert all(file.stat().st_size <= LARGEST for file in files)
