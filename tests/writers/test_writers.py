"""What public annotation tools write is read as it was meant; `python tests/writers/test_writers.py` prints the table.

The tools need an environment of their own, named by CENTERNET_WRITERS (the path of its Python):
`python3 -m venv .venv-writers && .venv-writers/bin/pip install -r tests/writers/requirements.txt`.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from centernet.data import Dataset, load, synthetic, write

pytestmark = pytest.mark.writers
PYTHON = os.environ.get("CENTERNET_WRITERS", "")
SIZE = (96, 128)
CLASSES = ("circle", "square", "triangle")
EMPTY = 5  # the scene without objects
HALF = 0.5 + 1e-3


class Written(NamedTuple):
    """How far a tool's format may be off, in pixels, and why; whether it holds images without objects."""

    pixels: float
    why: str
    holds_empty: bool = True
    options: dict[str, Any] = {}  # noqa: RUF012


EXACT, FLOAT32 = Written(1e-4, "exact"), Written(1e-3, "float32, normalized")
HUNDREDTHS = Written(0.011, "two decimals")
NO_EMPTY = Written(0.011, "two decimals; no entry for an image without objects", holds_empty=False)
WRITERS = {
    "supervision coco": EXACT,
    "supervision voc": Written(HALF, "whole pixels, 1 added to xmin and ymin", options={"voc_origin": 1}),
    "supervision yolo": Written(0.002, "normalized, five digits"),
    "datumaro coco_instances": HUNDREDTHS,
    "datumaro voc_detection": NO_EMPTY,
    "datumaro yolo": HUNDREDTHS,
    "datumaro datumaro": HUNDREDTHS,
    "datumaro cvat": HUNDREDTHS,
    "datumaro open_images": NO_EMPTY,
    "datumaro kitti_detection": NO_EMPTY,
    "datumaro label_me": HUNDREDTHS,
    "globox coco": EXACT,
    "globox voc": EXACT,
    "globox cvat": EXACT,
    "globox labelme": EXACT,
    "globox via": EXACT,
    "globox openimage": Written(1e-4, "no entry for an image without objects", holds_empty=False),
    "labelformat yolo": EXACT,
    "labelformat voc": EXACT,
    "labelformat kitti": EXACT,
    "label_studio json": EXACT,
    "label_studio coco": EXACT,
    "label_studio yolo": EXACT,
    "label_studio voc": Written(2.0, "left, top, width and height rounded down; no image without objects", False),
}


def scenes() -> Dataset:
    """Twelve scenes of three classes, fractional corners, a box that touches all edges, an image without objects."""
    rendered = synthetic.shapes(12, SIZE, classes=CLASSES, min_objects=1, max_objects=4, seed=3)
    samples = []
    for number, sample in enumerate(rendered):
        boxes = sample.boxes.astype(np.float64)
        if number == 0:
            boxes[0] = (0, 0, SIZE[1], SIZE[0])
        kept = slice(0, 0) if number == EMPTY else slice(None)
        fields = {"boxes": boxes[kept], "class_ids": sample.class_ids[kept], "ignore": sample.ignore[kept]}
        samples.append(dataclasses.replace(sample, image_id=number + 1, areas=None, **fields))
    return dataclasses.replace(rendered, samples=tuple(samples))


def written_by_all(folder: Path) -> Dataset:
    """The scenes, written by all tools below a folder."""
    write(scenes(), folder / "coco", "coco")
    truth = load(folder / "coco", split="all")
    (folder / "photos").mkdir()
    images = []
    for sample in truth:
        shutil.copy(sample.source, folder / "photos")
        fields = {"boxes": sample.boxes.astype(float).tolist(), "class_ids": sample.class_ids.tolist()}
        images.append({"file": sample.source.name, "width": SIZE[1], "height": SIZE[0], **fields})
    content = {"classes": list(truth.class_names), "images": images}
    (folder / "scenes.json").write_text(json.dumps(content))
    script = Path(__file__).with_name("write.py")
    done = subprocess.run([PYTHON, str(script), str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert not done.stdout, done.stdout  # a tool that failed
    return truth


def largest_deviation(found: Dataset, truth: Dataset, expected: Written) -> float:
    """Of box corners, in pixels, after images, numbers of objects and classes were compared."""
    assert set(found.class_names) == set(truth.class_names)
    by_stem = {Path(sample.source).stem: sample for sample in found}
    known = {sample.source.stem for sample in truth if expected.holds_empty or len(sample.boxes)}
    assert by_stem.keys() == known
    worst = 0.0
    for sample in truth:
        if sample.source.stem not in known:
            continue
        other = by_stem[sample.source.stem]
        assert Path(other.source).is_file()
        for class_id, name in enumerate(truth.class_names):
            mine = sample.boxes[sample.class_ids == class_id]
            own = other.boxes[other.class_ids == found.class_names.index(name)]
            assert len(mine) == len(own), (sample.source.stem, name)
            for box in mine:
                worst = max(worst, float(np.abs(own - box).max(axis=1).min()))
    return worst


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    if not PYTHON:
        pytest.skip("needs the annotation tools: CENTERNET_WRITERS names the Python of their environment")
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(temporary)


@pytest.fixture(scope="module")
def truth(folder: Path) -> Dataset:
    return written_by_all(folder)


@pytest.mark.parametrize("name", WRITERS)
def test_what_a_tool_writes_is_read(folder: Path, truth: Dataset, name: str) -> None:
    expected = WRITERS[name]
    found = load(folder / name, split="all", **expected.options)
    assert largest_deviation(found, truth, expected) <= expected.pixels


# How far tools are off in reading what `centernet.data.write` wrote, in pixels, and why.
READERS = {
    **dict.fromkeys(
        (f"{tool} {form}" for tool in ("globox", "labelformat") for form in ("coco", "voc", "yolo")), EXACT
    ),
    **dict.fromkeys(("supervision coco", "supervision yolo"), EXACT),
    "supervision voc": Written(1.0 + 1e-3, "takes 1 off xmin and ymin"),
    **dict.fromkeys(("datumaro coco", "datumaro voc", "datumaro yolo"), HUNDREDTHS),
}


@pytest.fixture(scope="module")
def read_by_all(folder: Path, truth: Dataset) -> dict[str, Any]:
    for form in ("coco", "voc", "yolo"):
        write({"train": truth}, folder / "ours" / form, form)
    script = Path(__file__).with_name("read.py")
    done = subprocess.run([PYTHON, str(script), str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", READERS)
def test_what_is_written_is_read_by_a_tool(truth: Dataset, read_by_all: dict[str, Any], name: str) -> None:
    found = read_by_all[name]
    assert isinstance(found, dict), found
    for sample in truth:
        rows = found.get(sample.source.stem, [])
        assert len(rows) == len(sample.boxes), sample.source.stem
        for box, class_id in zip(sample.boxes, sample.class_ids, strict=True):
            own = [row[:4] for row in rows if row[4] == truth.class_names[class_id]]
            assert own, (sample.source.stem, rows)
            assert np.abs(np.array(own) - box).max(axis=1).min() <= READERS[name].pixels


def main() -> None:
    """Print the table of the documentation."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        truth = written_by_all(folder)
        print("| tool, format | read as | largest deviation in pixels | what it can hold |\n|---|---|---:|---|")
        for name, expected in WRITERS.items():
            found = load(folder / name, split="all", **expected.options)
            print(f"| {name} | {found.format} | {largest_deviation(found, truth, expected):.4f} | {expected.why} |")


if __name__ == "__main__":
    main()
