"""Pascal VOC: layouts, coordinates, what can't be read."""

from __future__ import annotations

import pytest

from centernet.data import load
from centernet.errors import ConfigError

OBJECT = """<object><name>{name}</name>{difficult}
<bndbox><xmin>{0}</xmin><ymin>{1}</ymin><xmax>{2}</xmax><ymax>{3}</ymax></bndbox></object>"""


def xml(*objects, file="a.jpg", size="<size><width>200</width><height>100</height><depth>3</depth></size>"):
    return f"<annotation><filename>{file}</filename>{size}{''.join(objects)}</annotation>"


def item(*box, name="cat", difficult=""):
    return OBJECT.format(*box, name=name, difficult=difficult)


@pytest.fixture
def put(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return tmp_path

    return write


def test_coordinates_are_taken_as_they_are_written(put):
    (one,) = load(put("Annotations/a.xml", xml(item(1, 1, 200, 100), item(7.5, 8, 7.5, 3))), split="all")
    assert one.boxes.tolist() == [[1, 1, 200, 100], [7.5, 8, 7.5, 3]]
    assert one.areas.tolist() == [199 * 99, 0]
    assert one.size == (100, 200)


def test_difficult_objects_are_ignored(put):
    marks = ["", "<difficult>0</difficult>", "<difficult>1</difficult>"]
    (one,) = load(put("Annotations/a.xml", xml(*(item(1, 2, 3, 4, difficult=mark) for mark in marks))), split="all")
    assert one.ignore.tolist() == [False, False, True]


def test_parts_of_objects_are_no_objects(put):
    part = "<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part></object>"
    found = load(put("Annotations/a.xml", xml(item(1, 2, 3, 4).replace("</object>", part))), split="all")
    assert (found.class_names, len(found[0].boxes)) == (("cat",), 1)


def test_an_image_without_size_and_objects(put):
    put("Annotations/a.xml", xml(size=""))
    found = load(put("Annotations/b.xml", xml(item(1, 2, 3, 4))), split="all")
    assert (found[0].size, found[0].boxes.shape) == (None, (0, 4))


HOSTILE = """<?xml version="1.0"?><!DOCTYPE annotation [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>
<annotation><filename>&b;</filename></annotation>"""
OUTSIDE = """<?xml version="1.0"?><!DOCTYPE annotation [<!ENTITY a SYSTEM "file:///etc/passwd">]>
<annotation><filename>&a;</filename></annotation>"""


@pytest.mark.parametrize(
    "bad",
    [
        HOSTILE,
        OUTSIDE,
        '<!DOCTYPE annotation SYSTEM "http://localhost/a.dtd"><annotation/>',
        "",
        "<annotation><object>",
        "<html></html>",
        xml(item("left", 2, 3, 4)),
        xml("<object><name>cat</name></object>"),
        xml(item(1, 2, 3, 4, name="")),
        xml(size="<size><width>wide</width><height>1</height></size>"),
    ],
)
def test_a_bad_file_is_skipped_and_named(put, caplog, bad):
    put("Annotations/bad.xml", bad)
    found = load(put("Annotations/good.xml", xml(item(1, 2, 3, 4))), split="all")
    assert [one.image_id for one in found] == ["good"]
    assert "skipped 1 of 2 images, whose annotations can't be read: bad.xml (" in caplog.text


def test_entities_are_refused_and_that_is_the_reason_when_nothing_else_is_there(put):
    with pytest.raises(ConfigError, match=r"None of 1 can be read: a\.xml \(it has a document type .*: delete that\)"):
        load(put("Annotations/a.xml", HOSTILE), "voc", "all")


def test_lists_define_splits(put):
    for name in "abc":
        put(f"Annotations/{name}.xml", xml(item(1, 2, 3, 4)))
    put("ImageSets/Main/train.txt", "c\n\na\n")
    put("ImageSets/Main/cat_train.txt", "c 1\na -1\n")
    root = put("ImageSets/Main/val.txt", "b  1\n")
    train, validation = load(root)
    assert [one.image_id for one in train] == ["c", "a"]
    assert [one.image_id for one in validation] == ["b"]
    assert [one.image_id for one in load(root, split="all")] == ["a", "b", "c"]
    with pytest.raises(ConfigError, match="It has train, val;"):
        load(root, split="cat_train")


def test_a_listed_image_without_annotation_is_named(put, caplog):
    put("Annotations/a.xml", xml(item(1, 2, 3, 4)))
    assert len(load(put("ImageSets/Main/test.txt", "a\ngone\n"), split="test")) == 1
    assert "gone.xml (No such file or directory)" in caplog.text


def test_folders_with_photos_and_annotations_are_splits(put, tmp_path):
    put("train/a.xml", xml(item(1, 2, 3, 4), file="a.jpg"))
    put("valid/b.xml", xml(item(1, 2, 3, 4, name="dog"), file="b.jpg"))
    train, validation = load(tmp_path)
    assert train.class_names == validation.class_names == ("cat", "dog")
    assert validation[0].source == tmp_path / "valid" / "b.jpg"
    assert len(load(tmp_path, split="all")) == 2


def test_a_devkit_with_one_year(put, tmp_path):
    put("VOC2007/Annotations/a.xml", xml(item(1, 2, 3, 4)))
    assert len(load(tmp_path, split="all")) == 1
    put("VOC2012/Annotations/a.xml", xml(item(1, 2, 3, 4)))
    with pytest.raises(ConfigError, match=r"VOC2007.*VOC2012\. Give one"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("named", "photo"),
    [
        ("a.jpg", "JPEGImages/a.jpg"),
        ("a", "JPEGImages/a.png"),
        ("a.jpg", "JPEGImages/a.png"),
        ("", "images/a.png"),
        ("C:\\photos\\b.jpg", "JPEGImages/b.jpg"),
        ("../../etc/a.jpg", "JPEGImages/a.jpg"),
        ("a.jpg", "Annotations/a.jpg"),
    ],
)
def test_photos_are_found_by_what_is_named_or_by_the_name_of_the_file(put, tmp_path, named, photo):
    put(photo, "")
    put("Annotations/a.xml", xml(item(1, 2, 3, 4), file=named))
    (one,) = load(tmp_path, split="all")
    assert one.source == tmp_path / photo


@pytest.mark.parametrize("folder", ["annotations", "ANNOTATIONS", "train/annotations"])
@pytest.mark.parametrize("photos", ["images", "JPEGimages", "Images", ""])
def test_case_does_not_matter_in_names_of_folders(put, tmp_path, folder, photos):
    put(f"{folder}/../{photos}/a.png", "")
    put(f"{folder}/a.xml", xml(item(1, 2, 3, 4)))
    (one,) = load(tmp_path, split="all")
    assert one.source.is_file()
    put(f"{folder}/../imagesets/main/val.txt", "a\n")
    assert folder.startswith("train") or len(load(tmp_path, split="val")) == 1


def test_annotations_of_coco_in_a_folder_of_that_name_do_not_hide_xml(put, tmp_path):
    put("annotations/notes.json", "{}")
    put("train/a.xml", xml(item(1, 2, 3, 4)))
    assert len(load(tmp_path, split="train")) == 1


class TestSubfolders:
    @pytest.fixture
    def root(self, put, tmp_path):
        for name in ("x/a", "y/a", "y/b", "c"):
            put(f"Annotations/{name}.xml", xml(item(1, 2, 3, 4), file=f"{name[-1]}.jpg"))
        for name in ("x/a", "y/a", "b", "c"):
            put(f"images/{name}.jpg", "")
        return tmp_path

    def test_all_are_read_and_called_differently(self, root):
        found = load(root, split="all")
        assert [one.image_id for one in found] == ["c", "Annotations/x/a.xml", "Annotations/y/a.xml", "b"]

    def test_photos_are_in_folders_of_the_same_names_or_together(self, root, put):
        put("Annotations/z/c.xml", xml(item(1, 2, 3, 4), file="c.jpg"))
        sources = {one.source.relative_to(root / "images").as_posix() for one in load(root, split="all")[:3]}
        assert sources == {"c.jpg", "x/a.jpg", "y/a.jpg"}
        assert load(root, split="all")[-1].source == root / "images" / "c.jpg"

    def test_lists_name_them_with_and_without_their_folders(self, root, put, caplog):
        put("ImageSets/Main/train.txt", "x/a\nb 1\ny/b\na\n")
        assert [one.image_id for one in load(root, split="train")] == ["Annotations/x/a.xml", "b"]
        assert "a.xml (No such file or directory)" in caplog.text  # x/a, or y/a?

    def test_those_that_are_called_like_splits_are_splits(self, put, tmp_path):
        put("Annotations/train/a.xml", xml(item(1, 2, 3, 4)))
        put("Annotations/val/b.xml", xml(item(1, 2, 3, 4)))
        train, validation = load(tmp_path)
        assert [one.image_id for one in [*train, *validation]] == ["a", "b"]

    def test_links_to_other_folders_are_not_followed(self, root, put, tmp_path):
        put("elsewhere/d.xml", xml(item(1, 2, 3, 4)))
        (root / "Annotations" / "link").symlink_to(tmp_path / "elsewhere")
        assert len(load(root, split="all")) == 4


def test_photos_are_not_looked_for_outside_of_the_dataset(put, tmp_path):
    put("annotations/images/a.png", "")
    put("images/a.png", "")
    put("annotations/x/a.xml", xml(item(1, 2, 3, 4), file="a.png"))
    assert load(tmp_path / "annotations" / "x", split="all")[0].source == tmp_path / "annotations" / "x" / "a.png"


def test_a_missing_photo_does_not_matter(put, tmp_path):
    assert load(put("Annotations/a.xml", xml(item(1, 2, 3, 4))), split="all")[0].source == tmp_path / "a.jpg"


def test_other_xml_is_not_recognized(put):
    with pytest.raises(ConfigError, match="no dataset of a known format"):
        load(put("layout.xml", "<layout/>"))


def test_lists_may_have_any_name(put):
    put("Annotations/a.xml", xml(item(1, 2, 3, 4)))
    put("ImageSets/Main/train.txt", "a")
    assert len(load(put("ImageSets/Main/fold 1.txt", "a\n"), split="fold 1")) == 1
