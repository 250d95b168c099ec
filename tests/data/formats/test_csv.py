"""CSV: columns, splits, what can't be read."""

from __future__ import annotations

import pytest

from centernet.data import load
from centernet.errors import ConfigError

HEADER = "filename,width,height,class,xmin,ymin,xmax,ymax"


@pytest.fixture
def put(tmp_path):
    def write(*lines, name="data.csv", encoding="utf-8"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines), encoding=encoding)
        return path

    return write


def test_a_row_is_an_object(put):
    path = put(HEADER, "a.jpg,200,100,dog,1,2,3.5,4", "b.jpg,20,10,cat,5,6,7,8", "a.jpg,200,100,cat,0,0,0,-1")
    found = load(path, split="all")
    assert found.class_names == ("cat", "dog")
    assert [one.image_id for one in found] == ["a", "b"]
    assert found[0].boxes.tolist() == [[1, 2, 3.5, 4], [0, 0, 0, -1]]
    assert found[0].class_ids.tolist() == [1, 0]
    assert found[0].size == (100, 200)


def test_an_image_without_objects(put):
    found = load(put(HEADER, "a.jpg,200,100,,,,,", "b.jpg,,,cat,5,6,7,8"), split="all")
    assert [(len(one.boxes), one.size) for one in found] == [(0, (100, 200)), (1, None)]


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("image,class,xmin,ymin,xmax,ymax", "a.jpg,cat,1,2,3,4"),
        ("Image Path;Label;X Min;Y Min;X Max;Y Max", "a.jpg;cat;1;2;3;4"),
        ("path\tx1\ty1\tx2\ty2\tclass_name", "a.jpg\t1\t2\t3\t4\tcat"),
        ("x0,y0,x1,y1,file,category,more", "1,2,3,4,a.jpg,cat,x"),
        ("left,top,right,bottom,file_name,name", "1,2,3,4,a.jpg,cat"),
        ("a.jpg,1,2,3,4,cat", ""),
        ("\ufefffilename,class,xmin,ymin,xmax,ymax", "a.jpg,cat,1,2,3,4"),
    ],
)
def test_columns(put, header, row):
    (one,) = load(put(header, row), split="all")
    assert (one.image_id, one.boxes.tolist()) == ("a", [[1, 2, 3, 4]])


def test_ignored_objects_and_areas(put):
    rows = ["a.jpg,cat,0,0,2,2,1,3", "a.jpg,cat,0,0,2,2,no,", "a.jpg,cat,0,0,2,2,,"]
    (one,) = load(put("image,class,xmin,ymin,xmax,ymax,iscrowd,area", *rows), split="all")
    assert one.ignore.tolist() == [True, False, False]
    assert one.areas.tolist() == [3, 4, 4]


@pytest.mark.parametrize(
    "bad", ["b.jpg,1,1,cat,one,2,3,4", "b.jpg,1,1,cat,1,2", "b.jpg,1,1,,1,2,3,4", ",1,1,cat,1,2,3,4"]
)
def test_an_invalid_row_skips_its_image(put, caplog, bad):
    assert len(load(put(HEADER, "a.jpg,1,1,cat,1,2,3,4", bad), split="all")) == 1
    assert "skipped 1 of 2 images" in caplog.text


def test_splits_of_a_column(put):
    header = "image,class,xmin,ymin,xmax,ymax,split"
    path = put(header, "a.jpg,cat,1,2,3,4,TRAIN", "b.jpg,dog,1,2,3,4,validation", "c.jpg,cat,1,2,3,4,UNASSIGNED")
    train, validation = load(path)
    assert [one.image_id for one in [*train, *validation]] == ["a", "b"]
    assert train.class_names == ("cat", "dog")
    assert len(load(path, split="all")) == 3


def test_splits_of_files_and_folders(put, tmp_path):
    put(HEADER, "a.jpg,1,1,cat,1,2,3,4", name="x/train_labels.csv")
    put(HEADER, "b.jpg,1,1,dog,1,2,3,4", name="x/test_labels.csv")
    put("key,value", "a,1", name="x/notes.csv")
    assert [part.class_names for part in load(tmp_path / "x")] == [("cat", "dog")] * 2
    put(HEADER, "a.jpg,1,1,cat,1,2,3,4", name="y/train/_annotations.csv")
    put(HEADER, "b.jpg,1,1,dog,1,2,3,4", name="y/valid/_annotations.csv")
    train, validation = load(tmp_path / "y")
    assert (train[0].source, validation.name) == (tmp_path / "y" / "train" / "a.jpg", "y (valid)")
    assert len(load(tmp_path / "y", split="all")) == 2


def test_several_files_without_a_split_are_refused(put, tmp_path):
    for name in ("a.csv", "b.csv"):
        path = put(HEADER, "a.jpg,1,1,cat,1,2,3,4", name=name)
    with pytest.raises(ConfigError, match=r"Found: a\.csv, b\.csv\. Give one of these files"):
        load(tmp_path, split="all")
    assert len(load(path, split="all")) == 1
    put(HEADER, "a.jpg,1,1,cat,1,2,3,4", name="train.csv")
    assert load(tmp_path, split="all").name.endswith("(all)")


def test_names_of_windows(put, tmp_path):
    photo = put("", name="images/sub/a.jpg")
    (one,) = load(put(HEADER, "sub\\a.jpg,1,1,cat,1,2,3,4"), split="all")
    assert one.source == photo


@pytest.mark.parametrize("place", ["a.jpg", "images/a.jpg", "train/a.jpg", "JPEGImages/a.jpg"])
def test_photos_are_found(put, tmp_path, place):
    path = put(HEADER, "a.jpg,1,1,cat,1,2,3,4", name="train.csv")
    photo = put("", name=place)
    assert load(path, split="train")[0].source == photo


def test_files_of_one_name_in_several_folders_stay_apart(put):
    rows = ["x/a.jpg,1,1,cat,1,2,3,4", "y/a.jpg,1,1,cat,1,2,3,4", "y/b.jpg,1,1,cat,1,2,3,4"]
    ids = [one.image_id for one in load(put(HEADER, *rows), split="all")]
    assert len(set(ids)) == 3
    assert ids[2] == "b"


def test_other_encodings_are_refused(put):
    path = put(HEADER, "a.jpg,1,1,Käse,1,2,3,4", encoding="cp1252")
    with pytest.raises(ConfigError, match="CSV in UTF-8"):
        load(path, split="all")


@pytest.mark.parametrize("text", ["", "a,b,c\n1,2,3", "filename,class\na.jpg,cat"])
def test_other_tables_are_not_recognized(put, text):
    with pytest.raises(ConfigError, match=r"CSV lacks a \.csv with columns image, class, xmin"):
        load(put(text))


def test_a_table_without_rows(put):
    with pytest.raises(ConfigError, match="It has none"):
        load(put(HEADER), split="all")
