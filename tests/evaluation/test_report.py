"""Reports: text, JSON, and one page that needs nothing but itself."""

from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from coco_cases import SIGMAS, perfect, scenes
from PIL import Image

from centernet import Detections
from centernet.data import Dataset, Sample
from centernet.errors import ConfigError
from centernet.evaluation import Evaluation, evaluate_detections
from centernet.evaluation.page import FALSE, MISSED, TRUE, draw_outcome


class Page(HTMLParser):
    """Checks that tags are closed, and collects addresses and images."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return evaluate_detections(*scenes(0), sigmas=SIGMAS)


def test_the_table_has_the_figures(evaluation: Evaluation) -> None:
    lines = str(evaluation).splitlines()
    assert lines[0] == f"detections on scenes: 14 images, {evaluation.objects} objects"
    assert lines[3].split() == [".344", ".536", ".433", ".398", ".344", "–"]
    assert any(line.split()[:3] == ["never", "there", "no"] for line in lines)
    assert lines[-1] == f"{evaluation.ignored} crowds ignored (neither positive nor negative)"


def test_the_repr_is_one_line_with_ap(evaluation: Evaluation) -> None:
    assert repr(evaluation) == "Evaluation(ap=0.3444, ap50=0.5359, 'detections' on 'scenes', 14 images)"


def test_json_has_the_figures_and_no_nan(evaluation: Evaluation, tmp_path: Path) -> None:
    text = evaluation.to_json(tmp_path / "all.json")
    values = json.loads((tmp_path / "all.json").read_text())
    assert values == json.loads(text) == evaluation.to_dict()
    assert "NaN" not in text
    assert values["boxes"]["ap"] == pytest.approx(evaluation.ap)
    assert values["boxes"]["ap_large"] is None
    assert values["keypoints"]["sigmas"] == dict(zip(("head", "tail", "left_paw", "right_paw"), SIGMAS, strict=True))
    assert len(values["precision_recall"]["precision50"]) == 101
    assert values["classes"][3]["ap"] is None


def test_the_page_is_whole_and_needs_nothing_else(evaluation: Evaluation, tmp_path: Path) -> None:
    path = evaluation.report(tmp_path / "new" / "folder", worst=3)
    page = Page(path.read_text())
    assert page.tags.count("svg") == 3
    assert page.tags.count("img") == 6
    assert {"script", "link"}.isdisjoint(page.tags)
    assert all(address.startswith("data:image/jpeg;base64,") for address in page.addresses)
    assert "url(" not in path.read_text()
    assert ".344" in path.read_text()
    assert json.loads((path.parent / "report.json").read_text()) == evaluation.to_dict()


def test_settings_are_listed(tmp_path: Path) -> None:
    settings = {"min_score": 0.0, "batch_size": 1, "exact": False, "test_time": {"flip": True, "scales": (1.0,)}}
    page = evaluate_detections(*scenes(0), sigmas=SIGMAS, settings=settings).report(tmp_path / "new").read_text()
    said = {"min score": "0.0", "batch size": "1", "exact": "no", "test time": "flip yes, scales 1.0"}
    for name, value in said.items():
        assert re.search(rf"{name}</td>\s*<td[^>]*>{re.escape(value)}</td>", page)


def test_names_are_text_whatever_is_in_them(tmp_path: Path) -> None:
    dataset, found = scenes(0)
    odd = dataclasses.replace(dataset, class_names=("<b>cat</b>", "a & b", '"', "</td>"), keypoints=None, name="<i>")
    text = evaluate_detections(odd, found, model="<script>").report(tmp_path).read_text()
    Page(text)
    assert "<script>" not in text
    assert "&lt;b&gt;cat&lt;/b&gt;" in text


def test_many_classes_make_a_page_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    names = tuple(f"class {number}" for number in range(60))
    boxes = np.tile([[5.0, 5, 60, 60]], (60, 1)) + 3 * np.arange(60)[:, None]
    sample = Sample(np.zeros((300, 300, 3), np.uint8), boxes, np.arange(60), 1)
    taken = rng.permutation(60)
    found = Detections(boxes, np.linspace(1, 0.1, 60), taken, (300, 300))
    text = evaluate_detections(Dataset((sample,), names), [found]).report(tmp_path).read_text()
    Page(text)
    assert "Of 60 classes, the most often confused ones." in text
    assert len(re.findall('<th class="up">', text)) == 21


@pytest.mark.parametrize("found", ["nothing", "everything"])
def test_extremes_make_a_page_too(found: str, tmp_path: Path) -> None:
    dataset, _ = scenes(1)
    detections = perfect(dataset) if found == "everything" else [Detections.empty((240, 320))] * len(dataset)
    Page(evaluate_detections(dataset, detections).report(tmp_path).read_text())
    without = Dataset(tuple(Sample(s.source, [], [], s.image_id) for s in dataset), dataset.class_names)
    Page(evaluate_detections(without, detections).report(tmp_path, overwrite=True).read_text())


def test_pictures_are_left_out_when_the_page_grows_too_large(evaluation: Evaluation, tmp_path: Path) -> None:
    size = evaluation.report(tmp_path, worst=0).stat().st_size
    path = evaluation.report(tmp_path, worst=5, max_bytes=size + 40_000, overwrite=True)
    shown = Page(path.read_text()).tags.count("img")
    assert 0 < shown < 10
    assert "would make the page too large" in path.read_text()
    assert path.stat().st_size < size + 41_000


def test_an_existing_report_is_kept(evaluation: Evaluation, tmp_path: Path) -> None:
    path = evaluation.report(tmp_path)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=r"has report\.html and report\.json"):
        evaluation.report(tmp_path)
    assert path.read_bytes() == before


def test_missing_images_are_not_shown(tmp_path: Path) -> None:
    Image.new("RGB", (320, 240)).save(tmp_path / "a.png")
    dataset, found = scenes(2)
    gone = dataclasses.replace(dataset[3], source=tmp_path / "gone.png")
    there = dataclasses.replace(dataset[4], source=tmp_path / "a.png")
    evaluation = evaluate_detections(dataclasses.replace(dataset, samples=(gone, there)), found[3:5], score=0)
    assert len(evaluation.worst()) == 2
    text = evaluation.report(tmp_path / "out").read_text()
    assert Page(text).tags.count("img") == 2
    assert "a.png" in text


def test_pictures_mark_detected_missed_and_wrong() -> None:
    sample = Sample(np.zeros((800, 600, 3), np.uint8), [[100, 100, 300, 300], [400, 500, 560, 700]], [0, 0], 1)
    found = Detections([[100, 100, 300, 300], [50, 500, 250, 700]], [0.9, 0.8], [0, 0], (800, 600))
    evaluation = evaluate_detections(Dataset((sample,), ("thing",)), [found], score=0.5)
    objects, detections = draw_outcome(evaluation.outcomes[0], max_side=400)
    assert objects.size == detections.size == (300, 400)
    assert objects.getpixel((100, 50)) == detections.getpixel((100, 50)) == TRUE
    colors = [{color for _, color in picture.getcolors(10**6)} for picture in (objects, detections)]
    assert [[color in some for color in (TRUE, MISSED, FALSE)] for some in colors] == [
        [True, True, False],
        [True, False, True],
    ]
    assert detections.getpixel((25, 300)) == FALSE
