"""CSV: one row per object.

The header names the columns: image file, `width` and `height` (optional), class, and the box in pixels. `COLUMNS` and
`BOXES` list the accepted names; further columns are ignored. Instead of four columns there may be one, `bbox`, with
`[x, y, width, height]`. A row with an image but neither class nor box is an image without objects. Columns are
separated by `,`, `;` or tabs. Without a header, the six columns image, x0, y0, x1, y1, class are expected, or the
image, a box in one column and the class.

A dataset is a `.csv` file, or a folder with one file per split (`train.csv`, `train/_annotations.csv`), or with one
file, which may have a column `split`. Classes are the names in all of the files, sorted. Photos lie beside the CSV, in
`images/`, or in a folder named after the split.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from centernet.data.dataset import Dataset
from centernet.data.formats.shared import (
    CORNERS,
    NamedImage,
    NamedSample,
    files_by_split,
    head_of,
    photos_near,
    read_named,
    split_folders,
)
from centernet.data.image_files import ImageCopies, photo_at
from centernet.data.sample import Sample
from centernet.data.splits import ALL, NAMES, disjoint, split_in
from centernet.errors import ConfigError
from centernet.files.formatting import shortest_number

# Column → accepted names, preferred first; case and blanks don't matter.
COLUMNS: Mapping[str, Sequence[str]] = {
    "image": ("image", "filename", "file_name", "image_path", "path", "file"),
    "class": ("class", "class_name", "label", "category", "name"),
    "width": ("width", "image_width", "img_width"),
    "height": ("height", "image_height", "img_height"),
    "ignore": ("ignore", "iscrowd", "is_crowd", "difficult"),
    "area": ("area",),
    "split": ("split", "set", "subset"),
}
BOXES = (
    CORNERS,
    ("x_min", "y_min", "x_max", "y_max"),
    ("x0", "y0", "x1", "y1"),
    ("x1", "y1", "x2", "y2"),
    ("left", "top", "right", "bottom"),
)
WRITTEN = ("image", "width", "height", "class", *CORNERS, "ignore", "area")
_HEADLESS = ("image", *CORNERS, "class")
_BBOX = ("bbox", "box", "bounding_box")  # [x, y, width, height] in one column
_BRACKETS = re.compile(r"\s*[\[(]([^\])]*)[\])]\s*")
_TRUE = ("1", "true", "yes")
_MAX_HEADER = 1 << 16
_NUMBER = re.compile(r"\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?\s*", re.IGNORECASE)

Row = Mapping[str, Any]  # column → text ("" without that column), "source" → file, "line" → number


@dataclass(frozen=True)
class _Layout:
    """Column of each position, the delimiter, and whether the first row is a header."""

    columns: Sequence[str]
    delimiter: str
    header: bool


def recognize(path: Path) -> bool:
    """Whether a path is a CSV with boxes, or a folder with one."""
    return bool(_candidates(path))


def read(path: Path, splits: Sequence[str]) -> list[Dataset]:
    """Read some splits; see `FormatModule.read`."""
    rows = parts(path)
    rows[ALL] = [row for split in disjoint(rows) for row in rows[split]]
    classes = sorted({row["class"] for row in rows[ALL]} - {""})
    return read_named({split: _images(rows[split]) for split in splits}, splits, path.name, "csv", classes)


def _candidates(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix == ".csv" and _layout(path) else []
    files = [file for folder in (path, *split_folders(path)) for file in sorted(folder.glob("*.csv"))]
    return [file for file in files if _layout(file)]


def _layout(file: Path) -> _Layout | None:
    """The layout of a CSV; None if it has no boxes."""
    first = re.split("[\r\n]", head_of(file, _MAX_HEADER).decode("utf-8-sig", errors="replace"), maxsplit=1)[0]
    in_one_column = (mark for mark in ",;\t" if any(map(_corners, next(csv.reader([first], delimiter=mark), []))))
    delimiter = next(in_one_column, max(",;\t", key=first.count))
    cells = next(csv.reader([first], delimiter=delimiter), [])
    header = [cell.strip().lower().replace(" ", "_") for cell in cells]
    corners = next((names for names in BOXES if set(names) <= set(header)), None)
    box = next((name for name in _BBOX if name in header), None)
    if corners or box:
        sides = {side: (name,) for side, name in zip(CORNERS, corners, strict=True)} if corners else {"bbox": (box,)}
        named = {
            key: next((name for name in names if name in header), None) for key, names in {**COLUMNS, **sides}.items()
        }
        columns = {header.index(name): key for key, name in named.items() if name is not None}
        known = [columns.get(place, f"column {place}") for place in range(len(header))]
        return _Layout(known, delimiter, True) if {"image", "class" if corners else "bbox"} <= set(known) else None
    if len(cells) >= 2 and (boxes := [place for place, cell in enumerate(cells) if _corners(cell)]):
        # Without a header: the image first, the class in the next column that is neither a number nor the box.
        known = [f"column {place}" for place in range(len(cells))]
        known[0], known[boxes[0]] = "image", "bbox"
        texts = [place for place in range(1, len(cells)) if place != boxes[0] and not _NUMBER.fullmatch(cells[place])]
        if texts:
            known[texts[0]] = "class"
        return _Layout(known, delimiter, False)
    headless = len(cells) == len(_HEADLESS) and (not any(cells[1:]) or all(map(_NUMBER.fullmatch, cells[1:5])))
    return _Layout(_HEADLESS, delimiter, False) if headless else None


def parts(path: Path) -> dict[str, list[Row]]:
    """Split of the files, folders, or the column → its rows."""
    files = files_by_split(path, _candidates(path))
    if len(files.get(ALL, ())) > 1:
        names = ", ".join(str(file.relative_to(path)) for file in files[ALL])
        raise ConfigError(
            f"Expected one CSV, or one for each split, in {path}. Found: {names}. Give one of these files."
        )
    rows: dict[str, list[Row]] = defaultdict(list)
    for split, file in ((split, file) for split, of_split in files.items() for file in of_split):
        for row in _rows(file):
            own = row["split"].lower()
            rows[own if own in NAMES else split].append(row)
    return rows


def _rows(file: Path) -> Iterator[Row]:
    layout = _layout(file)
    assert layout
    empty = dict.fromkeys((*COLUMNS, *CORNERS, "bbox"), "")
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines, layout.columns, "surplus", "", delimiter=layout.delimiter)
            for row in islice(reader, int(layout.header), None):
                if any(row.values()):
                    cells = {key: text.strip() for key, text in row.items() if key in empty}
                    if corners := _corners(cells.get("bbox", "")):
                        cells |= dict(zip(CORNERS, corners, strict=True))
                        cells["class"] = cells.get("class") or ("object" if "class" not in layout.columns else "")
                    yield {**empty, **cells, "source": file, "line": reader.line_num}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"Expected a CSV in UTF-8. {file} can't be read as one: {error}") from error


def _corners(cell: str) -> tuple[str, ...] | None:
    """The corners, as text, of a box `[x, y, width, height]`; None if it is none."""
    match = _BRACKETS.fullmatch(cell)
    numbers = re.split(r"[\s,;]+", match[1].strip()) if match else []
    if len(numbers) != 4 or not all(map(_NUMBER.fullmatch, numbers)):
        return None
    x, y, width, height = map(float, numbers)
    return tuple(map(repr, (x, y, x + width, y + height)))


def _images(rows: Sequence[Row]) -> list[NamedImage]:
    images: dict[tuple[Path, str], list[Row]] = defaultdict(list)
    folders: dict[Path, Path] = {}
    for row in rows:
        images[row["source"], row["image"]].append(row)
    for file in {file for file, _ in images}:
        names = [name for source, name in images if source == file]
        folders[file] = photos_near(file, split_in(file.stem) or "", names, first=[file.parent])
    return [
        NamedImage(
            f"{file.parent.name}/{name}",
            name or f"{file.name} line {own[0]['line']}",
            partial(_annotation, own, folders[file]),
        )
        for (file, name), own in images.items()
    ]


def _annotation(rows: Sequence[Row], folder: Path) -> NamedSample:
    first = rows[0]
    if not first["image"]:
        raise ConfigError("no image")
    objects = [row for row in rows if row["class"] or row["bbox"] or any(row[side] for side in CORNERS)]
    for row in objects:
        if row["bbox"] and not row["xmin"]:
            raise ConfigError(f"line {row['line']}: bbox is {row['bbox']!r} instead of [x, y, width, height]")
    boxes = np.asarray([[_number(row, side) for side in CORNERS] for row in objects], np.float32).reshape(-1, 4)
    if not all(row["class"] for row in objects):
        raise ConfigError("a box without class")
    sides = boxes[:, 2:] - boxes[:, :2]
    areas = [_number(row, "area") if row["area"] else side.prod() for row, side in zip(objects, sides, strict=True)]
    has_size = first["width"] and first["height"]
    return NamedSample(
        [row["class"] for row in objects],
        source=photo_at(folder, first["image"]),
        boxes=boxes,
        ignore=np.asarray([row["ignore"].lower() in _TRUE for row in objects], bool),
        areas=np.asarray(areas),
        size=(round(_number(first, "height")), round(_number(first, "width"))) if has_size else None,
    )


def _number(row: Row, column: str) -> float:
    try:
        return float(row[column])
    except ValueError as error:
        raise ConfigError(f"line {row['line']}: {column} is {row[column]!r} instead of a number") from error


def write(parts: Mapping[str, Dataset], folder: Path) -> None:
    """Write `SPLIT.csv` (without a split `annotations.csv`) and `images/`; image files are named after the ids."""
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
