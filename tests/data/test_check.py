"""Checking datasets: every kind of problem is found and named, and nothing in a dataset that is fine."""

from __future__ import annotations

import dataclasses
import io
import json
import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from centernet.data import Dataset, Sample, load, synthetic
from centernet.data.check import check_dataset as check
from centernet.data.check.problems import KINDS
from centernet.data.check.report import chosen_images as chosen
from centernet.data.check.report import collected_warnings, with_reader_warnings
from centernet.data.keypoints import KeypointTask
from centernet.errors import ConfigError, SourceError

SIZE = (96, 128)
FLIP = KeypointTask("figure", ("a", "left_b", "right_b"), flip=(0, 2, 1))


def scenes(count=8, seed=0, **options):
    return synthetic.shapes(count, SIZE, seed=seed, keypoints=True, **{"min_objects": 3, **options})


def plain(boxes, class_ids=None, *, count=1, size=SIZE, names=("cat", "dog"), keypoints=None, task=None, **fields):
    """A dataset of images of noise that all have the same objects."""
    class_ids = [0] * len(boxes) if class_ids is None else class_ids
    images = [np.random.default_rng(n).integers(0, 256, (*size, 3), np.uint8) for n in range(count)]
    samples = [Sample(image, boxes, class_ids, n, keypoints, **fields) for n, image in enumerate(images)]
    return Dataset(samples, names, keypoints=task)


def changed(dataset, number, **fields):
    samples = list(dataset)
    samples[number] = dataclasses.replace(samples[number], **fields)
    return dataclasses.replace(dataset, samples=tuple(samples))


def with_box(*box):
    """Scenes, of which number 2 has another box."""
    dataset = scenes()
    boxes = dataset[2].boxes.copy()
    boxes[1] = box
    return changed(dataset, 2, boxes=boxes)


def with_source(source):
    return changed(scenes(), 2, source=source)


def with_class(class_id):
    dataset = scenes()
    ids = dataset[2].class_ids.copy()
    ids[1] = class_id
    return changed(dataset, 2, class_ids=ids)


def with_point(*point, task=FLIP):
    points = [[[30, 30, 2], [20, 25, 2], [40, 25, 1]]] * 2
    points[1] = [[*point], *points[1][1:]]
    return plain([[10, 10, 50, 60]] * 2, [0, 1], names=("figure", "cat"), keypoints=points, task=task)


def jpeg(part=1.0):
    file = io.BytesIO()
    Image.fromarray(scenes()[2].image).save(file, "JPEG")
    return file.getvalue()[: int(part * len(file.getvalue()))]


def shown_twice(box):
    return plain([[10, 10, 60, 60], [70, 10, 90, 40], box], [1, 0, 1])


