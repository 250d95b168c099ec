#!/usr/bin/env bash
# Keypoints that are not there become points in the corner of the photo when Datumaro writes CVAT's XML.
#
# Guess before running: a keypoint that is absent is left out of <points>, or marked as outside, and one that is hidden as
# occluded.
# Seen (datumaro 1.13.12): <points> lists all of them, the absent one as 0.00,0.00, and no attribute tells it from the
# others; read back by Datumaro itself, three keypoints are visible, and the box around them reaches to the corner.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet datumaro==1.13.12
cat >"$folder/run.py" <<'PYTHON'
import logging
import re
import sys
from importlib.metadata import version
from pathlib import Path

import datumaro as dm
import numpy as np

logging.disable(logging.WARNING)
place = Path(sys.argv[1]) / "cvat"
states = dm.Points.Visibility
names = dm.PointsCategories()
names.add(0, ["left", "right", "tip"])
hand = dm.Points([10, 11, 20, 21, 0, 0], [states.visible, states.hidden, states.absent], label=0, id=1)
media = dm.Image.from_numpy(data=np.zeros((60, 80, 3), np.uint8))
labels = dm.LabelCategories.from_iterable(["hand"])
categories = {dm.AnnotationType.label: labels, dm.AnnotationType.points: names}
item = dm.DatasetItem("a", subset="train", media=media, annotations=[hand])
dm.Dataset.from_iterable([item], categories=categories, media_type=dm.Image).export(str(place), "cvat", save_media=True)
(text,) = re.findall(r'points="([^"]*)"', next(place.rglob("*.xml")).read_text())
(read,) = next(iter(dm.Dataset.import_from(str(place), "cvat"))).annotations
seen = [state.name for state in read.visibility], [float(side) for side in read.get_bbox()[:2]]
print("datumaro", version("datumaro"), "written:", text, "read back:", *seen)
sys.exit(0 if text.endswith(";0.00,0.00") and seen == (["visible"] * 3, [0.0, 0.0]) else 1)
PYTHON
"$folder/venv/bin/python" "$folder/run.py" "$folder"
