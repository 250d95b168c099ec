#!/usr/bin/env bash
# supervision writes Pascal VOC with 1 added to xmin and ymin, but not to xmax and ymax.
#
# Guess before running: 1 is added to all four corners, as VOC counts pixels from 1, or to none.
# Seen (supervision 0.31.2): a box of 10 10 30 30 is written as 11 11 30 30. Its own reader takes the 1 off again; readers
# that don't get every box one pixel narrower and lower at the left and top.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet supervision==0.31.2
cat >"$folder/run.py" <<'PYTHON'
import re, sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import supervision as sv
from PIL import Image

folder = Path(sys.argv[1])
Image.new("RGB", (80, 60)).save(folder / "a.png")
found = sv.Detections(xyxy=np.array([[10, 10, 30, 30]], np.float32), class_id=np.array([0]))
dataset = sv.DetectionDataset(["cat"], [str(folder / "a.png")], {str(folder / "a.png"): found})
dataset.as_pascal_voc(str(folder / "images"), str(folder / "xml"))
text = (folder / "xml" / "a.xml").read_text()
corners = [float(re.search(f"<{side}>(.*?)</{side}>", text)[1]) for side in ("xmin", "ymin", "xmax", "ymax")]
again = sv.DetectionDataset.from_pascal_voc(str(folder / "images"), str(folder / "xml"))
back = next(iter(again.annotations.values())).xyxy.tolist()
print("supervision", version("supervision"), "drawn: 10 10 30 30, written:", *corners, "read back:", back)
sys.exit(0 if corners == [11, 11, 30, 30] else 1)
PYTHON
"$folder/venv/bin/python" "$folder/run.py" "$folder"
