"""Writes the scenes of `scenes.json` with public annotation tools: `python write.py FOLDER`, where these are installed.

Each tool writes to `FOLDER/TOOL FORMAT/`. The scenes are written by `test_writers.py`.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDER = Path(sys.argv[1])
SCENES = json.loads((FOLDER / "scenes.json").read_text())
CLASSES, IMAGES = SCENES["classes"], SCENES["images"]
PHOTOS = FOLDER / "photos"


def copied(folder: Path) -> Path:
    shutil.copytree(PHOTOS, folder)
    return folder


def supervision(folder: Path, form: str) -> None:
    import numpy as np
    import supervision as sv

    found = {
        str(PHOTOS / image["file"]): sv.Detections(
            xyxy=np.array(image["boxes"], np.float32).reshape(-1, 4), class_id=np.array(image["class_ids"], int)
        )
        for image in IMAGES
    }
    dataset = sv.DetectionDataset(classes=CLASSES, images=list(found), annotations=found)
    if form == "voc":
        dataset.as_pascal_voc(str(folder / "images"), str(folder / "annotations"))
    elif form == "yolo":
        dataset.as_yolo(str(folder / "images"), str(folder / "labels"), str(folder / "data.yaml"))
    else:
        dataset.as_coco(str(folder / "images"), str(folder / "annotations.json"))


def datumaro(folder: Path, form: str) -> None:
    import datumaro as dm
    from datumaro.components.media import Image

    items = [
        dm.DatasetItem(
            Path(image["file"]).stem,
            subset="train",
            media=Image.from_file(path=str(PHOTOS / image["file"])),
            annotations=[
                dm.Bbox(x0, y0, x1 - x0, y1 - y0, label=label, id=number, group=number)
                for number, ((x0, y0, x1, y1), label) in enumerate(
                    zip(image["boxes"], image["class_ids"], strict=True), 1
                )
            ],
        )
        for image in IMAGES
    ]
    dm.Dataset.from_iterable(items, categories=CLASSES, media_type=Image).export(str(folder), form, save_media=True)


def globox(folder: Path, form: str) -> None:
    from globox import Annotation, AnnotationSet, BoundingBox

    annotations = AnnotationSet()
    for image in IMAGES:
        boxes = [
            BoundingBox(label=CLASSES[label], xmin=x0, ymin=y0, xmax=x1, ymax=y1)
            for (x0, y0, x1, y1), label in zip(image["boxes"], image["class_ids"], strict=True)
        ]
        size = image["width"], image["height"]
        annotations.add(Annotation(image_id=image["file"], image_size=size, boxes=boxes))
    copied(folder / "images")
    save = {
        "coco": lambda: annotations.save_coco(folder / "annotations.json", auto_ids=True),
        "voc": lambda: annotations.save_pascal_voc(folder / "annotations"),
        "cvat": lambda: annotations.save_cvat(folder / "annotations.xml"),
        "labelme": lambda: annotations.save_labelme(folder / "annotations"),
        "via": lambda: annotations.save_via_json(folder / "via.json", image_folder=folder / "images"),
        "openimage": lambda: annotations.save_openimage(folder / "annotations.csv"),
    }
    save[form]()


def labelformat(folder: Path, form: str) -> None:
    from argparse import Namespace  # noqa: F401

    from labelformat.formats import (
        COCOObjectDetectionInput,
        KittiObjectDetectionOutput,
        PascalVOCObjectDetectionOutput,
        YOLOv8ObjectDetectionOutput,
    )

    source = COCOObjectDetectionInput(input_file=FOLDER / "coco" / "instances.json")
    copied(folder / "images")
    if form == "yolo":
        output: Any = YOLOv8ObjectDetectionOutput(output_file=folder / "data.yaml", output_split="train")
    elif form == "kitti":
        output = KittiObjectDetectionOutput(output_folder=folder / "labels")
    else:
        output = PascalVOCObjectDetectionOutput(output_folder=folder / "annotations")
    output.save(label_input=source)


def label_studio(folder: Path, form: str) -> None:
    from label_studio_sdk.converter import Converter

    tasks = []
    for number, image in enumerate(IMAGES, 1):
        width, height = image["width"], image["height"]
        result = [
            {
                **{"id": f"r{row}", "from_name": "label", "to_name": "image", "type": "rectanglelabels"},
                **{"original_width": width, "original_height": height, "image_rotation": 0},
                "value": {
                    **{"x": 100 * x0 / width, "y": 100 * y0 / height, "rotation": 0},
                    **{"width": 100 * (x1 - x0) / width, "height": 100 * (y1 - y0) / height},
                    "rectanglelabels": [CLASSES[label]],
                },
            }
            for row, ((x0, y0, x1, y1), label) in enumerate(zip(image["boxes"], image["class_ids"], strict=True))
        ]
        tasks.append({"id": number, "data": {"image": f"/data/upload/1/{image['file']}"}}
                     | {"annotations": [{"id": number, "result": result, "was_cancelled": False}]})  # fmt: skip
    folder.mkdir()
    (folder / "tasks.json").write_text(json.dumps(tasks))
    if form == "json":
        copied(folder / "images")
        return
    labels = "".join(f'<Label value="{name}"/>' for name in CLASSES)
    config = (
        f'<View><Image name="image" value="$image"/><RectangleLabels name="label" toName="image">{labels}'
        "</RectangleLabels></View>"
    )
    converter = Converter(config, project_dir=str(folder), download_resources=False)
    convert: Callable[..., None] = {
        "coco": converter.convert_to_coco,
        "yolo": converter.convert_to_yolo,
        "voc": converter.convert_to_voc,
    }[form]
    convert(str(folder / "tasks.json"), str(folder / "export"), is_dir=False)
    (folder / "tasks.json").unlink()
    for photo in PHOTOS.iterdir():
        target = folder / "export" / "images" / photo.name
        target.parent.mkdir(exist_ok=True, parents=True)
        shutil.copyfile(photo, target)


TOOLS: dict[str, tuple[Callable[[Path, str], None], tuple[str, ...]]] = {
    "supervision": (supervision, ("coco", "voc", "yolo")),
    "datumaro": (
        datumaro,
        (
            "coco_instances",
            "voc_detection",
            "yolo",
            "datumaro",
            "cvat",
            "open_images",
            "kitti_detection",
            "label_me",
        ),
    ),
    "globox": (globox, ("coco", "voc", "cvat", "labelme", "via", "openimage")),
    "labelformat": (labelformat, ("yolo", "voc", "kitti")),
    "label_studio": (label_studio, ("json", "coco", "yolo", "voc")),
}

if __name__ == "__main__":
    for tool, (write, forms) in TOOLS.items():
        for form in forms:
            try:
                write(FOLDER / f"{tool} {form}", form)
            except Exception as error:  # shown as a row of the table
                print(f"{tool} {form}: {type(error).__name__}: {error}", flush=True)
