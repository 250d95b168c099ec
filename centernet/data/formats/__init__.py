"""Dataset formats: one module and one entry of `FORMATS` each.

To add a format, write a module with the functions of `FormatModule` (`shared` has what formats have in common) and add
its entry to `FORMATS`. Entries that write go through
`tests/data/formats/test_contract.py`, the others through `test_tools.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from centernet.data.dataset import Dataset
from centernet.data.formats import coco, csv, tfrecord, voc, yolo
from centernet.data.formats.json_tools import json_format
from centernet.data.formats.text_tools import CVAT, KITTI, OPEN_IMAGES, VIA_CSV
from centernet.data.formats.through_datumaro import PREFIX, DatumaroModule
from centernet.data.splits import ALL
from centernet.errors import ConfigError

__all__ = ["FORMATS", "Format", "FormatModule", "find_format"]


class FormatModule(Protocol):
    """The functions of a format's module."""

    def recognize(self, path: Path) -> bool:
        """Whether a file or folder looks like this format, judged by names and the first bytes of files."""

    def parts(self, path: Path) -> Mapping[str, Any]:
        """Split → whatever the module reads it from; `"all"` for what belongs to no split, or for everything."""

    def read(self, path: Path, splits: Sequence[str]) -> list[Dataset]:
        """Read one dataset per split, `"all"` for all images; all have the same classes.

        Raises:
            ConfigError: If no image can be read, or a file is invalid as a whole.
        """


@dataclass(frozen=True)
class Format:
    """A dataset format.

    Attributes:
        title: Name in messages.
        module: Reads and writes it.
        looks_for: The files by which it is recognized.
        trace: Pattern of files that suggest the format, for the message of a dataset that is not recognized.
        precision: How far box corners and keypoints may move when written and read again, in pixels.
        keeps_keypoints: Whether it can store keypoints.
        keeps_ignore: Whether it can store ignored objects.
        keeps_areas: Whether it can store areas; otherwise they are those of the boxes.
        keeps_ids: Whether it can store the ids of classes.
        integer_ids: Whether image ids must be integers; images with other ids are numbered from 1.
    """

    title: str
    module: FormatModule
    looks_for: str
    trace: str
    precision: float = 0.0
    keeps_keypoints: bool = True
    keeps_ignore: bool = True
    keeps_areas: bool = True
    keeps_ids: bool = False
    integer_ids: bool = False

    @property
    def write(self) -> Callable[[Mapping[str, Dataset], Path], None] | None:
        """Writes datasets by split (`"all"`: one without a split) to an empty folder; None if it is only read."""
        return getattr(self.module, "write", None)

    def splits(self, path: Path) -> list[str]:
        """The splits that a dataset names itself."""
        return [split for split in self.module.parts(path) if split != ALL]


# If several formats recognize a dataset, the one that reads most objects is used.
FORMATS: Mapping[str, Format] = {
    "coco": Format(
        "COCO JSON",
        coco,
        "a .json with images, annotations and categories, in the folder, in annotations/ or in train/, valid/, test/",
        "*.json",
        precision=1e-4,
        keeps_ids=True,
        integer_ids=True,
    ),
    "yolo": Format(
        "YOLO txt",
        yolo,
        "a data.yaml (any .yaml) with names, classes.txt or obj.names, and labels/*.txt or .txt beside the photos",
        "*.txt",
        precision=1e-4,
        keeps_ignore=False,
        keeps_areas=False,
    ),
    "voc": Format(
        "Pascal VOC XML",
        voc,
        "Annotations/*.xml, or .xml beside the photos or in any folder, with <annotation> as their root",
        "*.xml",
        keeps_keypoints=False,
        keeps_areas=False,
    ),
    "tfrecord": Format(
        "TFRecord",
        tfrecord,
        "*.record or *.tfrecord files, or their shards (-00000-of-00010)",
        "*record*",
        precision=2e-4,
        keeps_ids=True,
    ),
    "csv": Format(
        "CSV",
        csv,
        "a .csv with columns image, class, xmin, ymin, xmax, ymax, or with a column bbox [x, y, w, h]",
        "*.csv",
        keeps_keypoints=False,
    ),
    "cvat": Format(
        "CVAT for images XML", CVAT, "a .xml with <annotations>, <meta> and an <image> for each photo", "*.xml"
    ),
    "labelme": Format(
        "LabelMe JSON", json_format("labelme"), "a .json with shapes and imagePath for each photo", "*.json"
    ),
    "label_studio": Format(
        "Label Studio JSON", json_format("label_studio"), "a .json with tasks and rectanglelabels", "*.json"
    ),
    "via": Format(
        "VGG Image Annotator JSON", json_format("via"), "a .json with filename, regions, shape_attributes", "*.json"
    ),
    "via_csv": Format("VGG Image Annotator CSV", VIA_CSV, "a .csv with region_shape_attributes", "*.csv"),
    "vott": Format("VoTT JSON", json_format("vott"), "a .json with asset and regions", "*.json"),
    "supervisely": Format(
        "Supervisely JSON", json_format("supervisely"), "ann/*.json with size and objects beside img/", "*.json"
    ),
    "datumaro": Format(
        "Datumaro JSON", json_format("datumaro"), "annotations/*.json with categories and items", "*.json"
    ),
    "create_ml": Format(
        "Create ML JSON", json_format("create_ml"), "a .json with annotations and coordinates", "*.json"
    ),
    "open_images": Format(
        "Open Images CSV", OPEN_IMAGES, "a .csv with ImageID, LabelName, XMin, XMax, YMin, YMax", "*.csv"
    ),
    "kitti": Format("KITTI txt", KITTI, "a .txt of 15 columns for each photo", "*.txt"),
}


def find_format(key: str) -> Format:
    """The format of a key of `FORMATS`, or of `datumaro:` and the name of one of Datumaro's.

    Raises:
        ConfigError: If there is none.
        MissingExtraError: If Datumaro is not installed.
    """
    if key in FORMATS:
        return FORMATS[key]
    if key.startswith(PREFIX):
        return Format(f"{key.removeprefix(PREFIX)}, through Datumaro", DatumaroModule(key), "the path", "*")
    raise ConfigError(f"Expected a format of {['auto', *FORMATS]} or {PREFIX}NAME. Received: format={key!r}")
