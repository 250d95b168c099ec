"""Every code block and table of the README does what it says."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from goldens.checkpoints import write_training
from PIL import Image

import centernet

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


@pytest.mark.parametrize("block", blocks("python"))
def test_a_python_block_runs_and_prints_what_its_comments_say(
    block: str, checkout: Path, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(checkout)
    monkeypatch.setenv("CENTERNET_HOME", str(home))
    exec(compile(block, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    for comment in re.findall(r"^print\(.*\)  # (.*[\d)\]}]$)", block, re.MULTILINE):
        if comment[0].isdigit() or ":" in comment:
            assert comment.rpartition(": ")[2] in printed


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
    install_and_detect, run_tests, published = blocks("bash")
    environment = {**os.environ, "CENTERNET_HOME": str(home), "CENTERNET_OFFLINE": "1"}
    environment.pop("PYTHONPATH", None)
    for command in (install_and_detect, published):
        done = subprocess.run(command, shell=True, cwd=checkout, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert (checkout / "found" / "blood_cells.png").is_file()
    # .ci/run runs this one, as its last line.
    assert re.search(r"^python3 -m venv .*pytest$", run_tests, re.MULTILINE)
