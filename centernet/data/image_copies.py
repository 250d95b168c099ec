"""Image files of a dataset that is written: copied as they are, so that a written dataset stands by itself."""

from __future__ import annotations

import io
import logging
import re
import shutil
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from centernet.data.image_files import Source
from centernet.data.sample import Sample
from centernet.images.rgb import rgb_from_array

SHOWN = 5
_SUFFIXES = {"JPEG": ".jpg", "TIFF": ".tif", "MPO": ".jpg"}
logger = logging.getLogger("centernet")


class ImageCopies:
    """Puts images in a folder, and no two under one name.

    Files are copied byte for byte; arrays become PNG. An image that is missing, or is a file of another kind (a foreign
    dataset may point to any), is named in a warning by `report`, and its annotations are written all the same.

    Args:
        folder: Where to; created with the first image.
        keep_names: Whether a file keeps its name; otherwise every image is called after its id, with what is neither
            a letter, digit nor one of `_ . + -` and blanks replaced by `_`.
    """

    def __init__(self, folder: Path, *, keep_names: bool = False) -> None:
        self.folder = folder
        self.keep_names = keep_names
        self._taken: set[str] = set()
        self._missing: list[str] = []

    def add(self, sample: Sample) -> str:
        """Copy an image.

        Returns:
            The name of the file.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        source = sample.source
        kept = source.stem if self.keep_names and isinstance(source, Path) else str(sample.image_id)
        target = self.folder / (self._free(kept) + _suffix(source))
        if not isinstance(source, Path):
            target.write_bytes(encoded(source))
        elif source.is_file() and kind_of(source):
            shutil.copyfile(source, target)
        else:
            self._missing.append(sample.name)
        return target.name

    def report(self) -> None:
        """Warn about images that were not there, or none."""
        if self._missing:
            shown = ", ".join(self._missing[:SHOWN]) + (" and others" if len(self._missing) > SHOWN else "")
            logger.warning(
                "%d images are missing or no images; only their annotations are written: %s", len(self._missing), shown
            )

    def _free(self, name: str) -> str:
        stem = re.sub(r"[^\w.+ -]", "_", name).strip(" .") or "image"
        free, number = stem, 1
        while free.casefold() in self._taken:
            number += 1
            free = f"{stem}_{number}"
        self._taken.add(free.casefold())
        return free


def encoded(source: Source) -> bytes:
    """The bytes of an image file; an array becomes PNG.

    Raises:
        OSError: If the file can't be read.
        SourceError: If an array is no image.
    """
    if isinstance(source, Path):
        return source.read_bytes()
    if isinstance(source, bytes):
        return source
    return as_png(source() if callable(source) else source)


def as_png(array: np.ndarray) -> bytes:
    """A uint8 array as PNG."""
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb_from_array(array))).save(file, "PNG")
    return file.getvalue()


def kind_of(source: Path | bytes) -> str | None:
    """What Pillow calls the form of an image file, by its header; None if it is none."""
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            return image.format
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def _suffix(source: Source) -> str:
    if isinstance(source, Path):
        return source.suffix or ".jpg"
    if not isinstance(source, bytes):
        return ".png"
    kind = kind_of(source) or "JPEG"
    return _SUFFIXES.get(kind, f".{kind.lower()}")
