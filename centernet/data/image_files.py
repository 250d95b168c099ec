"""Image files of a dataset that is read: where they are, how large they are, what they are called."""

from __future__ import annotations

import io
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import ExifTags, Image

from centernet.errors import SourceError
from centernet.files.formatting import missing_file
from centernet.images.sources import IMAGE_SUFFIXES, natural_key

Source = Path | bytes | np.ndarray | Callable[[], np.ndarray]  # of a sample
_TRIED = 20  # file names are enough to tell which folder has the photos
_SIDEWAYS = (5, 6, 7, 8)  # orientations of EXIF that exchange height and width


def image_ids(names: Sequence[str]) -> list[int | str]:
    r"""Ids of images that have only names: without folder and ending, as far as these are different.

    A name that is a plain number (12, not 0012) is that number, so that numbers survive in every format.

    Args:
        names: Path of each image in the dataset, with `/` or `\`.

    Returns:
        A different id for each different name.
    """
    stems = [PurePosixPath(name.replace("\\", "/")).stem for name in names]
    counts = Counter(stems)
    return [image_id(stem if counts[stem] == 1 else name) for stem, name in zip(stems, names, strict=True)]


def image_id(name: str) -> int | str:
    """A name, or the number that it plainly is.

    >>> image_id("12"), image_id("0012")
    (12, '0012')
    """
    return int(name) if re.fullmatch(r"0|-?[1-9][0-9]{0,17}", name) else name


def is_image(name: str) -> bool:
    """Whether a file has the ending of an image, and is not hidden."""
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES and not name.startswith(".")


def images_below(folder: Path) -> list[Path]:
    """The images in a folder and its subfolders, in the order of their names."""
    found = [
        Path(place, name) for place, _, names in os.walk(folder, followlinks=True) for name in names if is_image(name)
    ]
    return sorted(found, key=lambda path: natural_key(str(path)))


def photos_folder(candidates: Iterable[Path], names: Sequence[str]) -> Path:
    """The folder that has the photos.

    Args:
        candidates: Where they may be, the most usual first.
        names: Their names; some may be missing.

    Returns:
        The candidate with most of them; if none has any, the first that is there.
    """
    folders = [folder for folder in dict.fromkeys(candidates) if folder.is_dir()]
    tried = names[:: max(len(names) // _TRIED, 1)]
    return max(folders, key=lambda folder: sum(photo_at(folder, name).is_file() for name in tried))


def photo_at(folder: Path, name: str) -> Path:
    r"""The photo that a dataset calls so; where there is none, a name with Windows's `\` is tried with `/`.

    Args:
        folder: The folder of the photos.
        name: Path of the photo in it. Names with `\` lead nowhere else: neither `..` nor a root is followed in them.

    Returns:
        The path, whether or not there is a photo.
    """
    path, inner = folder / name, PurePosixPath(name.replace("\\", "/"))
    if "\\" not in name or inner.is_absolute() or ".." in inner.parts or path.is_file():
        return path
    return folder / inner if (folder / inner).is_file() else path


def upright_size(source: Source) -> tuple[int, int]:
    """Height and width of an image as `read_image` gives it (EXIF orientation applied), from its header.

    Raises:
        SourceError: If it is missing, or no image.
    """
    if callable(source):
        source = source()
    if isinstance(source, np.ndarray):
        return source.shape[0], source.shape[1]
    if isinstance(source, Path) and not source.is_file():
        raise SourceError(missing_file(source))
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            sideways = image.getexif().get(ExifTags.Base.Orientation) in _SIDEWAYS
            width, height = image.size
    # Damaged headers make Pillow raise OSError, SyntaxError, ValueError, struct.error and others.
    except Exception as error:
        raise SourceError(f"expected an image, whose size its header says. {error}") from error
    return (width, height) if sideways else (height, width)
