"""The floors of the package, drawn as `examples/floors.png`: `python examples/draw_floors.py`.

The floors come from the import contract in `pyproject.toml`, the arrows from the real imports (`pip install ".[test]"`
brings what reads them). Each row is a floor; a room imports only from the rooms below it. The number beside a room is
its size in lines; the curves are imports, thicker where there are more.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path

import grimp
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).parents[1]
SCALE, ROW, WIDTH, MARGIN = 2, 44, 860, 16
INK, PAPER, ROOM, ARROW = "#1f2933", "#ffffff", "#e8eef7", (60, 110, 180)
ABOUT = {
    "cli": "what people call: one module per command",
    "loading": "centernet.load: a detector with weights, from anything",
    "detector": "PointDetector, TripletDetector: a network and all work on it",
    "training": "fit, augmentation, schedules, states to resume from",
    "evaluation": "COCO's figures, confusions, curves, the report",
    "inference": "compiled detection, streams, export",
    "checkpoints": "weights of the zoo, of PyTorch, of Model Garden, saved ones",
    "models": "descriptions, backbones, and the two families",
    "data": "datasets: formats, checks, batches, synthetic scenes",
    "results": "Detections: rows, conversions, drawing",
    "images": "anything to uint8 RGB",
    "ops": "mathematics on arrays",
    "files": "downloads, archives, cache, YAML, checks of dataclasses",
    "errors": "the exceptions",
}


def layers() -> list[str]:
    """The floors, top first, as the import contract lists them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return next(one["layers"] for one in project["tool"]["importlinter"]["contracts"] if one["type"] == "layers")


def imports() -> Counter[tuple[str, str]]:
    """Number of imports from room to room."""
    graph = grimp.build_graph("centernet")
    counts: Counter[tuple[str, str]] = Counter()
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            rooms = [name.split(".")[1] for name in (module, imported) if "." in name]
            if len(rooms) == 2 and rooms[0] != rooms[1]:
                counts[rooms[0], rooms[1]] += 1
    return counts


def lines(room: str) -> int:
    """Lines of a room's modules."""
    place = ROOT / "centernet" / room
    files = place.rglob("*.py") if place.is_dir() else [place.with_suffix(".py")]
    return sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files)


def draw() -> Image.Image:
    """The picture."""
    rooms = layers()
    size = (WIDTH * SCALE, (ROW * len(rooms) + 2 * MARGIN) * SCALE)
    image = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(image, "RGBA")
    bold, small = (ImageFont.load_default(points * SCALE) for points in (15, 12))
    middle = {room: (MARGIN + ROW * (row + 0.5)) * SCALE for row, room in enumerate(rooms)}
    right = (WIDTH - 200) * SCALE
    for room, y in middle.items():
        box = (MARGIN * SCALE, y - ROW * 0.4 * SCALE, right, y + ROW * 0.4 * SCALE)
        pen.rounded_rectangle(box, 8 * SCALE, fill=ROOM)
        pen.text(((MARGIN + 12) * SCALE, y), room, INK, bold, anchor="lm")
        pen.text(((MARGIN + 130) * SCALE, y), ABOUT[room], INK, small, anchor="lm")
        pen.text((right - 12 * SCALE, y), f"{lines(room):,}", INK, small, anchor="rm")
    for (start, end), count in imports().items():
        reach = abs(middle[end] - middle[start]) / SCALE
        bulge = (20 + 0.27 * reach) * SCALE
        top, bottom = sorted((middle[start], middle[end]))
        pen.arc(
            (right - bulge, top, right + bulge, bottom),
            -90,
            90,
            (*ARROW, 110),
            width=max(1, round(count**0.5 * SCALE / 2)),
        )
        pen.polygon([(right, middle[end]), (right + 8 * SCALE, middle[end] - 4 * SCALE),
                     (right + 8 * SCALE, middle[end] + 4 * SCALE)], fill=(*ARROW, 220))  # fmt: skip
    return image


if __name__ == "__main__":
    draw().resize((WIDTH, (ROW * len(layers()) + 2 * MARGIN)), Image.Resampling.LANCZOS).save(
        ROOT / "examples/floors.png"
    )
