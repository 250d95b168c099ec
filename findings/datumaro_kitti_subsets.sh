#!/usr/bin/env bash
# Datumaro can't read the KITTI detection dataset that it wrote itself, if the subsets don't have the same classes; and
# reads the one that its format "kitti" wrote with one subset less.
#
# Guess before running: what a format writes, the same format reads, whatever is in the subsets.
# Seen (datumaro 1.13.12): labels are collected for each subset from the objects in it. "kitti_detection" with "cat" and
# "dog" in train, and only "dog" in val, is refused (ConflictingCategoriesError); with both classes in both subsets it is
# read. "kitti" writes labels and segmentations of all four images and reads back one image, without an error.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet datumaro==1.13.12
cat >"$folder/run.py" <<'PYTHON'
import logging
import sys
from importlib.metadata import version
from pathlib import Path

import datumaro as dm
import numpy as np
from datumaro.components.media import Image

folder = Path(sys.argv[1])
logging.disable(logging.WARNING)


def read_back(form: str, labels: dict[str, list[int]]) -> str:
    """What is read of a dataset with these labels by subset, after it was written."""
    items = [
        dm.DatasetItem(
            f"{subset}{number}",
            subset=subset,
            media=Image.from_numpy(data=np.full((60, 80, 3), 40 * number, np.uint8)),
            annotations=[dm.Bbox(5, 6, 20, 10, label=label, id=1, group=1)],
        )
        for subset, found in labels.items()
        for number, label in enumerate(found)
    ]
    place = folder / f"{form}-{len(list(folder.iterdir()))}"
    dm.Dataset.from_iterable(items, categories=["cat", "dog"], media_type=Image).export(str(place), form, save_media=True)
    try:
        return f"{len(dm.Dataset.import_from(str(place), form))} of {len(items)}"
    except Exception as error:
        return type(error.__cause__ or error).__name__


same, other = {"train": [0, 1], "val": [0, 1]}, {"train": [0, 1, 0], "val": [1]}
seen = [read_back("kitti_detection", same), read_back("kitti_detection", other), read_back("kitti", other)]
print("datumaro", version("datumaro"), "same classes:", seen[0], "- others:", seen[1], "- kitti:", seen[2])
sys.exit(0 if seen == ["4 of 4", "ConflictingCategoriesError", "1 of 4"] else 1)
PYTHON
"$folder/venv/bin/python" "$folder/run.py" "$folder"
