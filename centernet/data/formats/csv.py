"""CSV: a row for each object.

The first row names the columns: the image's file; its `width` and `height` (if at all); the class; the box in pixels.
`COLUMNS` and `CORNERS` have the names that are understood; other columns are passed over. A row with an image and
neither class nor box is an image without objects. `,`, `;` or tabs divide columns. Without such a first row, the six
columns image, x0, y0, x1, y1, class are expected.

A dataset is a `.csv`, or a folder: a `.csv` for each split (`train.csv`, `train/_annotations.csv`), or one, in which a
column `split` may say it. Classes are the names that occur in all of the files, sorted. Photos lie beside the CSV, in
`images/` or in a folder that is called like the split.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from centernet.data.dataset import Dataset
from centernet.data.image_files import ImageCopies, image_ids, photo_at, photos_folder
from centernet.data.sample import Sample
from centernet.data.skipped_images import SkippedImages
from centernet.data.splits import ALL, NAMES, disjoint, split_in
from centernet.errors import ConfigError
from centernet.files.formatting import shortest_number

# What a column says → its names, the preferred first; case and blanks don't matter.
COLUMNS: Mapping[str, Sequence[str]] = {
    "image": ("image", "filename", "file_name", "image_path", "path", "file"),
    "class": ("class", "class_name", "label", "category", "name"),
    "width": ("width", "image_width", "img_width"),
    "height": ("height", "image_height", "img_height"),
    "ignore": ("ignore", "iscrowd", "is_crowd", "difficult"),
    "area": ("area",),
    "split": ("split", "set", "subset"),
}
CORNERS = (
    ("xmin", "ymin", "xmax", "ymax"),
    ("x_min", "y_min", "x_max", "y_max"),
    ("x0", "y0", "x1", "y1"),
    ("x1", "y1", "x2", "y2"),
    ("left", "top", "right", "bottom"),
)
BOX = ("xmin", "ymin", "xmax", "ymax")
WRITTEN = ("image", "width", "height", "class", *BOX, "ignore", "area")
_HEADLESS = ("image", *BOX, "class")
_YES = ("1", "true", "yes")
_LONGEST = 1 << 16


@dataclass(frozen=True)
class _Layout:
    """Column → its position, what divides columns, and whether the first row names them."""

    columns: Mapping[str, int]
    divider: str
    header: bool


@dataclass(frozen=True)
class _Row:
    """One row: column → text, and where it is."""

    cells: Mapping[str, str]
    file: Path
    line: int

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")


def recognize(path: Path) -> bool:
    """Whether a path is a CSV with boxes, or a folder with some."""
    return bool(_candidates(path))


def splits(path: Path) -> tuple[str, ...]:
    """The splits that files, folders, or a column name."""
    return tuple(split for split in _rows_by_split(path) if split != ALL)


def read(path: Path, splits: Sequence[str]) -> list[Dataset]:
    """Read some splits; see `FormatModule.read`."""
    rows = _rows_by_split(path)
    rows[ALL] = [row for split in disjoint(rows) for row in rows[split]]
    classes = sorted({row["class"] for row in rows[ALL]} - {""})
    return [_dataset(rows[split], classes, f"{path.name} ({split})") for split in splits]


def _files(path: Path) -> dict[Path, str]:
    """File → split; a file that says no split is read only if none does, and then there is no other."""
    files = _candidates(path)
    named = {file: split for file, split in files.items() if split != ALL}
    if not named and len(files) > 1:
        names = ", ".join(str(file.relative_to(path)) for file in files)
        raise ConfigError(
            f"Expected one CSV, or one for each split, in {path}. Found: {names}. Give one of these files."
        )
    return named or files


def _candidates(path: Path) -> dict[Path, str]:
    """File → split, of all files that are CSVs of boxes."""
    if path.is_file():
        return {path: split_in(path.stem) or ALL} if path.suffix == ".csv" and _layout(path) else {}
    folders = [folder for folder in sorted(path.glob("*/")) if split_in(folder.name)]
    files = {file: split_in(file.stem) or ALL for file in sorted(path.glob("*.csv"))}
    files |= {file: split_in(folder.name) or ALL for folder in folders for file in sorted(folder.glob("*.csv"))}
    return {file: split for file, split in files.items() if _layout(file)}


def _layout(file: Path) -> _Layout | None:
    """How a file is laid out; None if it is no CSV of boxes."""
    try:
        with file.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
            first = lines.readline(_LONGEST)
            divider = max(",;\t", key=first.count)
            cells = next(csv.reader([first], delimiter=divider), [])
    except (OSError, csv.Error):
        return None
    header = [cell.strip().lower().replace(" ", "_") for cell in cells]
    corners = next((names for names in CORNERS if set(names) <= set(header)), None)
    if corners:
        named = {key: next((name for name in names if name in header), None) for key, names in COLUMNS.items()}
        named |= dict(zip(BOX, corners, strict=True))
        columns = {key: header.index(name) for key, name in named.items() if name is not None}
        return _Layout(columns, divider, True) if {"image", "class"} <= set(columns) else None
    headless = len(cells) == len(_HEADLESS) and (not any(cells[1:]) or all(map(_is_number, cells[1:5])))
    return _Layout({name: place for place, name in enumerate(_HEADLESS)}, divider, False) if headless else None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _rows_by_split(path: Path) -> dict[str, list[_Row]]:
    rows: dict[str, list[_Row]] = defaultdict(list)
    for file, split in _files(path).items():
        for row in _rows(file):
            own = row["split"].lower()
            rows[own if own in NAMES else split].append(row)
    return rows


def _rows(file: Path) -> Iterator[_Row]:
    layout = _layout(file)
    assert layout
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines, delimiter=layout.divider)
            for number, cells in enumerate(reader):
                if any(cells) and not (layout.header and number == 0):
                    yield _Row(
                        {key: cells[place].strip() for key, place in layout.columns.items() if place < len(cells)},
                        file,
                        reader.line_num,
                    )
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"Expected a CSV in UTF-8. {file} can't be read as one: {error}") from error


def _dataset(rows: Sequence[_Row], classes: Sequence[str], where: str) -> Dataset:
    images: dict[tuple[Path, str], list[_Row]] = defaultdict(list)
    for row in rows:
        images[row.file, row["image"]].append(row)
    folders = {file: _photos(file, [name for other, name in images if other == file]) for file, _ in images}
    ids = image_ids([f"{file.parent.name}/{name}" for file, name in images])
    index = {name: number for number, name in enumerate(classes)}
    skipped, samples = SkippedImages(where), []
    for ((file, name), own), identity in zip(images.items(), ids, strict=True):
        with skipped.skip_on_error(name or f"{file.name} line {own[0].line}"):
            samples.append(_sample(own, identity, index, photo_at(folders[file], name)))
    skipped.report(len(samples))
    return Dataset(tuple(samples), tuple(classes), name=where, format="csv")


def _photos(file: Path, names: Sequence[str]) -> Path:
    parent, split = file.parent, split_in(file.stem) or ""
    return photos_folder(
        [parent, parent / "images", parent / split, parent / "JPEGImages", parent.parent / "images", parent.parent],
        names,
    )


def _sample(rows: Sequence[_Row], identity: int | str, index: Mapping[str, int], photo: Path) -> Sample:
    first = rows[0]
    if not first["image"]:
        raise ConfigError("no image")
    objects = [row for row in rows if row["class"] or any(row[side] for side in BOX)]
    boxes = np.asarray([[_number(row, side) for side in BOX] for row in objects], np.float32).reshape(-1, 4)
    plain = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    if not all(row["class"] for row in objects):
        raise ConfigError("a box without class")
    stated = first["width"] and first["height"]
    return Sample(
        source=photo,
        boxes=boxes,
        class_ids=np.asarray([index[row["class"]] for row in objects], np.int32),
        image_id=identity,
        ignore=np.asarray([row["ignore"].lower() in _YES for row in objects], bool),
        areas=np.asarray(
            [_number(row, "area") if row["area"] else area for row, area in zip(objects, plain, strict=True)]
        ),
        size=(round(_number(first, "height")), round(_number(first, "width"))) if stated else None,
    )


def _number(row: _Row, column: str) -> float:
    try:
        return float(row[column])
    except ValueError as error:
        raise ConfigError(f"line {row.line}: {column} is {row[column]!r} instead of a number") from error


def write(parts: Mapping[str, Dataset], folder: Path) -> None:
    """Write `SPLIT.csv` (without a split `annotations.csv`) and `images/`; images are called by their ids."""
    copies = ImageCopies(folder / "images")
    for split, dataset in parts.items():
        target = folder / ("annotations.csv" if split == ALL else f"{split}.csv")
        with target.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(WRITTEN)
            for sample in dataset:
                writer.writerows(_cells(sample, dataset.class_names, f"images/{copies.add(sample)}"))
    copies.report()


def _cells(sample: Sample, class_names: Sequence[str], image: str) -> Iterator[Sequence[object]]:
    height, width = sample.size or ("", "")
    if not len(sample.boxes):
        yield image, width, height, *[""] * (len(WRITTEN) - 3)
    for number, class_id in enumerate(sample.class_ids):
        box = map(shortest_number, sample.boxes[number])
        ignore, area = int(sample.ignore[number]), shortest_number(sample.areas[number])
        yield image, width, height, class_names[class_id], *box, ignore, area
