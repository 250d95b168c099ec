"""Image files of a dataset: listing, naming, measuring, copying and skipping them."""

from __future__ import annotations

import io
import itertools
import logging
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from centernet.data.sample import Sample
from centernet.errors import ConfigError, SourceError
from centernet.files.formatting import missing_file, shortened_list
from centernet.images.rgb import rgb_from_array
from centernet.images.sources import is_image, natural_key

Source = Path | bytes | np.ndarray | Callable[[], np.ndarray]  # of a sample
_MAX_TRIED = 20  # file names are enough to recognize the folder of the photos
_SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that exchange height and width
_SUFFIXES = {"JPEG": ".jpg", "TIFF": ".tif", "MPO": ".jpg"}
logger = logging.getLogger("centernet")
# Raised by parsers, and for missing keys and values of the wrong type.
PARSE_ERRORS = (ValueError, TypeError, LookupError, AttributeError, OverflowError, OSError, SyntaxError)


def image_ids(names: Sequence[str]) -> list[int | str]:
    r"""Image ids from paths in the dataset, with `/` or `\`: the stem, or the whole path if stems repeat.

    A plain number (12, not 0012) becomes an integer, so that numbers survive in every format.
    """
    stems = [PurePosixPath(name.replace("\\", "/")).stem for name in names]
    counts = Counter(stems)
    return [image_id(stem if counts[stem] == 1 else name) for stem, name in zip(stems, names, strict=True)]


def image_id(name: str) -> int | str:
    """A name, or its value if it is a plain number.

    >>> image_id("12"), image_id("0012")
    (12, '0012')
    """
    return int(name) if re.fullmatch(r"0|-?[1-9][0-9]{0,17}", name) else name


def images_below(folder: Path) -> list[Path]:
    """The images in a folder and its subfolders in natural order."""
    images = [
        Path(place, name) for place, _, names in os.walk(folder, followlinks=True) for name in names if is_image(name)
    ]
    return sorted(images, key=lambda path: natural_key(str(path)))


