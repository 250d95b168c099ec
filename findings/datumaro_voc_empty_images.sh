#!/usr/bin/env bash
# Datumaro writes Pascal VOC in which photos without objects are listed and copied, but have no XML.
#
# Guess before running: a photo without objects gets an XML without <object>, as in VOC itself.
# Seen (datumaro 1.13.12): it is in ImageSets/Main/train.txt and in JPEGImages, and Annotations has no file for it. Readers
# that open the XML of every listed photo fail; those that list Annotations lose the background photos silently.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet datumaro==1.13.12
cat >"$folder/run.py" <<'PYTHON'
import sys
from importlib.metadata import version
from pathlib import Path

import datumaro as dm
import numpy as np
from datumaro.components.media import Image

folder = Path(sys.argv[1])
pixels = np.zeros((60, 80, 3), np.uint8)
boxes = {"with": [dm.Bbox(10, 10, 20, 20, label=0)], "without": []}
items = [
    dm.DatasetItem(name, subset="train", media=Image.from_numpy(pixels), annotations=own) for name, own in boxes.items()
]
dataset = dm.Dataset.from_iterable(items, categories=["cat"], media_type=Image)
dataset.export(str(folder / "voc"), "voc_detection", save_media=True)
listed = (folder / "voc" / "ImageSets" / "Main" / "train.txt").read_text().split()
photos = sorted(path.stem for path in (folder / "voc" / "JPEGImages").iterdir())
files = sorted(path.stem for path in (folder / "voc" / "Annotations").iterdir())
print("datumaro", version("datumaro"), "listed:", listed, "photos:", photos, "XML:", files)
sys.exit(0 if sorted(listed) == photos == ["with", "without"] and files == ["with"] else 1)
PYTHON
"$folder/venv/bin/python" "$folder/run.py" "$folder"
