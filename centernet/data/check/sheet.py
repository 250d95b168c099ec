"""Contact sheets: some images of a dataset side by side, drawn with their objects."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from centernet.data.check.tile import TILE, Tile, draw_tile, failed_tile

if TYPE_CHECKING:
    from centernet.data.check.report import CheckReport

COLUMNS = 4
GAP = 6
PAPER = (38, 40, 44)
WORST = 2 / 3  # part of the sheet that images with problems may take, if there are others


def contact_sheet(report: CheckReport, count: int) -> Image.Image:
    """Images with problems, marked, and typical ones.

    Args:
        report: What checking gave.
        count: How many images, at most.

    Returns:
        The sheet, RGB.
    """
    return compose([_tile(report, number) for number in chosen_images(report, count)])


def chosen_images(report: CheckReport, count: int) -> list[int]:
    """Numbers of the images of a contact sheet: those with problems, then typical ones."""
    worst = list(_worst(report))
    typical = [number for number in _typical(report) if number not in set(worst)]
    shown = worst[: max(round(WORST * count), count - len(typical))]
    return [*shown, *typical[: count - len(shown)]]


def compose(tiles: Sequence[Image.Image]) -> Image.Image:
    """Tiles side by side, in rows."""
    columns, (width, height) = min(COLUMNS, max(len(tiles), 1)), TILE
    rows = -(-max(len(tiles), 1) // columns)
    sheet = Image.new("RGB", (columns * (width + GAP) + GAP, rows * (height + GAP) + GAP), PAPER)
    for place, tile in enumerate(tiles):
        row, column = divmod(place, columns)
        sheet.paste(tile, (GAP + column * (width + GAP), GAP + row * (height + GAP)))
    return sheet


def _worst(report: CheckReport) -> Iterator[int]:
    """Numbers of the images that have problems: the first of each problem, then the second, and so on."""
    queues = [list(one.objects) for one in report.problems]
    ranked = itertools.chain.from_iterable(itertools.zip_longest(*queues))
    yield from dict.fromkeys(number for number in ranked if number is not None)


def _typical(report: CheckReport) -> list[int]:
    """Numbers of images with a usual number of objects, first one of each class, the rarest before the others."""
    dataset = report.dataset
    counts = np.array([len(sample.boxes) for sample in dataset])
    usual = np.median(counts[counts > 0]) if (counts > 0).any() else 0
    # Of images with as many objects, any: neighbors are often alike.
    shuffled = np.random.default_rng(0).permutation(len(dataset))
    order = np.lexsort((shuffled, abs(counts - usual), counts == 0)).tolist()
    chosen: dict[int, None] = {}
    for class_id in sorted(range(len(report.classes)), key=lambda index: report.classes[index].objects):
        having = (number for number in order if number not in chosen and class_id in dataset[number].class_ids)
        chosen |= dict.fromkeys(list(itertools.islice(having, 1)))
    return list(dict.fromkeys([*chosen, *order]))


def _tile(report: CheckReport, number: int) -> Image.Image:
    sample = report.dataset[number]
    problems = [one for one in report.problems if number in one.objects]
    marks = {index: one.kind for one in reversed(problems) for index in one.objects[number]}
    caption = " · ".join([str(sample.image_id), *(one.kind for one in problems)])
    # Whatever a function that renders an image raises: the others are to be drawn all the same.
    try:
        image = sample.image
    except Exception as error:
        return failed_tile(caption, str(error))
    tile = Tile(image, sample.boxes, sample.class_ids, sample.ignore, sample.keypoints, marks)
    return draw_tile(tile, report.dataset, caption, alarm=bool(problems))
