"""Formats of datasets: one module each, one entry of `FORMATS` each."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from centernet.data.dataset import Dataset

__all__ = ["FORMATS", "Format", "FormatModule"]


class FormatModule(Protocol):
    """What the module of a format has."""

    def recognize(self, path: Path) -> bool:
        """Whether a file or folder looks like this format, by its names and the first bytes of its files."""

    def splits(self, path: Path) -> tuple[str, ...]:
        """The splits that the dataset itself names; empty if it has none."""

    def read(self, path: Path, splits: Sequence[str]) -> list[Dataset]:
        """One dataset for each of some splits, `"all"` for everything; all with the same classes.

        Raises:
            ConfigError: If no image can be read, or the files say nothing that makes sense.
        """

    def write(self, parts: Mapping[str, Dataset], folder: Path) -> None:
        """Write datasets by split (`"all"`: one without a split) to an empty folder."""


@dataclass(frozen=True)
class Format:
    """A format of datasets.

    Attributes:
        title: What messages call it.
        module: Name of its `FormatModule`.
        looks_for: What it is recognized by.
        keeps_keypoints: Whether it can hold keypoints.
        keeps_ignore: Whether it can hold objects that are neither asked for nor wrong.
    """

    title: str
    module: str
    looks_for: str
    keeps_keypoints: bool = True
    keeps_ignore: bool = True

    @property
    def code(self) -> FormatModule:
        """The module, imported now."""
        return cast("FormatModule", importlib.import_module(self.module))


# Where several fit, the first does.
FORMATS: Mapping[str, Format] = {
    "coco": Format(
        "COCO JSON",
        "centernet.data.formats.coco",
        "a .json with images, annotations and categories, in the folder, in annotations/ or in train/, valid/, test/",
    ),
    "yolo": Format(
        "YOLO txt",
        "centernet.data.formats.yolo",
        "a data.yaml (any .yaml) with names and train or val",
        keeps_ignore=False,
    ),
    "voc": Format(
        "Pascal VOC XML",
        "centernet.data.formats.voc",
        "Annotations/*.xml, or .xml beside the photos, in the folder or in train/, valid/, test/",
        keeps_keypoints=False,
    ),
    "tfrecord": Format(
        "TFRecord",
        "centernet.data.formats.tfrecord",
        "*.record or *.tfrecord files, or their shards (-00000-of-00010)",
    ),
    "csv": Format(
        "CSV",
        "centernet.data.formats.csv",
        "a .csv with columns image, class, xmin, ymin, xmax, ymax",
        keeps_keypoints=False,
    ),
}