GOOD = [[10, 10, 50, 60]]
# Kind → a dataset that has it once, and the ids of its images.
ONCE = {
    "missing": lambda path: (with_source(path / "2.jpg"), [2]),
    "truncated": lambda path: (with_source(jpeg(0.6)), [2]),
    "unreadable": lambda path: (with_source(b"no image"), [2]),
    "size": lambda path: (changed(scenes(), 2, size=(50, 128)), [2]),
    "same image": lambda path: (changed(scenes(), 2, source=scenes()[5].source, size=None), [5]),
    "same id": lambda path: (changed(scenes(), 2, image_id=5), [5]),
    "no number": lambda path: (with_box(1, np.nan, 20, 30), [2]),
    "reversed": lambda path: (with_box(30, 10, 20, 40), [2]),
    "empty": lambda path: (with_box(30, 10, 30, 40), [2]),
    "outside": lambda path: (with_box(10, 97, 40, 120), [2]),
    "over the edge": lambda path: (with_box(100, 10, 130, 40), [2]),
    "below a pixel": lambda path: (with_box(30, 10, 30.5, 40), [2]),
    "twice": lambda path: (shown_twice([10, 10, 60, 60]), [0]),
    "nearly twice": lambda path: (shown_twice([11, 11, 61, 61]), [0]),
    "unknown class": lambda path: (with_class(-1), [2]),
    "keypoint count": lambda path: (plain(GOOD, keypoints=[[[20, 20, 2]]], names=["figure"], task=FLIP), [0]),
    "keypoint outside": lambda path: (with_point(30, 98, 2), [0]),
    "keypoint at 0, 0": lambda path: (with_point(0, 0, 1), [0]),
    "keypoint no number": lambda path: (with_point(np.nan, 20, 2), [0]),
    "visibility": lambda path: (with_point(30, 30, 3), [0]),
    "keypoint far": lambda path: (with_point(90, 30, 2), [0]),
    "small": lambda path: (plain([*GOOD, [70, 70, 71, 71]], size=(256, 256)), [0]),
    "shared cell": lambda path: (plain([[10, 10, 50, 60], [20, 25, 40, 45]]), [0]),
    "crowded": lambda path: (
        plain([[x, y, x + 3, y + 3] for x in range(0, 88, 8) for y in range(0, 80, 8)][:101], [0, 1] * 50 + [0]),
        [0],
    ),
}
# Kind → a dataset that has it, and the cases that the text names.
NAMED = {
    "class unused": (plain(GOOD), ["dog"]),
    "class rare": (plain(GOOD, count=9), ["cat (9)"]),
    "background": (plain(GOOD, [1], names=("__background__", "cat")), ["__background__"]),
    "classes alike": (plain(GOOD, names=("Red_Cell", "dog", "red cell")), ["Red_Cell = red cell"]),
    "keypoint unused": (
        plain(GOOD, names=["figure"], keypoints=[[[20, 20, 2], [30, 30, 2], [0, 0, 0]]], task=FLIP),
        ["right_b"],
    ),
    "flip": (scenes(), []),
    "no image": (Dataset([], ["cat"]), []),
    "no class": (plain([], names=()), []),
    "no readable image": (plain(GOOD)[[]], []),
    "no object": (plain([]), []),
    "misread": (scenes(), []),
    "class off by one": (scenes(), []),
    "class perhaps off by one": (scenes(), []),
    "reading": (scenes(), []),
    "pixels from 1": (scenes(), []),  # tests/data/formats/test_tools.py
}
ELSEWHERE = (
    "flip",
    "misread",
    "class off by one",
    "class perhaps off by one",
    "reading",
    "no readable image",
    "pixels from 1",
)


def of_kind(report, kind):
    return [one for one in report.findings if one.kind == kind]


