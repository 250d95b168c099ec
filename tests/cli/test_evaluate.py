import json
from pathlib import Path

import pytest

from centernet import TestTime
from centernet.data import load
from centernet.evaluation import evaluate_detections


@pytest.fixture
def data(tmp_path, compiled, make_photo):
    """A COCO dataset of three photos, whose objects are some of those that the small network finds."""
    images, annotations = [], []
    for number in range(1, 4):
        path = make_photo(tmp_path / "data" / f"{number}.png", seed=number)
        images.append({"id": number, "file_name": path.name, "width": 80, "height": 48})
        for x0, y0, x1, y1 in compiled.detect(str(path), min_score=0).boxes[:40:8].tolist():
            box = [x0, y0, x1 - x0, y1 - y0]
            one = {"id": len(annotations) + 1, "image_id": number, "category_id": 5, "bbox": box}
            annotations.append({**one, "area": box[2] * box[3], "iscrowd": 0})
    categories = [{"id": 5, "name": "cat"}, {"id": 9, "name": "dog"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (tmp_path / "data" / "objects.json").write_text(json.dumps(content))
    return tmp_path / "data"


def test_figures_are_those_of_what_the_model_detects(run, tiny, compiled, data):
    done = run("evaluate", tiny, data, "--json", "all.json")
    assert (done.code, done.err) == (0, "")
    dataset = load(data, "coco", "all")
    found = [compiled.detect(sample.image, min_score=0) for sample in dataset]
    expected = evaluate_detections(dataset, found)
    values = json.loads(Path("all.json").read_text())
    assert values["boxes"]["ap"] == pytest.approx(expected.ap)
    assert 0 < values["boxes"]["ap"] < 1
    assert done.out.splitlines()[0] == f"tiny on {dataset.name}: 3 images, {expected.objects} objects"
    assert f"{expected.ap:.3f}"[1:] in done.out
    assert "dog    no objects" in done.out


def test_a_report_is_written_and_not_written_over(run, tiny, data):
    done = run("evaluate", tiny, data, "-o", "out", "--worst", 1)
    assert done.code == 0
    assert done.out.splitlines()[-1] == "Report: out/report.html"
    page = Path("out/report.html").read_text()
    assert page.count("<img") == 2
    assert json.loads(Path("out/report.json").read_text())["images"] == 3
    again = run("evaluate", tiny, data, "-o", "out")
    assert (again.code, again.out) == (2, "")
    assert "out, which has report.html and report.json" in again.error
    assert Path("out/report.html").read_text() == page
    assert run("evaluate", tiny, data, "-o", "out", "--overwrite", "--worst", 0).code == 0
    assert "<img" not in Path("out/report.html").read_text()


def test_passes_and_limits_are_those_asked_for(run, tiny, compiled, data, monkeypatch):
    asked = {}

    def detect(detector, images, test_time, *, exact):
        asked["passes"] = test_time
        return [{key: value[0] for key, value in compiled.infer([image]).items()} for image in images]

    monkeypatch.setattr(type(compiled), "infer_passes", detect)
    limits = ["--min-score", 0.1, "--max-detections", 3, "--batch-size", 2, "--score", 0.25]
    done = run("evaluate", tiny, data, "--flip", "--scales", "0.5,1", *limits, "--json", "all.json")
    assert done.code == 0
    assert (asked["passes"].flip, asked["passes"].scales) == (True, (0.5, 1.0))
    values = json.loads(Path("all.json").read_text())
    settings = values["settings"]
    assert (settings["min_score"], settings["max_detections"], settings["batch_size"]) == (0.1, 3, 2)
    assert settings["test_time"]["scales"] == [0.5, 1.0]
    assert values["score"] == 0.25


def test_tiles_are_cut_and_reported(run, tiny, compiled, data):
    options = ["--tiles", 32, 40, "--no-whole", "--max-detections", 500, "--json", "all.json"]
    assert run("evaluate", tiny, data, *options).code == 0
    values = json.loads(Path("all.json").read_text())
    passes = values["settings"]["test_time"]
    assert (passes["tiles"], passes["overlap"], passes["whole"]) == ([32, 40], 0.2, False)
    assert values["settings"]["max_detections"] == 500
    test_time = TestTime(tiles=(32, 40), whole=False)
    expected = compiled.evaluate(load(data, "coco", "all"), test_time=test_time, max_detections=500)
    assert values["boxes"]["ap"] == pytest.approx(expected.ap, abs=1e-6)


def test_an_image_that_cannot_be_read_is_named_and_the_exit_code_says_so(run, tiny, data):
    (data / "2.png").write_bytes(b"no image")
    done = run("evaluate", tiny, data)
    assert done.code == 1
    assert "tiny on data" in done.out.splitlines()[0]
    assert ": 2 images" in done.out.splitlines()[0]
    assert "1 image could not be read:" in done.out
    assert "2.png: expected an image" in done.out


def test_what_nothing_was_trained_on_is_evaluated_by_default(run, tiny, data, make_photo):
    content = json.loads((data / "objects.json").read_text())
    (data / "objects.json").rename(data / "instances_train.json")
    for split, numbers in (("val", (2, 3)), ("test", (3,))):
        kept = {
            "images": [image for image in content["images"] if image["id"] in numbers],
            "annotations": [one for one in content["annotations"] if one["image_id"] in numbers],
        }
        (data / f"instances_{split}.json").write_text(json.dumps({**content, **kept}))
    assert ": 1 image," in run("evaluate", tiny, data).out
    assert ": 2 images," in run("evaluate", tiny, data, "--split", "val").out
    assert ": 3 images," in run("evaluate", tiny, data, "--split", "train").out


def test_figures_may_go_to_the_standard_output(run, tiny, data):
    done = run("evaluate", tiny, data, "--json", "-")
    assert done.code == 0
    assert "ap" in json.loads(done.out)["boxes"]
    assert done.err
    assert not Path("-").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: no such file"),
        (["data", "--format", "xml"], "format='xml'"),
        (["data", "--split", "dev"], "split='dev'"),
        (["data", "--scales", "x"], "--scales expected"),
        (["data", "--json", "data"], "--json expected a file"),
    ],
)
def test_mistakes_in_the_call_are_one_line(run, tiny, data, arguments, message):
    done = run("evaluate", tiny, *arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.error


def test_other_classes_are_one_line(run, tiny, data):
    text = (data / "objects.json").read_text()
    (data / "objects.json").write_text(text.replace('"cat"', '"car"').replace('"dog"', '"bus"'))
    done = run("evaluate", tiny, data)
    assert done.code == 2
    assert "classes (car, bus). Received classes of other names: cat, dog" in done.error
