#!/usr/bin/env bash
# Label Studio's converter writes Pascal VOC with boxes up to 2 pixels too short at the right and bottom.
#
# Guess before running: corners are rounded, so that no edge is more than half a pixel off.
# Seen (label-studio-sdk 2.1.2): left, top, width and height are each rounded down, and xmax = xmin + width. A box from
# 10.9 to 30.8 becomes 10 to 29: the errors of the left edge and of the width add up.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet label-studio-sdk==2.1.2
cat >"$folder/run.py" <<'PYTHON'
import json, re, sys
from importlib.metadata import version
from pathlib import Path

from label_studio_sdk.converter import Converter

folder = Path(sys.argv[1])
value = {"x": 10.9, "y": 10.9, "width": 19.9, "height": 19.9, "rotation": 0, "rectanglelabels": ["cat"]}
row = {"id": "r", "from_name": "label", "to_name": "image", "type": "rectanglelabels", "value": value}
row |= {"original_width": 100, "original_height": 100, "image_rotation": 0}
task = {"id": 1, "data": {"image": "/data/upload/1/a.png"}, "annotations": [{"id": 1, "result": [row]}]}
(folder / "tasks.json").write_text(json.dumps([task]))
config = (
    '<View><Image name="image" value="$image"/><RectangleLabels name="label" toName="image"><Label value="cat"/>'
    "</RectangleLabels></View>"
)
converter = Converter(config, project_dir=str(folder), download_resources=False)
converter.convert_to_voc(str(folder / "tasks.json"), str(folder / "voc"), is_dir=False)
(xml,) = (folder / "voc").rglob("*.xml")
corners = [float(re.search(f"<{side}>(.*?)</{side}>", xml.read_text())[1]) for side in ("xmin", "ymin", "xmax", "ymax")]
print("label-studio-sdk", version("label-studio-sdk"), "drawn: 10.9 10.9 30.8 30.8, written:", *corners)
sys.exit(0 if corners == [10, 10, 29, 29] else 1)
PYTHON
"$folder/venv/bin/python" "$folder/run.py" "$folder" 2>/dev/null
