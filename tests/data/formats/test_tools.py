"""Layouts of annotation tools that are only read: each a small folder, with the boxes that must come out, in pixels."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from centernet.data import load, write
from centernet.data.formats import FORMATS
from centernet.errors import CenterNetError, ConfigError

HEIGHT, WIDTH = 90, 120
SIDES = ("left", "top", "width", "height")
BOX = [24.0, 18.0, 60.0, 72.0]  # x0 y0 x1 y1; exact in percent and in sixths of the photo
EVERY = [BOX, [0.0, 0.0, 120.0, 90.0]]  # the second touches all edges
RELATIVE = [[x / WIDTH, y / HEIGHT] for x, y in ((24, 18), (60, 72))]


def photo(path: Path, value: int = 7) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (WIDTH, HEIGHT), (value, value, value)).save(path)
    return path


def put(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def xml(name: str, *boxes: list[float]) -> str:
    objects = "".join(
        f"<object><name>{label}</name><bndbox><xmin>{b[0]}</xmin><ymin>{b[1]}</ymin><xmax>{b[2]}</xmax>"
        f"<ymax>{b[3]}</ymax></bndbox></object>"
        for label, b in zip(("cat", "dog"), boxes, strict=False)
    )
    return f"<annotation><filename>{name}</filename>{objects}</annotation>"


def xywh(box: list[float]) -> list[float]:
    return [box[0], box[1], box[2] - box[0], box[3] - box[1]]


def lines() -> str:
    rows = [(number, *xywh(box)) for number, box in enumerate(EVERY)]
    return "".join(
        f"{n} {(x + w / 2) / WIDTH} {(y + h / 2) / HEIGHT} {w / WIDTH} {h / HEIGHT}\n" for n, x, y, w, h in rows
    )


# Builders: a folder in, with photos a.png (both objects) and b.png (none).


def detection_api_tutorial(folder: Path) -> None:
    for split in ("train", "test"):
        photo(folder / "images" / split / f"{split}.png")
        put(folder / "images" / split / f"{split}.xml", xml(f"{split}.png", *EVERY))
    put(folder / "annotations" / "label_map.pbtxt", "item { id: 1 name: 'dog' } item { id: 2 name: 'cat' }")


def xml_and_photos_anywhere(folder: Path) -> None:
    photo(folder / "shots" / "day 1" / "a.png")
    put(folder / "labels_voc" / "a.xml", xml("a.png", *EVERY))
    photo(folder / "shots" / "day 2" / "b.png")
    put(folder / "labels_voc" / "b.xml", xml("b.jpg"))  # another suffix than the photo's


def cvat_yolo(folder: Path) -> None:
    put(folder / "obj.names", "cat\ndog\n")
    put(folder / "obj.data", "classes = 2\ntrain = data/train.txt\nnames = data/obj.names\nbackup = backup/\n")
    put(folder / "train.txt", "data/obj_train_data/a.png\ndata/obj_train_data/b.png\n")
    photo(folder / "obj_train_data" / "a.png")
    photo(folder / "obj_train_data" / "b.png")
    put(folder / "obj_train_data" / "a.txt", lines())
    put(folder / "obj_train_data" / "b.txt", "")


def yolo_without_splits(folder: Path) -> None:
    put(folder / "data.yaml", "nc: 2\nnames: [cat, dog]\n")
    photo(folder / "images" / "a.png")
    photo(folder / "images" / "b.png")
    put(folder / "labels" / "a.txt", lines())


def label_studio_yolo(folder: Path) -> None:
    yolo_without_splits(folder)
    (folder / "data.yaml").unlink()
    put(folder / "classes.txt", "cat\ndog\n")
    put(folder / "notes.json", {"categories": [{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}], "info": {}})


def coco_in_another_folder(folder: Path) -> None:
    photo(folder / "train2017" / "a.png")
    photo(folder / "train2017" / "b.png")
    rows = [{"id": n, "image_id": 1, "category_id": n + 1, "bbox": xywh(box)} for n, box in enumerate(EVERY)]
    images = [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}]
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    put(folder / "annotations" / "train.json", {"images": images, "annotations": rows, "categories": categories})


def cvat(folder: Path) -> None:
    boxes = "".join(
        f'<box label="{label}" xtl="{b[0]}" ytl="{b[1]}" xbr="{b[2]}" ybr="{b[3]}" occluded="0"/>'
        for label, b in zip(("cat", "dog"), EVERY, strict=True)
    )
    labels = "".join(f"<label><name>{name}</name></label>" for name in ("cat", "dog"))
    images = (
        f'<image id="0" name="a.png" width="{WIDTH}" height="{HEIGHT}">{boxes}</image>'
        f'<image id="1" name="b.png" width="{WIDTH}" height="{HEIGHT}"/>'
    )
    meta = f"<meta><task><labels>{labels}</labels></task></meta>"
    put(folder / "annotations.xml", f"<annotations><version>1.1</version>{meta}{images}</annotations>")
    photo(folder / "images" / "a.png")
    photo(folder / "images" / "b.png")


def labelme(folder: Path) -> None:
    (x0, y0, x1, y1), whole = EVERY
    shapes = [
        {"label": "cat", "points": [[x1, y0], [x0, y1]], "shape_type": "rectangle", "group_id": None},
        {"label": "dog", "points": [[whole[2], 0], [0, 0], [0, whole[3]], [3, 4]], "shape_type": "polygon"},
    ]
    for name, own in (("a", shapes), ("b", [])):
        content = {"version": "5", "shapes": own, "imagePath": f"{name}.png", "imageData": None}
        put(folder / f"{name}.json", content | {"imageHeight": HEIGHT, "imageWidth": WIDTH})
        photo(folder / f"{name}.png")


def label_studio(folder: Path) -> None:
    percent = [[100 * side / (WIDTH, HEIGHT)[axis % 2] for axis, side in enumerate(xywh(box))] for box in EVERY]
    result = [
        {
            **{"type": "rectanglelabels", "original_width": WIDTH, "original_height": HEIGHT},
            "value": dict(zip(("x", "y", "width", "height"), box, strict=True)) | {"rectanglelabels": [label]},
        }
        for label, box in zip(("cat", "dog"), percent, strict=True)
    ]
    tasks = [
        {"id": 1, "data": {"image": "/data/upload/1/0123abcd-a.png"}, "annotations": [{"result": result}]},
        {"id": 2, "data": {"image": "/data/local-files/?d=images/b.png"}, "annotations": [{"result": []}]},
    ]
    put(folder / "export.json", tasks)
    photo(folder / "images" / "a.png")
    photo(folder / "images" / "b.png")


def via_regions() -> list[dict[str, Any]]:
    shapes = [dict(zip(("x", "y", "width", "height"), xywh(box), strict=True)) | {"name": "rect"} for box in EVERY]
    attributes = ({"type": "cat"}, {"type": {"dog": True}})
    return [
        {"shape_attributes": shape, "region_attributes": own} for shape, own in zip(shapes, attributes, strict=True)
    ]


def via(folder: Path) -> None:
    files = {"a.png": via_regions(), "b.png": []}
    images = {f"{name}99": {"filename": name, "size": 99, "regions": own} for name, own in files.items()}
    put(folder / "via_project.json", {"_via_settings": {}, "_via_img_metadata": images})
    photo(folder / "a.png")
    photo(folder / "b.png")


def via_csv(folder: Path) -> None:
    names = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"
    quoted = ['"' + json.dumps(one[key]).replace('"', '""') + '"' for one in via_regions() for key in one]
    rows = [f'a.png,99,"{{}}",2,{n},{quoted[2 * n]},{quoted[2 * n + 1]}' for n in range(2)]
    put(folder / "via.csv", "\n".join([names, *rows, 'b.png,99,"{}",0,0,"{}","{}"']))
    photo(folder / "a.png")
    photo(folder / "b.png")


def vott(folder: Path) -> None:
    regions = [
        {"type": "RECTANGLE", "tags": [tag], "boundingBox": dict(zip(SIDES, xywh(box), strict=True))}
        for tag, box in zip(("cat", "dog"), EVERY, strict=True)
    ]
    size = {"width": WIDTH, "height": HEIGHT}
    assets = {
        name: {"asset": {"name": f"{name}.png", "path": f"file:/x/{name}.png", "size": size}, "regions": own}
        for name, own in (("a", regions), ("b", []))
    }
    put(folder / "vott-json-export" / "export.json", {"name": "x", "assets": assets})
    photo(folder / "vott-json-export" / "a.png")
    photo(folder / "vott-json-export" / "b.png")


def supervisely(folder: Path) -> None:
    objects = [
        {"classTitle": name, "geometryType": "rectangle", "points": {"exterior": [b[:2], b[2:]], "interior": []}}
        for name, b in zip(("cat", "dog"), EVERY, strict=True)
    ]
    for name, own in (("a", objects), ("b", [])):
        size = {"height": HEIGHT, "width": WIDTH}
        put(folder / "ds0" / "ann" / f"{name}.png.json", {"tags": [], "size": size, "objects": own or []})
        photo(folder / "ds0" / "img" / f"{name}.png")


def datumaro(folder: Path) -> None:
    rows = [{"id": n, "type": "bbox", "label_id": n, "group": 0, "bbox": xywh(box)} for n, box in enumerate(EVERY)]
    labels = [{"name": "cat", "parent": ""}, {"name": "dog", "parent": ""}]
    items = [
        {"id": name, "annotations": own, "image": {"path": f"{name}.png", "size": [HEIGHT, WIDTH]}}
        for name, own in (("a", rows), ("b", []))
    ]
    content = {"info": {}, "categories": {"label": {"labels": labels}}, "items": items}
    put(folder / "annotations" / "default.json", content)
    photo(folder / "images" / "default" / "a.png")
    photo(folder / "images" / "default" / "b.png")


def create_ml(folder: Path) -> None:
    places = [
        {"x": (b[0] + b[2]) / 2, "y": (b[1] + b[3]) / 2, "width": b[2] - b[0], "height": b[3] - b[1]} for b in EVERY
    ]
    rows = [{"label": name, "coordinates": at} for name, at in zip(("cat", "dog"), places, strict=True)]
    put(folder / "annotations.json", [{"image": "a.png", "annotations": rows}, {"image": "b.png", "annotations": []}])
    photo(folder / "a.png")
    photo(folder / "b.png")


def open_images(folder: Path) -> None:
    header = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction"
    codes = ("/m/01yrx", "/m/0bt9lr")
    rows = [
        f"a,x,{code},1,{b[0] / WIDTH},{b[2] / WIDTH},{b[1] / HEIGHT},{b[3] / HEIGHT},0,0,0,0,0"
        for code, b in zip(codes, EVERY, strict=True)
    ]
    put(folder / "train-annotations-bbox.csv", "\n".join([header, *rows]))
    put(folder / "class-descriptions-boxable.csv", "/m/01yrx,cat\n/m/0bt9lr,dog\n")
    photo(folder / "train" / "a.png")


def kitti(folder: Path) -> None:
    rows = [
        f"{name} 0 0 0 {' '.join(map(str, b))} 0 0 0 0 0 0 0" for name, b in zip(("cat", "dog"), EVERY, strict=True)
    ]
    put(folder / "label_2" / "a.txt", "\n".join([*rows, "DontCare -1 -1 -10 1 2 3 4 -1 -1 -1 -1000 -1000 -1000 -10"]))
    put(folder / "label_2" / "b.txt", "")
    photo(folder / "image_2" / "a.png")
    photo(folder / "image_2" / "b.png")


def csv_with_one_column(delimiter: str, header: bool) -> Callable[[Path], None]:
    def build(folder: Path) -> None:
        rows = [("a.png", str(xywh(b)), name) for name, b in zip(("cat", "dog"), EVERY, strict=True)]
        cells = [*([("image", "bbox", "label")] if header else []), *rows]
        text = "\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in cells)
        put(folder / "boxes.csv", text)
        photo(folder / "a.png")

    return build


LAYOUTS: Mapping[str, tuple[str, Callable[[Path], None]]] = {
    "Detection API tutorial": ("voc", detection_api_tutorial),
    "XML anywhere": ("voc", xml_and_photos_anywhere),
    "CVAT YOLO 1.1": ("yolo", cvat_yolo),
    "YOLO without splits": ("yolo", yolo_without_splits),
    "Label Studio YOLO": ("yolo", label_studio_yolo),
    "COCO in another folder": ("coco", coco_in_another_folder),
    "CVAT for images": ("cvat", cvat),
    "LabelMe": ("labelme", labelme),
    "Label Studio": ("label_studio", label_studio),
    "VIA": ("via", via),
    "VIA CSV": ("via_csv", via_csv),
    "VoTT": ("vott", vott),
    "Supervisely": ("supervisely", supervisely),
    "Datumaro": ("datumaro", datumaro),
    "Create ML": ("create_ml", create_ml),
    "Open Images": ("open_images", open_images),
    "KITTI": ("kitti", kitti),
    **{
        f"CSV {delimiter!r} {header}": ("csv", csv_with_one_column(delimiter, header))
        for delimiter in ",;\t"
        for header in (True, False)
    },
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_is_recognized_and_read_exactly(tmp_path: Path, name: str) -> None:
    key, build = LAYOUTS[name]
    build(tmp_path / "data")
    dataset = load(tmp_path / "data", split="all")
    assert dataset.format == key
    assert dataset.class_names == (("dog", "cat") if "tutorial" in name else ("cat", "dog"))
    samples = [sample for sample in dataset if len(sample.boxes)]
    assert len(samples) == (2 if "tutorial" in name else 1)
    for sample in samples:
        order = np.argsort([dataset.class_names[class_id] for class_id in sample.class_ids])
        np.testing.assert_allclose(sample.boxes[order], EVERY, atol=1e-4)
    assert all(sample.image.shape == (HEIGHT, WIDTH, 3) for sample in dataset)
    assert len(dataset) == (
        1 if key in ("csv", "open_images") else 2
    )  # these have no entry for a photo without objects


@pytest.mark.parametrize("name", [name for name, (key, _) in LAYOUTS.items() if not FORMATS[key].write])
def test_what_is_only_read_can_be_written_in_a_common_format(tmp_path: Path, name: str) -> None:
    key, build = LAYOUTS[name]
    build(tmp_path / "data")
    dataset = load(tmp_path / "data", split="all")
    again = load(write(dataset, tmp_path / "coco", "coco"), split="all")
    assert [len(sample.boxes) for sample in again] == [len(sample.boxes) for sample in dataset]
    with pytest.raises(ConfigError, match=rf"format of \['coco', .*\] to write. Received: format={key!r}"):
        write(dataset, tmp_path / "other", key)


def test_every_format_has_a_layout() -> None:
    assert {key for key, entry in FORMATS.items() if not entry.write} <= {key for key, _ in LAYOUTS.values()}


def test_splits_are_those_of_the_folders(tmp_path: Path) -> None:
    detection_api_tutorial(tmp_path)
    train, test = load(tmp_path)
    assert [[sample.image_id for sample in part] for part in (train, test)] == [["train"], ["test"]]


def test_two_photos_of_one_name_are_an_error_that_names_both(tmp_path: Path) -> None:
    xml_and_photos_anywhere(tmp_path)
    photo(tmp_path / "shots" / "night" / "a.png", value=200)
    with pytest.raises(
        CenterNetError, match=r"day 1/a\.png and .*night/a\.png differ|night/a\.png and .*day 1/a\.png differ"
    ):
        load(tmp_path, split="all")
    (tmp_path / "shots" / "night" / "a.png").write_bytes((tmp_path / "shots" / "day 1" / "a.png").read_bytes())
    assert len(load(tmp_path, split="all")) == 2


def test_a_missing_photo_is_not_taken_from_another_split_or_from_masks(tmp_path: Path) -> None:
    photo(tmp_path / "coco" / "valid" / "images" / "a.png")
    labelme(tmp_path / "coco" / "train")
    (tmp_path / "coco" / "train" / "a.png").unlink()
    assert load(tmp_path / "coco", split="train")[0].source == tmp_path / "coco" / "train" / "a.png"
    for name in ("a", "b"):
        put(tmp_path / "voc" / "Annotations" / f"{name}.xml", xml(f"{name}.jpg", *EVERY))
    photo(tmp_path / "voc" / "JPEGImages" / "b.jpg")
    photo(tmp_path / "voc" / "SegmentationClass" / "a.png")
    assert [sample.source.parent.name for sample in load(tmp_path / "voc", split="all")] == ["JPEGImages"] * 2


def test_kitti_with_lists_and_two_cameras(tmp_path: Path) -> None:
    kitti(tmp_path / "training")
    put(tmp_path / "ImageSets" / "train.txt", "a\nb\n")
    photo(tmp_path / "training" / "image_3" / "a.png", value=99)
    assert {sample.source.parent.name for sample in load(tmp_path, split="all")} == {"image_2"}


def test_every_file_of_cvat_is_read(tmp_path: Path) -> None:
    for number in range(8):
        cvat(tmp_path / f"task {number}")
        folder = tmp_path / f"task {number}"
        for name in ("a", "b"):
            (folder / "images" / f"{name}.png").rename(folder / "images" / f"{name}{number}.png")
        text = (folder / "annotations.xml").read_text()
        put(
            folder / "annotations.xml",
            text.replace('"a.png"', f'"a{number}.png"').replace('"b.png"', f'"b{number}.png"'),
        )
    assert len(load(tmp_path, split="all")) == 16


def test_datasets_of_supervisely_have_photos_of_their_own(tmp_path: Path) -> None:
    supervisely(tmp_path)
    (tmp_path / "ds0").rename(tmp_path / "ds1")
    supervisely(tmp_path)
    photo(tmp_path / "ds1" / "img" / "a.png", value=99)
    folders = [sample.source.parents[1].name for sample in load(tmp_path, split="all")]
    assert folders == ["ds0", "ds0", "ds1", "ds1"]


def test_points_without_a_group_are_refused_beside_several_objects(tmp_path: Path, caplog: Any) -> None:
    labelme(tmp_path)
    content = json.loads((tmp_path / "a.json").read_text())
    content["shapes"].append({"label": "tip", "points": [[3, 4]], "shape_type": "point", "group_id": None})
    put(tmp_path / "a.json", content)
    with pytest.raises(ConfigError, match="no class"):
        load(tmp_path, split="all")
    assert "points without group_id: give the points and the rectangle of an object the same one" in caplog.text
    content["shapes"] = [content["shapes"][0], content["shapes"][-1]]
    put(tmp_path / "a.json", content)
    assert load(tmp_path, split="all")[0].keypoints.tolist() == [[[3, 4, 2]]]


def test_only_a_label_map_orders_classes(tmp_path: Path, caplog: Any) -> None:
    detection_api_tutorial(tmp_path)
    put(tmp_path / "graph.pbtxt", "node { name: 'x' }")
    assert load(tmp_path, split="all").class_names == ("dog", "cat")
    put(tmp_path / "other" / "label_map.pbtxt", "item { id: 1 name: 'cat' }")
    assert load(tmp_path, split="all").class_names == ("cat", "dog")
    assert "several label maps" in caplog.text


def test_a_box_in_one_column_that_is_none_is_named(tmp_path: Path, caplog: Any) -> None:
    photo(tmp_path / "a.png")
    put(tmp_path / "boxes.csv", 'image,bbox,label\na.png,"[1, 2, 3, 4]",cat\nb.png,"[1, 2, 3]",cat\n')
    assert len(load(tmp_path, split="all")) == 1
    assert "line 3: bbox is '[1, 2, 3]' instead of [x, y, width, height]" in caplog.text


def test_points_of_a_group_are_the_keypoints_of_its_rectangle(tmp_path: Path) -> None:
    shapes = [
        {"label": "hand", "points": [[20, 10], [60, 70]], "shape_type": "rectangle", "group_id": 1},
        {"label": "left_tip", "points": [[30, 20]], "shape_type": "point", "group_id": 1},
        {"label": "right_tip", "points": [[50, 40]], "shape_type": "point", "group_id": 1},
        {"label": "ring", "points": [[50, 40], [53, 44]], "shape_type": "circle", "group_id": None},
    ]
    put(tmp_path / "a.json", {"shapes": shapes, "imagePath": "a.png", "imageHeight": HEIGHT, "imageWidth": WIDTH})
    photo(tmp_path / "a.png")
    dataset = load(tmp_path, split="all")
    assert dataset.keypoints is not None
    assert (dataset.keypoints.class_name, dataset.keypoints.names) == ("hand", ("left_tip", "right_tip"))
    assert dataset[0].boxes.tolist() == [[20, 10, 60, 70], [45, 35, 55, 45]]
    assert dataset[0].keypoints.tolist()[0] == [[30, 20, 2], [50, 40, 2]]
    assert not dataset[0].keypoints[1].any()


def test_a_skeleton_of_cvat_has_its_keypoints_and_their_box_widened(tmp_path: Path, caplog: Any) -> None:
    caplog.set_level(logging.INFO, "centernet")
    points = (
        '<points label="left" outside="0" occluded="0" points="20,20"/>'
        '<points label="right" outside="0" occluded="1" points="60,50"/>'
        '<points label="top" outside="1" occluded="0" points="1,1"/>'
    )
    image = f'<image name="a.png" width="120" height="90"><skeleton label="hand">{points}</skeleton></image>'
    put(tmp_path / "annotations.xml", f"<annotations><meta/>{image}</annotations>")
    photo(tmp_path / "images" / "a.png")
    dataset = load(tmp_path, split="all")
    assert dataset[0].boxes.tolist() == [[16, 16, 64, 54]]
    assert dataset[0].keypoints.tolist() == [[[20, 20, 2], [60, 50, 1], [0, 0, 0]]]
    assert "widened by 10 % of its longer side" in caplog.text


def test_points_of_cvat_belong_to_the_box_of_their_group(tmp_path: Path) -> None:
    def hand(group: int, left: int) -> str:
        box = f'<box label="hand" xtl="{left}" ytl="10" xbr="{left + 20}" ybr="40" group_id="{group}"/>'
        points = f'<points label="hand" points="{left + 5},15;{left + 9},30" group_id="{group}"/>'
        return points + box if group == 2 else box + points

    shapes = hand(1, 10) + hand(2, 60) + '<box label="cup" xtl="1" ytl="2" xbr="9" ybr="8" group_id="1"/>'
    image = f'<image name="a.png" width="120" height="90">{shapes}</image>'
    put(tmp_path / "annotations.xml", f"<annotations><meta/>{image}</annotations>")
    photo(tmp_path / "images" / "a.png")
    dataset = load(tmp_path, split="all")
    rows = sorted(zip(dataset[0].boxes.tolist(), dataset[0].keypoints[..., 0].tolist(), strict=True))
    assert rows == [([1, 2, 9, 8], [0, 0]), ([10, 10, 30, 40], [15, 19]), ([60, 10, 80, 40], [65, 69])]


def label_studio_points(folder: Path, *points: tuple[str, float, float, str | None], boxes: int = 2) -> Path:
    """Rectangles from 10 to 40 and 50 to 90 percent, and points of a name, in percent, with a parent."""
    sides = {"a": [10, 10, 30, 30], "b": [50, 50, 40, 40]}
    result: list[dict[str, Any]] = [
        {"id": key, "value": dict(zip(("x", "y", "width", "height"), box, strict=True)) | {"rectanglelabels": ["hand"]}}
        for key, box in list(sides.items())[:boxes]
    ]
    result += [
        {"type": "keypointlabels", "value": {"x": x, "y": y, "keypointlabels": [name]}, "parentID": parent}
        for name, x, y, parent in points
    ]
    put(folder / "export.json", [{"id": 1, "data": {"image": "/data/a.png"}, "annotations": [{"result": result}]}])
    photo(folder / "a.png")
    return folder


def test_points_of_label_studio_belong_to_the_rectangle_around_them(tmp_path: Path) -> None:
    points = [("left", 60, 60, None), ("left", 20, 20, None), ("right", 95, 95, "b"), ("right", 30, 20, None)]
    dataset = load(label_studio_points(tmp_path, *points), split="all")
    assert dataset.keypoints.names == ("left", "right")
    relative = dataset[0].keypoints[..., :2] / (WIDTH, HEIGHT) * 100
    np.testing.assert_allclose(relative, [[[20, 20], [30, 20]], [[60, 60], [95, 95]]])


@pytest.mark.parametrize(
    ("boxes", "points"),
    [
        (2, [("left", 45, 45, None)]),
        (2, [("left", 20, 20, None), ("left", 21, 20, None)]),
        (0, [("left", 20, 20, None), ("left", 60, 60, None)]),
    ],
)
def test_points_of_label_studio_whose_object_is_unknown_are_told(
    tmp_path: Path, boxes: int, points: list[tuple[str, float, float, str | None]]
) -> None:
    with pytest.raises(ConfigError, match=f"a point 'left' in . of {boxes} regions"):
        load(label_studio_points(tmp_path, *points, boxes=boxes), split="all")


def test_rotated_boxes_become_the_box_around_them(tmp_path: Path) -> None:
    box = '<box label="a" xtl="20" ytl="30" xbr="60" ybr="50" rotation="90"/>'
    put(
        tmp_path / "a.xml",
        f'<annotations><meta/><image name="a.png" width="120" height="90">{box}</image></annotations>',
    )
    photo(tmp_path / "a.png")
    np.testing.assert_allclose(load(tmp_path, split="all")[0].boxes, [[30, 20, 50, 60]], atol=1e-9)


def test_pixels_that_count_from_1_are_shifted_when_asked(tmp_path: Path) -> None:
    put(tmp_path / "Annotations" / "a.xml", xml("a.png", [1, 1, 50, 60]))
    photo(tmp_path / "JPEGImages" / "a.png")
    assert load(tmp_path, split="all")[0].boxes.tolist() == [[1, 1, 50, 60]]
    assert load(tmp_path, split="all", voc_origin=1)[0].boxes.tolist() == [[0, 0, 50, 60]]
    notes = [one.kind for one in load(tmp_path, split="all").check().notes]
    assert "pixels from 1" in notes
    assert "pixels from 1" not in [one.kind for one in load(tmp_path, split="all", voc_origin=1).check().findings]
    with pytest.raises(ConfigError, match="voc_origin=0, or 1"):
        load(tmp_path, voc_origin=2)


def test_one_key_of_coco_is_not_coco(tmp_path: Path) -> None:
    for key in ("images", "annotations", "categories"):
        assert not FORMATS["coco"].module.recognize(put(tmp_path / key / "a.json", {key: []}).parent)


@pytest.mark.parametrize("name", LAYOUTS)
def test_an_annotation_that_is_cut_off_is_an_error_of_the_library(tmp_path: Path, name: str) -> None:
    _, build = LAYOUTS[name]
    build(tmp_path)
    for file in [file for file in tmp_path.rglob("*") if file.suffix in (".json", ".xml", ".csv", ".txt", ".yaml")]:
        whole = file.read_bytes()
        for length in range(0, len(whole), max(1, len(whole) // 12)):
            file.write_bytes(whole[:length])
            with contextlib.suppress(ConfigError):
                load(tmp_path, split="all")
        file.write_bytes(whole)
