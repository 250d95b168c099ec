"""Every example runs as its first line says, on few and small scenes."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest
from small import small_detector

import centernet
from centernet.data import synthetic

EXAMPLES = Path(__file__).parents[1] / "examples"
SCENES = 8  # instead of as many as an example renders


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Runs an example in an empty folder, and gives what it printed."""
    shapes = synthetic.shapes
    monkeypatch.setattr(synthetic, "shapes", lambda count, *args, **options: shapes(SCENES, *args, **options))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(EXAMPLES))

    def call(name, *arguments):
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return call


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A detector to start from that is small, in place of the one that ships."""
    folder = tmp_path_factory.mktemp("model") / "small"
    small_detector(("circle", "cell")).save(folder)
    return folder


def test_detect_finds_the_blood_cells(run):
    assert "blood_cells.png: 15 objects: 10 RBC 0.80" in run("detect.py")
    assert Path("found/blood_cells.png").is_file()


def test_detect_takes_a_folder_and_goes_on_after_a_damaged_photo(run, model):
    centernet.data.write(synthetic.shapes(2, (48, 64)), "scenes", format="voc")
    photos = Path("scenes/JPEGImages")
    (photos / "broken.png").write_bytes(b"no picture")
    printed = run("detect.py", photos, "--model", model, "--out", "drawn", "--min-score", 0.5)
    assert len(printed.splitlines()) == len(list(photos.iterdir())) == SCENES + 1
    assert "broken.png: " in printed
    assert len(list(Path("drawn").iterdir())) == SCENES


def test_finetune_voc_trains_saves_and_evaluates(run, model):
    printed = run("finetune_voc.py", "--model", model, "--size", 64, "--epochs", 1)
    assert "1 kept by name (circle), 3 new (square, star, triangle), 1 dropped" in printed
    assert "AP50" in printed
    assert centernet.load("runs/voc/best").class_names == ("circle", "square", "star", "triangle")


def test_finetune_keypoints_trains_saves_and_evaluates(run, model):
    printed = run("finetune_keypoints.py", "--model", model, "--size", 64, "--epochs", 1)
    assert "keypoints" in printed
    assert centernet.load("runs/pose/best").config.keypoints.class_name == "figure"
    assert Path("runs/pose/found.png").is_file()


def test_evaluate_prints_the_figures_that_it_promises_and_writes_the_report(run):
    text = (EXAMPLES / "evaluate.py").read_text(encoding="utf-8")
    ap = float(run("evaluate.py").rpartition("\nAP ")[2].split(";")[0])
    assert f"reaches AP {ap:.3f} there".replace("0.", ".", 1) in text
    assert Path("report/report.html").is_file()


def test_evaluate_takes_a_dataset(run, model):
    centernet.data.write(synthetic.shapes(2, (48, 64), classes=("circle",)), "scenes", format="coco")
    assert f"{SCENES} images" in run("evaluate.py", "scenes", "--model", model, "--out", "there")
    assert Path("there/report.json").is_file()


def test_custom_backbone_is_trained_and_loaded_like_any_other(run):
    assert "AP50" in run("custom_backbone.py", "--epochs", 1)
    loaded = centernet.load("runs/custom/best")
    assert loaded.config.backbone == {"name": "mobilenet_fpn", "alpha": 0.25}
    triplets = centernet.TripletDetector("mobilenet_fpn", ["a", "b"], image_size=(128, 128))
    assert [tuple(one.shape) for one in triplets.backbone.outputs] == [(None, None, None, 32)]


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_the_first_line_says_the_command(name):
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    assert text.startswith('"""')
    assert f"`python examples/{name}" in text.splitlines()[0]
