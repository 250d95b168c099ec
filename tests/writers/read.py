"""Reads what `centernet.data.write` wrote with annotation tools: `python read.py FOLDER`, where these are installed.

Prints JSON: tool and format → name of the photo → boxes `[x0, y0, x1, y1, class name]` in pixels, or the error.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDER = Path(sys.argv[1])
CLASSES = json.loads((FOLDER / "scenes.json").read_text())["classes"]
COCO, VOC, YOLO = (FOLDER / "ours" / form for form in ("coco", "voc", "yolo"))
JSON, PHOTOS = COCO / "annotations" / "instances_train.json", COCO / "images" / "train"
YOLO_PHOTOS: Any = {"image_folder": YOLO / "images" / "train", "image_extension": ".png"}
Read = dict[str, list[list[Any]]]


def supervision(form: str) -> Read:
    import supervision as sv

    if form == "coco":
        dataset = sv.DetectionDataset.from_coco(str(PHOTOS), str(JSON))
    elif form == "voc":
        dataset = sv.DetectionDataset.from_pascal_voc(str(VOC / "JPEGImages"), str(VOC / "Annotations"))
    else:
        places = (YOLO / "images" / "train", YOLO / "labels" / "train", YOLO / "data.yaml")
        dataset = sv.DetectionDataset.from_yolo(*map(str, places))
    return {
        Path(path).stem: [
            [*map(float, box), dataset.classes[label]] for box, label in zip(found.xyxy, found.class_id, strict=True)
        ]
        for path, found in dataset.annotations.items()
    }


def datumaro(form: str) -> Read:
    import datumaro as dm

    dataset = dm.Dataset.import_from(str(FOLDER / "ours" / form), form)
    labels = [label.name for label in dataset.categories()[dm.AnnotationType.label].items]
    return {
        Path(item.id).stem: [
            [one.x, one.y, one.x + one.w, one.y + one.h, labels[one.label]]
            for one in item.annotations
            if one.type == dm.AnnotationType.bbox
        ]
        for item in dataset
    }


def globox(form: str) -> Read:
    from globox import AnnotationSet

    if form == "coco":
        found = AnnotationSet.from_coco(file_path=JSON)
    elif form == "voc":
        found = AnnotationSet.from_pascal_voc(folder=VOC / "Annotations")
    else:
        found = AnnotationSet.from_yolo_v5(folder=YOLO / "labels" / "train", **YOLO_PHOTOS)
    named = (lambda label: CLASSES[int(label)]) if form == "yolo" else str
    return {
        Path(one.image_id).stem: [[box.xmin, box.ymin, box.xmax, box.ymax, named(box.label)] for box in one.boxes]
        for one in found
    }


def labelformat(form: str) -> Read:
    from labelformat import formats

    if form == "coco":
        source: Any = formats.COCOObjectDetectionInput(input_file=JSON)
    elif form == "voc":
        source = formats.PascalVOCObjectDetectionInput(
            input_folder=VOC / "Annotations", category_names=",".join(CLASSES)
        )
    else:
        source = formats.YOLOv8ObjectDetectionInput(input_file=YOLO / "data.yaml", input_split="train")
    return {
        Path(label.image.filename).stem: [
            [one.box.xmin, one.box.ymin, one.box.xmax, one.box.ymax, one.category.name] for one in label.objects
        ]
        for label in source.get_labels()
    }


TOOLS: dict[str, Callable[[str], Read]] = {
    "supervision": supervision,
    "datumaro": datumaro,
    "globox": globox,
    "labelformat": labelformat,
}

if __name__ == "__main__":
    results: dict[str, Any] = {}
    for tool, read in TOOLS.items():
        for form in ("coco", "voc", "yolo"):
            try:
                results[f"{tool} {form}"] = read(form)
            except Exception as error:
                results[f"{tool} {form}"] = f"{type(error).__name__}: {error}"
    print(json.dumps(results))
