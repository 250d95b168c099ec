"""One image of a contact sheet: its objects with names, and what is wrong with them marked."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from centernet.data.dataset import Dataset
from centernet.results.colors import Color
from centernet.results.detections import Detections
from centernet.results.draw import draw_detections
from centernet.results.draw_labels import Label, Rectangle, draw_labels

TILE = (400, 326)  # pixels along x and y, with the caption
CAPTION = 22
FONT_SIZE = 12.0
BACK: Color = (24, 25, 28)
TEXT: Color = (225, 225, 225)
ALARM: Color = (255, 60, 60)
LIGHT: Color = (255, 255, 255)
CROWD: Color = (170, 170, 170)
SMALLEST = 9  # pixels of a mark's side, so that a box without area is seen
LARGEST_ZOOM = 4.0


@dataclass(frozen=True, eq=False)
class Tile:
    """What is drawn.

    Attributes:
        image: uint8 RGB `(height, width, 3)`.
        boxes: `x0 y0 x1 y1` in pixels of it, `(n, 4)`.
        class_ids: `(n,)`.
        ignore: bool `(n,)`.
        keypoints: `x y visibility`, `(n, k, 3)`, or None.
        marks: Number of an object → what is wrong with it.
    """

    image: np.ndarray
    boxes: np.ndarray
    class_ids: np.ndarray
    ignore: np.ndarray
    keypoints: np.ndarray | None = None
    marks: Mapping[int, str] = field(default_factory=dict)


def draw_tile(tile: Tile, dataset: Dataset, caption: str, *, alarm: bool = False) -> Image.Image:
    """Draw an image with its objects and a caption.

    Args:
        tile: The image.
        dataset: What its classes and keypoints mean.
        caption: What to write above it; shortened if it is too long.
        alarm: Whether the caption is in red.

    Returns:
        RGB, `TILE` pixels.
    """
    height, width = tile.image.shape[:2]
    scale = min(TILE[0] / width, (TILE[1] - CAPTION) / height, LARGEST_ZOOM)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    factor = np.array(size) / (width, height)
    picture = Image.fromarray(tile.image).resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    picture = draw_detections(picture, _shown(tile, dataset, size, factor), scores=False, line_width=2, font_size=11.0)
    _draw_crowds(picture, tile.boxes[tile.ignore] * np.tile(factor, 2))
    _draw_marks(picture, tile, factor)
    return _framed(picture, caption, alarm)


def failed_tile(caption: str, reason: str) -> Image.Image:
    """A tile for an image that can't be read, with the reason."""
    picture = Image.new("RGB", (TILE[0], TILE[1] - CAPTION), (60, 30, 30))
    text = "\n".join(textwrap.wrap(reason, 52)[:14])
    ImageDraw.Draw(picture).text((14, 14), text, fill=TEXT, font=_font())
    return _framed(picture, caption, alarm=True)


def _shown(tile: Tile, dataset: Dataset, size: tuple[int, int], factor: np.ndarray) -> Detections:
    """The objects that can be drawn as they are, in pixels of the picture."""
    boxes = tile.boxes * np.tile(factor, 2)
    known = (tile.class_ids >= 0) & (tile.class_ids < len(dataset.class_names))
    proper = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    rows = np.flatnonzero(known & proper & ~tile.ignore)
    points, task = tile.keypoints, dataset.keypoints
    posed = points is not None and task is not None and points.shape[1:] == (len(task.names), 3)
    keypoints = np.nan_to_num(points[rows]) if posed and points is not None else None
    return Detections(
        boxes[rows],
        np.ones(len(rows)),
        tile.class_ids[rows],
        size[::-1],
        dataset.class_names,
        keypoints=None if keypoints is None else keypoints[..., :2] * factor,
        keypoint_scores=None if keypoints is None else (keypoints[..., 2] > 0).astype(np.float32),
        keypoint_names=task.names if task and keypoints is not None else None,
        skeleton=task.skeleton if task and keypoints is not None else None,
    )


def _draw_crowds(picture: Image.Image, boxes: np.ndarray) -> None:
    areas = [_area(box, picture.size, 1) for box in boxes]
    for area in areas:
        ImageDraw.Draw(picture).rectangle(area, outline=CROWD)
    draw_labels(picture, [Label("ignored", area, CROWD, 10.0) for area in areas])


def _draw_marks(picture: Image.Image, tile: Tile, factor: np.ndarray) -> None:
    labels = []
    for index, kind in tile.marks.items():
        area = _area(tile.boxes[index] * np.tile(factor, 2), picture.size, SMALLEST)
        draw, (left, top, right, bottom) = ImageDraw.Draw(picture), area
        draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=LIGHT)
        draw.rectangle(area, outline=ALARM, width=2)
        labels.append(Label(kind, area, ALARM, FONT_SIZE))
    draw_labels(picture, labels)


def _area(box: np.ndarray, size: tuple[int, int], smallest: int) -> Rectangle:
    """First and last column and row of a box, moved into the picture and at least so many pixels large."""
    ends = np.nan_to_num(box, nan=0.0).clip(0, np.tile(size, 2)).reshape(2, 2)
    low, high = np.sort(ends, axis=0)
    center, half = (low + high) / 2, np.maximum(high - low, smallest) / 2
    left, top = np.maximum(np.rint(center - half), 0).astype(int).tolist()
    right, bottom = np.minimum(np.rint(center + half), size).astype(int).tolist()
    return left, top, max(right - 1, left), max(bottom - 1, top)


def _framed(picture: Image.Image, caption: str, alarm: bool) -> Image.Image:
    tile = Image.new("RGB", TILE, BACK)
    room = (TILE[0] - picture.size[0]) // 2, CAPTION + (TILE[1] - CAPTION - picture.size[1]) // 2
    tile.paste(picture, room)
    font, text = _font(), caption
    while font.getlength(text) > TILE[0] - 12 and len(text) > 1:
        text = text[:-2] + "…"
    ImageDraw.Draw(tile).text((6, 4), text, fill=ALARM if alarm else TEXT, font=font)
    return tile


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    try:
        return ImageFont.load_default(FONT_SIZE)
    # Pillow without FreeType has one font of one size.
    except ImportError:
        return ImageFont.load_default()
