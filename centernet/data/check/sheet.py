"""Contact sheets: images side by side, with their objects and problems drawn."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from centernet.data.dataset_base import DatasetBase
from centernet.data.sample import Sample
from centernet.results.detections import Detections
from centernet.results.draw import draw_detections
from centernet.results.draw_labels import Color, Label, Rectangle, draw_labels

COLUMNS, GAP = 4, 6
TILE = (400, 326)  # width and height in pixels, with the caption
CAPTION = 22
FONT_SIZE = 12.0
PAPER: Color = (38, 40, 44)
BACKGROUND: Color = (24, 25, 28)
FAILED: Color = (60, 30, 30)
TEXT: Color = (225, 225, 225)
ALARM: Color = (255, 60, 60)
LIGHT: Color = (255, 255, 255)
CROWD: Color = (170, 170, 170)
MIN_MARK = 9  # pixels of a mark's side, so that a box without area is visible
MAX_ZOOM = 4.0


def compose(tiles: Sequence[Image.Image]) -> Image.Image:
    """Tiles side by side in rows, RGB."""
    columns, (width, height) = min(COLUMNS, max(len(tiles), 1)), TILE
    rows = -(-max(len(tiles), 1) // columns)
    sheet = Image.new("RGB", (columns * (width + GAP) + GAP, rows * (height + GAP) + GAP), PAPER)
    for place, tile in enumerate(tiles):
        row, column = divmod(place, columns)
        sheet.paste(tile, (GAP + column * (width + GAP), GAP + row * (height + GAP)))
    return sheet


def draw_tile(
    image: np.ndarray,
    sample: Sample,
    dataset: DatasetBase,
    caption: str,
    marks: Mapping[int, str] | None = None,
    *,
    alarm: bool = False,
) -> Image.Image:
    """Draw an image, uint8 `(height, width, 3)`, with its objects below a caption, as RGB of `TILE` pixels.

    `marks` gives the problems of some objects by their index; with `alarm` the caption is red.
    """
    height, width = image.shape[:2]
    scale = min(TILE[0] / width, (TILE[1] - CAPTION) / height, MAX_ZOOM)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    factor = np.array(size) / (width, height)
    picture = Image.fromarray(image).resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    objects = _drawable(sample, dataset, size, factor)
    picture = draw_detections(picture, objects, scores=False, line_width=2, font_size=11.0)
    boxes = sample.boxes * np.tile(factor, 2)
    _draw_crowds(picture, boxes[sample.ignore])
    _draw_marks(picture, boxes, marks or {})
    return _framed(picture, caption, alarm)


def failed_tile(caption: str, reason: str) -> Image.Image:
    """A tile with the reason why its image can't be read."""
    picture = Image.new("RGB", (TILE[0], TILE[1] - CAPTION), FAILED)
    text = "\n".join(textwrap.wrap(reason, 52)[:14])
    ImageDraw.Draw(picture).text((14, 14), text, fill=TEXT, font=_font())
    return _framed(picture, caption, alarm=True)


def _drawable(sample: Sample, dataset: DatasetBase, size: tuple[int, int], factor: np.ndarray) -> Detections:
    """The valid, not ignored objects in a picture of this width and height."""
    valid = sample.learnable(len(dataset.class_names))
    fields = {}
    points, task = sample.keypoints, dataset.keypoints
    if points is not None and task is not None and points.shape[1:] == (len(task.names), 3):
        points = np.nan_to_num(points[valid])
        fields = {
            "keypoints": points[..., :2] * factor,
            "keypoint_scores": (points[..., 2] > 0).astype(np.float32),
            "keypoint_names": task.names,
            "skeleton": task.skeleton,
        }
    boxes = sample.boxes[valid] * np.tile(factor, 2)
    return Detections(boxes, np.ones(len(boxes)), sample.class_ids[valid], size[::-1], dataset.class_names, **fields)


def _draw_crowds(picture: Image.Image, boxes: np.ndarray) -> None:
    areas = [_area(box, picture.size, 1) for box in boxes]
    for area in areas:
        ImageDraw.Draw(picture).rectangle(area, outline=CROWD)
    draw_labels(picture, [Label("ignored", area, CROWD, 10.0) for area in areas])


def _draw_marks(picture: Image.Image, boxes: np.ndarray, marks: Mapping[int, str]) -> None:
    labels = []
    for index, kind in marks.items():
        left, top, right, bottom = area = _area(boxes[index], picture.size, MIN_MARK)
        ImageDraw.Draw(picture).rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=LIGHT)
        ImageDraw.Draw(picture).rectangle(area, outline=ALARM, width=2)
        labels.append(Label(kind, area, ALARM, FONT_SIZE))
    draw_labels(picture, labels)


def _area(box: np.ndarray, size: tuple[int, int], min_side: int) -> Rectangle:
    """First and last column and row of a box, clipped to the picture and enlarged to a minimum side."""
    ends = np.nan_to_num(box, nan=0.0).clip(0, np.tile(size, 2)).reshape(2, 2)
    low, high = np.sort(ends, axis=0)
    center, half = (low + high) / 2, np.maximum(high - low, min_side) / 2
    left, top = np.maximum(np.rint(center - half), 0).astype(int).tolist()
    right, bottom = np.minimum(np.rint(center + half), size).astype(int).tolist()
    return left, top, max(right - 1, left), max(bottom - 1, top)


def _framed(picture: Image.Image, caption: str, alarm: bool) -> Image.Image:
    tile = Image.new("RGB", TILE, BACKGROUND)
    tile.paste(picture, ((TILE[0] - picture.size[0]) // 2, CAPTION + (TILE[1] - CAPTION - picture.size[1]) // 2))
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