class TestWhatIsFound:
    def test_all_kinds_are_tested(self):
        assert set(ONCE) | set(NAMED) == set(KINDS)

    @pytest.mark.parametrize("kind", ONCE)
    def test_a_problem_is_found_once_and_its_image_named(self, kind, tmp_path):
        dataset, ids = ONCE[kind](tmp_path)
        report = check(dataset)
        (found,) = of_kind(report, kind)
        assert (found.count, list(found.images)) == (1, ids)
        assert found.text.startswith(f"1 {KINDS[kind].one}")
        assert str(ids[0]) in str(found)
        # Nothing else is wrong with it.
        assert {one.kind for one in report.problems} <= {kind}

    @pytest.mark.parametrize("kind", [kind for kind in NAMED if kind not in ELSEWHERE])
    def test_what_is_no_matter_of_single_images(self, kind):
        dataset, cases = NAMED[kind]
        (found,) = of_kind(check(dataset), kind)
        assert list(found.cases) == cases

    @settings(max_examples=12, deadline=None)
    @given(st.integers(0, 10_000), st.integers(1, 12), st.booleans())
    def test_nothing_is_wrong_with_a_clean_dataset(self, seed, count, images):
        dataset = scenes(count, seed)
        report = check(dataset, images=images)
        assert report.problems == ()
        assert report.verdict == "fine"
        assert report.figures.objects == sum(len(sample.boxes) for sample in dataset)

    def test_images_that_are_not_read_are_taken_as_they_are_stated(self, tmp_path):
        dataset = with_source(tmp_path / "no.jpg")
        assert of_kind(check(dataset, images=False), "missing") == []
        unstated = changed(dataset, 2, size=None)
        (found,) = of_kind(check(unstated, images=False), "unreadable")
        assert found.images == (2,)

    @pytest.mark.parametrize(
        ("kind", "content"), [("missing", None), ("truncated", jpeg(0.6)), ("unreadable", b"no image")]
    )
    def test_of_images_that_can_t_be_read_the_place_is_named(self, tmp_path, kind, content):
        path = tmp_path / "photo.jpg"
        if content:
            path.write_bytes(content)
        (found,) = of_kind(check(with_source(path)), kind)
        assert str(found).endswith(f": {path}")
        assert found.to_dict()["cases"] == [str(path)]
        assert found.images == (2,)

    def test_a_function_that_fails_is_an_image_that_can_t_be_read(self):
        def broken():
            raise ZeroDivisionError("no light")

        report = check(with_source(broken))
        (found,) = of_kind(report, "unreadable")
        assert "no light" in str(found)
        assert report.draw(4).size[0] > 400

    def test_boxes_up_to_a_pixel_over_the_edge_are_fine(self):
        assert check(with_box(100, 10, 129, 96)).problems == ()

    @settings(max_examples=10, deadline=None)
    @given(st.integers(0, 10_000), st.integers(2, 700))
    def test_of_many_boxes_those_that_nearly_repeat_earlier_ones_are_found(self, seed, count):
        rng = np.random.default_rng(seed)
        first = rng.uniform(10, 1900, (count, 2))
        boxes = np.concatenate([first, first + rng.uniform(8, 100, (count, 2))], axis=1).astype(np.float32)
        boxes[1::3] = boxes[rng.integers(0, count, len(boxes[1::3]))] + rng.uniform(-2, 2, (len(boxes[1::3]), 4))
        class_ids = rng.integers(0, 2, count)
        dataset = Dataset([Sample(b"", boxes, class_ids, 0, size=(2200, 2200))], ["cat", "dog"])
        low, high = np.maximum(boxes[:, None, :2], boxes[:, :2]), np.minimum(boxes[:, None, 2:], boxes[:, 2:])
        common, areas = (high - low).clip(0).prod(axis=-1), (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
        near = common / (areas[:, None] + areas - common) > 0.9
        expected = np.tril(near & (class_ids[:, None] == class_ids), -1).any(axis=1)
        found = of_kind(check(dataset, images=False), "nearly twice")
        assert [one.objects[0] for one in found] == [tuple(np.flatnonzero(expected))][: int(expected.any())]

    def test_crowds_may_repeat(self):
        dataset = plain([*GOOD, *GOOD, *GOOD], ignore=[False, True, True])
        assert check(dataset).problems == ()
        (cat, _) = check(dataset).classes
        assert (cat.objects, cat.ignored) == (1, 2)

    def test_of_a_turned_image_it_is_said(self):
        (found,) = of_kind(check(changed(scenes(), 2, size=SIZE[::-1])), "size")
        assert str(found).endswith("2 (annotated 96x128, image 128x96, rotated)")


def written(boxes, form):
    low, high = boxes[:, :2], boxes[:, 2:]
    numbers = {"corners": (low, high), "box": (low, high - low), "center": ((low + high) / 2, high - low)}
    return np.concatenate(numbers[form], axis=1)


def read_as(numbers, form):
    a, b = numbers[:, :2], numbers[:, 2:]
    corners = {"corners": (a, b), "box": (a, a + b), "center": (a - b / 2, a + b / 2)}
    return np.concatenate(corners[form], axis=1)


WORDS = {"corners": "xyxy", "box": "xywh", "center": "cxcywh"}


class TestMisreadBoxes:
    def misread(self, change, numbers=slice(None)):
        dataset = scenes(40, radius=(0.1, 0.3))
        chosen = set(range(len(dataset))[numbers])
        samples = [
            dataclasses.replace(one, boxes=change(one.boxes)) if number in chosen else one
            for number, one in enumerate(dataset)
        ]
        return check(dataclasses.replace(dataset, samples=tuple(samples)), images=False)

    @pytest.mark.parametrize("wrote", WORDS)
    @pytest.mark.parametrize("read", WORDS)
    @pytest.mark.parametrize("scale", ["", "parts", "pixels"])
    def test_the_form_is_named(self, wrote, read, scale):
        sides = np.tile(SIZE[::-1], 2)
        factor = {"": 1, "parts": 1 / sides, "pixels": sides}[scale]
        report = self.misread(lambda boxes: read_as(written(boxes, wrote) * factor, read))
        if wrote == read and not scale:
            assert report.problems == ()
            return
        (found,) = of_kind(report, "misread")
        words = {
            "": "",
            "parts": "normalized read as absolute",
            "pixels": "absolute read as normalized",
        }
        named = f"{WORDS[wrote]} read as {WORDS[read]}"
        expected = filter(None, [words[scale], named if wrote != read else ""])
        assert f"({'; '.join(expected)})" in found.text
        assert (found.level, report.trainable) == ("fatal", False)
        assert found.text in report.verdict

    def test_y_before_x(self):
        (found,) = of_kind(self.misread(lambda boxes: boxes[:, [1, 0, 3, 2]]), "misread")
        assert "yx read as xy" in found.text

    def test_of_some_images(self):
        report = self.misread(lambda boxes: boxes / np.tile(SIZE[::-1], 2), slice(10, 18))
        (found,) = of_kind(report, "misread")
        assert found.images == tuple(range(10, 18))
        assert "normalized read as absolute" in found.text
        assert report.trainable

    def test_boxes_that_are_wrong_in_any_form_are_not_explained(self):
        report = self.misread(lambda boxes: boxes[:, [2, 3, 0, 1]])
        assert of_kind(report, "misread") == []
        assert [one.kind for one in report.fatal] == ["no object"]


class TestClasses:
    def shifted(self, by, **fields):
        dataset = scenes(20)
        samples = tuple(dataclasses.replace(one, class_ids=one.class_ids + by) for one in dataset)
        return dataclasses.replace(dataset, samples=samples, **fields)

    def test_ids_from_1(self):
        report = check(self.shifted(1), images=False)
        (found,) = of_kind(report, "class off by one")
        assert "from 1 to 5, instead of from 0 to 4" in str(found)
        assert not report.trainable
        (unknown,) = of_kind(report, "unknown class")
        assert "(ids 5 of 5 names, from 0)" in unknown.text

    def test_ids_of_the_dataset_s_own_that_are_one_too_low(self):
        # A reader gives ids that are not listed -1, as of category 0 where categories begin at 1.
        report = check(self.shifted(-1, dataset_ids=(1, 2, 3, 4, 5)), images=False)
        (found,) = of_kind(report, "class perhaps off by one")
        assert "some are unknown, and figure has no object" in str(found)
        assert report.trainable

    def test_an_unknown_class_alone_is_not_off_by_one(self):
        assert [one.kind for one in check(with_class(-1)).problems] == ["unknown class"]
        assert [one.kind for one in check(with_class(7)).problems] == ["unknown class"]


class TestKeypointSchema:
    @pytest.mark.parametrize(
        ("names", "flip", "wrong", "why"),
        [
            (("a", "left_b", "right_b"), (), ["a", "left_b", "right_b"], "no flip at all"),
            (("a", "left_b", "right_b"), (0, 1, 2), ["left_b", "right_b"], "contrary to left and right in their names"),
            (("a", "left_b", "right_b"), (0, 2, 2), ["left_b", "right_b"], "several have the same counterpart"),
            (("a", "b", "c"), (1, 2, 0), ["a", "b", "c"], "their counterparts have a different one"),
            (("keypoint_0", "keypoint_1"), (0, 1), ["keypoint_0", "keypoint_1"], "they have no names"),
            (("head", "tail"), (0, 1), [], ""),
            (("keypoint_0", "keypoint_1"), (1, 0), [], ""),
        ],
    )
    def test_counterparts(self, names, flip, wrong, why):
        task = KeypointTask("figure", names, flip=flip)
        dataset = plain(GOOD, names=["figure"], keypoints=[[[20, 20, 2]] * len(names)], task=task)
        found = of_kind(check(dataset), "flip")
        assert [name for one in found for name in one.cases] == wrong
        assert all(why in one.text for one in found)


class TestCells:
    def test_what_shares_a_cell_depends_on_the_input_size(self):
        # Centers 10 and 16 pixels apart from each other: at 128 a cell is 4 pixels, at 32 it is 16.
        dataset = plain([[10, 10, 30, 30], [20, 10, 40, 30], [28, 12, 64, 28]], [0, 0, 1])
        fine, coarse = check(dataset, input_size=(96, 128)), check(dataset, input_size=(24, 32))
        assert (fine.figures.shared_class, fine.figures.shared_any) == (0, 0)
        assert (coarse.figures.shared_class, coarse.figures.shared_any) == (1, 1)
        assert [one.kind for one in coarse.problems] == ["shared cell"]
        assert fine.classes[1].cells == (9.0, 4.0)
        assert coarse.classes[1].cells == (2.25, 1.0)

    def test_centers_are_those_of_what_is_seen(self):
        dataset = plain([[-60, 10, 20, 30], [5, 10, 15, 30]])
        assert check(dataset, input_size=(96, 128)).figures.shared_class == 1

    def test_figures_are_those_of_objects_that_can_be_learned(self):
        dataset = plain([*GOOD, [5, 5, 5, 9], [70, 20, 90, 40], [1, 1, 9, 9]], [0, 0, 7, 0], ignore=[0, 0, 0, 1])
        report = check(dataset)
        assert report.figures.objects == 1
        assert report.figures.in_image == (1, 1.0, 1)
        assert (report.classes[0].objects, report.classes[0].ignored) == (2, 1)

    @pytest.mark.parametrize("size", [(3, 512), (512,)])
    def test_less_than_a_cell_is_refused(self, size):
        with pytest.raises(ConfigError, match="input_size of height and width from 4 pixels"):
            check(scenes(1), input_size=size)


class TestVerdict:
    def test_nothing_can_be_read(self):
        report = check(changed(scenes(1), 0, source=b"no"))
        assert report.verdict == "can't be trained, because no images can be read"
        assert [one.kind for one in report.fatal] == ["no readable image"]
        assert len(report.readable) == 0

    def test_problems_are_counted_and_the_worst_comes_first(self):
        report = check(changed(with_box(30, 10, 20, 40), 5, source=b"no"))
        assert report.verdict == "can be trained with 2 problems"
        assert len(report.readable) == 7
        hopeless = check(changed(plain(GOOD), 0, source=b"no"))
        assert [one.level for one in hopeless.problems] == ["fatal", "problem"]

    def test_text_and_json_have_everything(self, tmp_path):
        report = with_box(30, 10, 20, 40).check(input_size=(64, 64))
        text = str(report)
        assert "1 box has swapped corners, in 1 image: 2\n" in text
        assert text.splitlines()[-1] == "Verdict: can be trained with 1 problem."
        assert all(name in text for name in report.dataset.class_names)
        report.to_json(tmp_path / "all.json")
        values = json.loads((tmp_path / "all.json").read_text())
        assert (values["verdict"], values["trainable"]) == (report.verdict, True)
        assert values["findings"][0]["images"] == [2]
        assert values["input_size"] == [64, 64]

    def test_many_cases_are_shortened_in_the_text_only(self):
        dataset = plain([[30, 10, 30, 40], *GOOD], count=8)
        (found,) = of_kind(check(dataset), "empty")
        assert str(found) == "8 boxes have no width or no height, in 8 images: 0, 1, 2, 3, 4 and 3 more"
        assert found.images == tuple(range(8))

    def test_what_the_reader_warned_of_is_a_problem_and_not_printed(self, tmp_path):
        printed = []
        handler = logging.Handler()
        handler.emit = printed.append
        logger = logging.getLogger("centernet")
        logger.addHandler(handler)
        row = (
            "<object><name>cat</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object>"
        )
        (tmp_path / "a.xml").write_text(f"<annotation>{row}</annotation>")
        (tmp_path / "b.xml").write_text("<annotation>")
        try:
            with collected_warnings() as remarks:
                dataset = load(tmp_path, "voc", "all")
            logger.warning("later")
        finally:
            logger.removeHandler(handler)
        assert [record.getMessage() for record in printed] == ["later"]
        report = with_reader_warnings(check(scenes(3)), remarks)
        assert len(dataset) == 1
        assert [one.kind for one in report.problems] == ["reading"]
        assert "b.xml" in str(report.problems[0])


class TestSheet:
    RED = (255, 60, 60)

    def reds(self, picture):
        return int((np.asarray(picture) == self.RED).all(axis=-1).sum())

    def test_a_problem_is_marked_and_nothing_else(self):
        assert self.reds(scenes().check().draw()) == 0
        # A box without area is marked so large that it is seen.
        assert self.reds(with_box(30, 10, 30, 10).check().draw()) > 100

    def test_images_with_problems_come_first_and_leave_room_for_others(self):
        dataset = scenes(12)
        for number in (3, 5, 7, 9, 11):
            dataset = changed(dataset, number, boxes=dataset[number].boxes * 0)
        report = check(dataset)
        shown = chosen(report, 6)
        assert shown[:4] == [3, 5, 7, 9]
        assert not set(shown[4:]) & {3, 5, 7, 9, 11}
        assert sorted(chosen(report, 50)) == list(range(12))
        assert sorted(chosen(check(plain([[30, 10, 30, 40]], count=5)), 4)) == [0, 1, 2, 3]

    def test_each_class_is_on_the_sheet(self):
        # Only two images of many have a dog.
        ids = [[0], [0], [0], [1], [0], [0], [1], [0]]
        cats = plain(GOOD, count=8)
        dataset = Dataset([dataclasses.replace(one, class_ids=ids[n]) for n, one in enumerate(cats)], ["cat", "dog"])
        assert len(set(chosen(check(dataset), 2)) & {3, 6}) == 1

    def test_tiles_are_in_rows_of_four(self):
        report = check(scenes(9))
        sizes = [report.draw(count).size for count in (2, 4, 8)]
        assert sizes[0][0] < sizes[1][0] == sizes[2][0]
        assert sizes[0][1] == sizes[1][1] < sizes[2][1]

    @pytest.mark.parametrize("kind", ONCE)
    def test_whatever_is_wrong_can_be_drawn(self, kind, tmp_path):
        dataset, _ = ONCE[kind](tmp_path)
        assert check(dataset).draw(4).mode == "RGB"

    def test_an_empty_dataset_gives_an_empty_sheet(self):
        assert check(Dataset([], ["cat"])).draw().size[0] > 0


def test_the_two_degenerate_boxes_of_blood_cells_are_found(shared):
    report = load(shared / "data" / "bccd", split="all").check()
    (found,) = of_kind(report, "empty")
    assert found.images == ("BloodImage_00338", "BloodImage_00343")
    assert [one.kind for one in report.findings] == ["empty", "nearly twice", "pixels from 1"]
    assert report.trainable


def test_photos_of_coco_have_no_problem(shared):
    for name in ("coco_val254", "coco_keypoints50"):
        assert load(shared / "data" / name, split="all").check().problems == ()


def test_the_source_error_of_a_sample_is_that_of_the_report():
    with pytest.raises(SourceError, match="another kind"):
        _ = with_source(b"no image")[2].image
    (found,) = of_kind(check(with_source(b"no image")), "unreadable")
    assert "another kind" in str(found)
