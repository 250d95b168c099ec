"""Mutated files: every outcome is a result or an error of the library. `pytest -m fuzz`, two minutes per reader.

Seeds are fixed; CENTERNET_FUZZ_SECONDS sets another time per reader.
"""

from __future__ import annotations

import os
import shutil
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from data.formats.test_tools import LAYOUTS
from foreign_configs import CONFIGS
from small import TINY, small_detector

from centernet.checkpoints.locate import locate
from centernet.checkpoints.saved.saving import read_config
from centernet.checkpoints.saved.weights_file import find_weights, read_weights
from centernet.cli.recipe import read_recipe
from centernet.data import load, synthetic, write
from centernet.errors import CenterNetError
from centernet.files.archive import extract
from centernet.files.text_proto import parse_text_proto
from centernet.images.reading import read_image

pytestmark = pytest.mark.fuzz
SECONDS = float(os.environ.get("CENTERNET_FUZZ_SECONDS", "120"))
EXPERIMENT = Path(__file__).parent / "goldens" / "model_garden" / "params.yaml"
SLOWEST = 5.0  # CPU seconds of a case
TOKENS = (b"NaN", b"Infinity", b"-1", b"1e999", b"99999999999999999999", b"null", b"[]", b"{}", b'""', b"\0", b"\xff")


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """The data with bytes flipped, a part cut out or doubled, a token put in, or a number replaced."""
    changed = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        if not changed:
            break
        at = int(rng.integers(len(changed)))
        length = int(rng.integers(1, 30))
        kind = rng.integers(5)
        if kind == 0:
            changed[at] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            del changed[at : at + length]
        elif kind == 2:
            changed[at:at] = changed[at : at + length]
        elif kind == 3:
            changed[at:at] = TOKENS[rng.integers(len(TOKENS))]
        else:
            digits = [place for place, byte in enumerate(changed) if 48 <= byte < 58]
            if digits:
                at = digits[rng.integers(len(digits))]
                changed[at : at + 1] = TOKENS[rng.integers(len(TOKENS))]
    return bytes(changed)


def run(files: list[Path], read: Callable[[], object]) -> None:
    """Mutate one of the files after the other for the time of a reader."""
    originals = {file: file.read_bytes() for file in files}
    until, case = time.monotonic() + SECONDS, 0
    while time.monotonic() < until:
        rng = np.random.default_rng(case)
        file = files[rng.integers(len(files))]
        file.write_bytes(mutated(originals[file], rng))
        started = time.process_time()
        try:
            read()
        except CenterNetError:
            pass
        except BaseException as error:
            raise AssertionError(f"case {case} of {file.name}: {error!r}") from error
        assert time.process_time() - started < SLOWEST, f"case {case} of {file.name}"
        file.write_bytes(originals[file])
        case += 1


@pytest.mark.parametrize("name", [*LAYOUTS, "coco", "yolo", "voc", "tfrecord", "csv"])
def test_annotations(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "data"
    if name in LAYOUTS:
        LAYOUTS[name][1](folder)
    else:
        keypoints = name in ("coco", "yolo", "tfrecord")
        write(synthetic.shapes(3, (64, 64), min_objects=2, keypoints=keypoints), folder, name)
    files = [file for file in folder.rglob("*") if file.is_file() and file.suffix not in (".png", ".jpg")]
    run(files, lambda: load(folder, split="all").check(images=False))


@pytest.mark.parametrize("kind", ["zip", "tar", "gztar"])
def test_archives(tmp_path: Path, kind: str) -> None:
    LAYOUTS["LabelMe"][1](tmp_path / "data")
    archive = Path(shutil.make_archive(str(tmp_path / "a"), kind, tmp_path / "data"))

    def read() -> None:
        try:
            extract(archive, tmp_path / "out")
        finally:
            shutil.rmtree(tmp_path / "out", ignore_errors=True)

    run([archive], read)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".gif", ".tif", ".webp"])
def test_images(tmp_path: Path, suffix: str) -> None:
    from PIL import Image

    path = tmp_path / f"a{suffix}"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)).save(path)
    run([path], lambda: read_image(path))


def test_saved_detectors(tmp_path: Path) -> None:
    small_detector(backbone=TINY).save(tmp_path / "model")
    weights = tmp_path / "model" / "model.weights.h5"

    def read() -> None:
        read_config(tmp_path / "model")
        read_weights(weights, find_weights(weights))

    run([tmp_path / "model" / "config.json", weights], read)


def test_pytorch_files(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}q\x00.")
        archive.writestr("archive/version", b"3\n")
    run([path], lambda: locate(str(path)))


def test_text_protos(tmp_path: Path) -> None:
    path = tmp_path / "pipeline.config"
    path.write_text(
        "model { center_net { num_classes: 3 feature_extractor { type: 'hourglass_52' channel_means: 1.5 } } }"
    )
    run([path], lambda: parse_text_proto(path.read_text(errors="replace"), "file"))


@pytest.mark.parametrize("name", [*CONFIGS, "experiment"])
def test_trainings_of_other_programs(tmp_path: Path, name: str) -> None:
    """A `pipeline.config`, or an experiment of Model Garden, as a recipe."""
    path = tmp_path / ("params.yaml" if name == "experiment" else "pipeline.config")
    path.write_text(EXPERIMENT.read_text() if name == "experiment" else CONFIGS[name][0])
    ignored = [part.rpartition(".")[2] for part in CONFIGS[name][1]] if name in CONFIGS else []
    run([path], lambda: read_recipe(path, ignored=ignored))
