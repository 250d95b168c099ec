"""Dataset formats: one module and one entry of `FORMATS` each.

To add a format, write a module with the functions of `FormatModule` (`shared` has what formats have in common) and add
its entry to `FORMATS`. Every entry goes through `tests/data/formats/test_contract.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from centernet.data.dataset import Dataset
from centernet.data.formats import coco, csv, tfrecord, voc, yolo
from centernet.data.splits import ALL

__all__ = ["FORMATS", "Format", "FormatModule"]


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

    def write(self, parts: Mapping[str, Dataset], folder: Path) -> None:
        """Write datasets by split (`"all"`: one without a split) to an empty folder."""


@dataclass(frozen=True)
class Format:
    """A dataset format.

    Attributes:
        title: Name in messages.
        module: Reads and writes it.
        looks_for: The files by which it is recognized.
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
    precision: float = 0.0
    keeps_keypoints: bool = True
    keeps_ignore: bool = True
    keeps_areas: bool = True
    keeps_ids: bool = False
    integer_ids: bool = False

    def splits(self, path: Path) -> list[str]:
        """The splits that a dataset names itself."""
        return [split for split in self.module.parts(path) if split != ALL]


# If several formats recognize a dataset, the first one reads it.
FORMATS: Mapping[str, Format] = {
    "coco": Format(
        "COCO JSON",
        coco,
        "a .json with images, annotations and categories, in the folder, in annotations/ or in train/, valid/, test/",
        precision=1e-4,
        keeps_ids=True,
        integer_ids=True,
    ),
    "yolo": Format(
        "YOLO txt",
        yolo,
        "a data.yaml (any .yaml) with names and train or val",
        precision=1e-4,
        keeps_ignore=False,
        keeps_areas=False,
    ),
    "voc": Format(
        "Pascal VOC XML",
        voc,
        "Annotations/*.xml, or .xml beside the photos, in the folder or in train/, valid/, test/",
        keeps_keypoints=False,
        keeps_areas=False,
    ),
    "tfrecord": Format(
        "TFRecord",
        tfrecord,
        "*.record or *.tfrecord files, or their shards (-00000-of-00010)",
        precision=2e-4,
        keeps_ids=True,
    ),
    "csv": Format(
        "CSV",
        csv,
        "a .csv with columns image, class, xmin, ymin, xmax, ymax",
        keeps_keypoints=False,
    ),
}