def photos_folder(candidates: Iterable[Path], names: Sequence[str]) -> Path:
    """The candidate folder with most of the named photos; the first existing one if none has any."""
    folders = [folder for folder in dict.fromkeys(candidates) if os.path.isdir(folder)]
    tried = names[:: max(len(names) // _MAX_TRIED, 1)]
    return max(folders, key=lambda folder: sum(os.path.isfile(photo_at(folder, name)) for name in tried))


def photo_at(folder: Path, name: str) -> Path:
    r"""The path of a photo, whether or not it exists; a name with Windows's `\` is also tried with `/`.

    Args:
        folder: The folder of the photos.
        name: Path in it. Names with `\` never lead outside: neither `..` nor a root is followed in them.
    """
    path = folder / name
    if "\\" not in name or os.path.isfile(path):
        return path
    inner = PurePosixPath(name.replace("\\", "/"))
    if inner.is_absolute() or ".." in inner.parts:
        return path
    return folder / inner if os.path.isfile(folder / inner) else path


def upright_size(source: Source) -> tuple[int, int]:
    """Height and width of an image from its header, after EXIF rotation as in `read_image`.

    Raises:
        SourceError: If it is missing or not an image.
    """
    if callable(source):
        source = source()
    if isinstance(source, np.ndarray):
        return source.shape[0], source.shape[1]
    if isinstance(source, Path) and not os.path.isfile(source):
        raise SourceError(missing_file(source))
    try:
        with _opened(source) as image:
            width, height = image.size
            sideways = _is_sideways(image)
    # Damaged headers make Pillow raise OSError, SyntaxError, ValueError, struct.error and others.
    except Exception as error:
        raise SourceError(f"expected an image with its size in the header. {error}") from error
    return (width, height) if sideways else (height, width)


def _is_sideways(image: Image.Image) -> bool:
    try:
        return image.getexif().get(ExifTags.Base.Orientation) in _SIDEWAYS
    # Broken EXIF doesn't matter to `read_image` either.
    except Exception:
        return False


def image_format(source: Path | bytes) -> str | None:
    """Pillow's name for the format of an image file, from its header; None if it is not an image."""
    try:
        with _opened(source) as image:
            return image.format
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def _opened(source: Path | bytes) -> Image.Image:
    return Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)


def image_bytes(source: Source) -> bytes:
    """The bytes of an image file; an array is encoded as PNG.

    Raises:
        OSError: If the file can't be read.
        SourceError: If an array is not an image.
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


class ImageCopies:
    """Copies images into a folder without name collisions.

    Files are copied byte for byte; arrays become PNG. Files that are missing or not images (a foreign dataset may point
    anywhere) are not copied; `report` names them, and their annotations are written all the same.

    Args:
        folder: Target; created with the first image.
        keep_names: Keep file names. Otherwise images are named after their ids, where `_` replaces everything but
            letters, digits, blanks and `_ . + -`.
    """

    def __init__(self, folder: Path, *, keep_names: bool = False) -> None:
        self.folder = folder
        self.keep_names = keep_names
        self._taken: set[str] = set()
        self._missing: list[str] = []

    def add(self, sample: Sample) -> str:
        """Copy an image and return the name of its file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        source = sample.source
        stem = source.stem if self.keep_names and isinstance(source, Path) else str(sample.image_id)
        target = self.folder / (self._unused(stem) + _suffix(source))
        if not isinstance(source, Path):
            target.write_bytes(image_bytes(source))
        elif os.path.isfile(source) and image_format(source):
            shutil.copyfile(source, target)
        else:
            self._missing.append(sample.name)
        return target.name

    def report(self) -> None:
        """Log a warning about images that were not copied, if there are any."""
        if self._missing:
            logger.warning(
                "%d images are missing or not images; only their annotations are written: %s",
                *(len(self._missing), shortened_list(self._missing)),
            )

    def _unused(self, name: str) -> str:
        stem = re.sub(r"[^\w.+ -]", "_", name).strip(" .") or "image"
        numbered = (f"{stem}_{number}" for number in itertools.count(2))
        unused = next(one for one in itertools.chain([stem], numbered) if one.casefold() not in self._taken)
        self._taken.add(unused.casefold())
        return unused


def _suffix(source: Source) -> str:
    if isinstance(source, Path):
        return source.suffix or ".jpg"
    if not isinstance(source, bytes):
        return ".png"
    kind = image_format(source) or "JPEG"
    return _SUFFIXES.get(kind, f".{kind.lower()}")


class SkippedImages:
    """Collects the images of a dataset that can't be read, for one warning at the end.

    Args:
        where: Name of the dataset in messages.
        content: Content of the files, for messages.
    """

    def __init__(self, where: str, content: str = "annotations") -> None:
        self.where = where
        self.content = content
        self.reasons: dict[str, str] = {}

    @contextmanager
    def skip_on_error(self, name: str) -> Iterator[None]:
        """Skip the image if the block raises one of `PARSE_ERRORS`."""
        try:
            yield
        except PARSE_ERRORS as error:
            self.add(name, _reason(error))

    def add(self, name: str, reason: str) -> None:
        """Skip an image."""
        self.reasons[name] = reason

    def report(self, read: int) -> None:
        """Log a warning that names the skipped images.

        Args:
            read: Number of images that were read.

        Raises:
            ConfigError: If `read` is 0.
        """
        names = shortened_list(f"{name} ({reason})" for name, reason in self.reasons.items())
        if not read:
            why = f"None of {len(self.reasons)} can be read: {names}" if self.reasons else "It has none"
            raise ConfigError(f"Expected images with {self.content} in {self.where}. {why}.")
        if self.reasons:
            logger.warning(
                "%s: skipped %d of %d images, whose %s can't be read: %s",
                *(self.where, len(self.reasons), read + len(self.reasons), self.content, names),
            )


def _reason(error: BaseException) -> str:
    if isinstance(error, KeyError):
        return f"no {error.args[0]}"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
