#!/usr/bin/env bash
# labelformat converts COCO to YOLO with COCO's category ids as class numbers, which `nc` has no place for.
#
# Guess before running: categories are renumbered from 0, as YOLO's labels count.
# Seen (labelformat 0.1.17): categories 1 and 2 stay 1 and 2, names are {1: …, 2: …} and nc is 2. Readers that expect
# numbers below nc refuse the last class, or show each class under the name of the next.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet labelformat==0.1.17
cat >"$folder/run.py" <<'PYTHON'
import json, sys
from importlib.metadata import version
from pathlib import Path

import yaml
from labelformat.formats import COCOObjectDetectionInput, YOLOv8ObjectDetectionOutput

folder = Path(sys.argv[1])
rows = [{"id": n, "image_id": 1, "category_id": n, "bbox": [10, 10, 20, 20], "area": 400, "iscrowd": 0} for n in (1, 2)]
images = [{"id": 1, "file_name": "a.png", "width": 100, "height": 100}]
categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
(folder / "coco.json").write_text(json.dumps({"images": images, "annotations": rows, "categories": categories}))
output = YOLOv8ObjectDetectionOutput(output_file=folder / "yolo" / "data.yaml", output_split="train")
output.save(label_input=COCOObjectDetectionInput(input_file=folder / "coco.json"))
content = yaml.safe_load((folder / "yolo" / "data.yaml").read_text())
(labels,) = (folder / "yolo").rglob("a.txt")
numbers = [int(line.split()[0]) for line in labels.read_text().splitlines()]
print("labelformat", version("labelformat"), "names", content["names"], "nc", content["nc"], "class numbers", numbers)
sys.exit(0 if numbers == [1, 2] and content["nc"] == 2 and list(content["names"]) == [1, 2] else 1)
PYTHON
"$folder/venv/bin/python" "$folder/run.py" "$folder"
