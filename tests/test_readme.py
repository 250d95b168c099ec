"""Every code block and table of the README does what it says."""

from __future__ import annotations

import dataclasses
import importlib.util
import logging
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from goldens.checkpoints import write_training
from PIL import Image
from small import small_detector

import centernet
from centernet.cli.app import main
from centernet.data import synthetic
from centernet.training.callbacks import BAD_BATCH, BEST
from centernet.training.fit import MODEL
from centernet.training.settings import TrainingSettings
from centernet.training.state import FOLDER as STATE

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PUBLISHED = "centernet_mobilenetv2fpn_512x512_coco17_od"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that holds a published model as an earlier download would have left it, with stand-in weights."""
    home = tmp_path_factory.mktemp("home")
    prefix = write_training(PUBLISHED, tmp_path_factory.mktemp("zoo") / "ckpt-301")
    centernet.load(PUBLISHED, weights=prefix).save(home / "converted" / PUBLISHED)
    return home


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The files of the repository, without anything that lies beside them."""
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in names.splitlines():
        if (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def add_photos(folder: Path) -> None:
    """What a reader has: datasets of a few small photos, and one photo; and a small model to train from."""
    for name, keypoints in (("photos", False), ("people", True)):
        scenes = (synthetic.shapes(count, (48, 64), seed=count, keypoints=keypoints) for count in (8, 2))
        centernet.data.write(tuple(scenes), folder / name, format="coco")
    Image.fromarray(synthetic.shapes(1)[0].image).save(folder / "photo.jpg")
    small_detector(("circle", "cell")).save(folder / "small")


def shortened(text: str) -> str:
    """The same training, on a small network and once over the photos."""
    assert "30" in text
    text = text.replace("epochs=30", "epochs=1").replace("epochs: 30", "epochs: 1")
    return re.sub(rf"{PUBLISHED}|(?<=load\(\")shapes", "small", text)


@pytest.mark.parametrize("block", blocks("python"))
def test_a_python_block_runs_and_prints_what_its_comments_say(
    block: str, checkout: Path, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(checkout)
    monkeypatch.setenv("CENTERNET_HOME", str(home))
    if ".fit(" in block:
        add_photos(checkout)
        block = shortened(block)
    exec(compile(block, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    for comment in re.findall(r"^print\(.*\)  # (.*[\d)\]}]$)", block, re.MULTILINE):
        if comment[0].isdigit() or ":" in comment:
            assert comment.rpartition(": ")[2] in printed


def test_the_commands_of_a_training_run_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    logger = logging.getLogger("centernet")
    for name, before in (("handlers", [*logger.handlers]), ("level", logger.level), ("propagate", logger.propagate)):
        monkeypatch.setattr(logger, name, before)  # the commands change them
    add_photos(tmp_path)
    monkeypatch.chdir(tmp_path)
    (recipe,) = blocks("yaml")
    Path("photos.yaml").write_text(shortened(recipe))
    commands = [line.split() for block in blocks("bash") for line in block.splitlines() if line.startswith("centernet")]
    assert [command[1] for command in commands] == ["check", "train", "train", "evaluate", "detect", "export"]
    for command in commands:
        monkeypatch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as stopped:
            main()
        assert stopped.value.code == 0, capsys.readouterr().err
    for made in (
        "sheet.jpg",
        "runs/photos/model",
        "runs/photos/state",
        "report/report.html",
        "found/photo.jpg",
        "photos.onnx",
    ):
        assert Path(made).exists()


def test_what_a_training_leaves_is_what_the_table_says() -> None:
    table = README.partition("The folder `out` contains")[2].partition("\n\n`best`")[0]
    assert re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) == [
        f"`{STATE}/`",
        f"`{BEST}/`, `{BEST}.json`",
        f"`{MODEL}/`",
        f"`{BAD_BATCH}`",
    ]


def test_the_arguments_of_fit_are_those_of_the_settings() -> None:
    table = README.partition("| argument |")[2].partition("\n\n")[0]
    cells = " ".join(row.split(" | ")[0] for row in table.splitlines()[2:])
    names = re.findall(r"`(\w+)(?==|`)", cells)
    assert len(names) > 10
    assert set(names) <= {field.name for field in dataclasses.fields(TrainingSettings)}
    for call in re.findall(r"`(\w+=[^`]+)`", cells):
        eval(f"TrainingSettings({call})", {"TrainingSettings": TrainingSettings})


def test_the_picture_shows_what_is_found_in_the_example(tmp_path: Path) -> None:
    detector = centernet.load("bccd")
    found = detector.detect(ROOT / "examples" / "blood_cells.png")
    assert sorted(found.names) == ["Platelets"] * 4 + ["RBC"] * 10 + ["WBC"]
    found.draw().save(tmp_path / "found.png")
    assert (tmp_path / "found.png").read_bytes() == (ROOT / "examples" / "blood_cells_found.png").read_bytes()


def test_the_heatmaps_are_those_of_what_is_found() -> None:
    spec = importlib.util.spec_from_file_location("draw_triplets", ROOT / "examples" / "draw_triplets.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    drawn = np.asarray(module.draw(str(ROOT / "examples" / "blood_cells.png")), np.int16)
    shown = np.asarray(Image.open(ROOT / "examples" / "triplet_targets.png"), np.int16)
    # Heat of a far-off Gaussian may round to the next color.
    assert np.abs(drawn - shown).max() <= 3


def test_the_table_of_models_is_the_one_that_the_library_prints() -> None:
    assert f"```text\n{centernet.list_models()!r}\n```" in README


@pytest.mark.heavy
def test_the_commands_run_in_a_clean_checkout(checkout: Path, home: Path) -> None:
    install_and_detect, run_tests, published = (block for block in blocks("bash") if ".venv/bin" in block)
    environment = {**os.environ, "CENTERNET_HOME": str(home), "CENTERNET_OFFLINE": "1"}
    environment.pop("PYTHONPATH", None)
    for command in (install_and_detect, published):
        done = subprocess.run(command, shell=True, cwd=checkout, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert (checkout / "found" / "blood_cells.png").is_file()
    # .ci/run runs this one, as its last line.
    assert re.search(r"^python3 -m venv .*pytest$", run_tests, re.MULTILINE)
