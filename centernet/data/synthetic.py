"""Rendered scenes of shapes with boxes, classes and keypoints, for tests, tutorials and benchmarks.

from centernet.data import synthetic

train = synthetic.shapes(1000, (240, 320), seed=1)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from centernet.data.dataset import Dataset
from centernet.data.keypoints import KeypointTask
from centernet.data.sample import Sample
from centernet.errors import ConfigError
from centernet.ops.boxes import box_overlaps

FINENESS = 4  # subpixels per pixel and side, for smooth edges
MAX_TRIES = 30  # to place an object, and to draw a color with enough contrast
MIN_CONTRAST = 90  # gray levels in at least one channel between an object and both background colors
NOISE = 12.0  # gray levels
MAX_LEAN = 0.3  # radians that a figure leans
FIGURE = "figure"
# A figure faces the viewer, so its left is the right of the image.
FIGURE_KEYPOINTS = KeypointTask(
    FIGURE,
    ("head", "left_hand", "right_hand", "left_foot", "right_foot"),
    skeleton=((0, 1), (0, 2), (0, 3), (0, 4)),
    flip=(0, 2, 1, 4, 3),
    deviations=(0.5,) * 5,  # between those of COCO's eyes (0.25) and hips (1.07)
)
# Sizes of shapes are relative to the circle around them, whose radius is 1.
CIRCLE_CORNERS = 64
STAR_INNER_RADIUS = 0.45
HEAD, HEAD_RADIUS = (0.0, -0.72), 0.24
SHOULDER, HIP = (0.0, -0.4), (0.0, 0.2)
ARM, LEG, THICKNESS = 0.6, 0.72, 0.16
END_RADIUS = 0.12  # of hands and feet


def shapes(
    count: int,
    size: tuple[int, int] = (240, 320),
    *,
    seed: int = 0,
    min_objects: int = 1,
    max_objects: int = 6,
    keypoints: bool = False,
    classes: Sequence[str] = ("circle", "square", "triangle", "star"),
    radius: tuple[float, float] = (0.08, 0.22),
    max_overlap: float = 0.1,
) -> Dataset:
    """Scenes with shapes of random position, size, color and rotation on a noisy gradient.

    A scene is rendered on each access to its image, always the same. Boxes enclose whole shapes, also where a later
    shape covers a part.

    Args:
        count: Number of scenes.
        size: Height and width in pixels.
        seed: Seed of the scenes.
        min_objects: Minimum number of objects per scene, if there is room.
        max_objects: Maximum number of objects per scene.
        keypoints: Add the class `figure`, a stick figure with keypoints at head, hands and feet.
        classes: Shapes to draw: `circle`, `square`, `triangle`, `star`.
        radius: Minimum and maximum radius of the circle around a shape, relative to the scene's shorter side.
        max_overlap: Maximum intersection of two boxes, relative to the smaller one.

    Returns:
        The dataset; `image_id` is the number of the scene.

    Raises:
        ConfigError: If a number is out of range, or a class is unknown.
    """
    names = (*classes, *((FIGURE,) if keypoints else ()))
    if not names or set(classes) - set(SHAPES) or len(set(classes)) < len(classes):
        raise ConfigError(f"Expected different classes of {list(SHAPES)}. Received: classes={list(classes)}")
    if count < 1 or min(size) < 8 or not 0 <= min_objects <= max_objects or seed < 0:
        raise ConfigError(
            "Expected a count of at least 1, a size of at least 8×8, a seed of at least 0, and min_objects up to "
            f"max_objects. Received: {count}, {size}, {seed}, {min_objects}, {max_objects}"
        )
    if not 0 < radius[0] <= radius[1] <= 0.5 or not 0 <= max_overlap <= 1:
        raise ConfigError(
            "Expected a radius of above 0 to 0.5, the smaller one first, and a max_overlap of 0 to 1. Received: "
            f"{radius}, {max_overlap}"
        )
    settings = (size, seed, (min_objects, max_objects), names, radius, max_overlap)
    return Dataset(
        tuple(Scene(number, *settings).sample() for number in range(count)),
        names,
        keypoints=FIGURE_KEYPOINTS if keypoints else None,
        name=f"shapes(seed={seed})",
        format="synthetic",
    )


@dataclass(frozen=True)
class Scene:
    """A scene by its number and the arguments of `shapes`; calling it renders it."""

    number: int
    size: tuple[int, int]
    seed: int
    objects: tuple[int, int]  # minimum and maximum
    class_names: tuple[str, ...]
    radius: tuple[float, float]
    max_overlap: float

    def __call__(self) -> np.ndarray:
        """The image, uint8 RGB `(height, width, 3)`."""
        rng = self._rng(1)
        colors = rng.uniform(40, 215, (2, 3))
        pixels = _background(self.size, colors, rng)
        for _, shape in self._objects():
            _paint(pixels, shape, _color(colors, rng))
        pixels += rng.random((*self.size, 1), np.float32) * NOISE - NOISE / 2
        return np.rint(pixels.clip(0, 255)).astype(np.uint8)

    def sample(self) -> Sample:
        """The scene with its objects."""
        objects = self._objects()
        boxes = np.array([shape.box for _, shape in objects], np.float32).reshape(-1, 4)
        class_ids = np.array([class_id for class_id, _ in objects], np.int32)
        keypoints = _keypoints([shape for _, shape in objects]) if FIGURE in self.class_names else None
        return Sample(self, boxes, class_ids, self.number, keypoints, size=self.size)

    def _rng(self, purpose: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, self.number, purpose))

    def _objects(self) -> list[tuple[int, Outline]]:
        """Class and outline in pixels of each object; later ones cover earlier ones."""
        rng = self._rng(0)
        objects: list[tuple[int, Outline]] = []
        for _ in range(rng.integers(self.objects[0], self.objects[1] + 1)):
            class_id = int(rng.integers(len(self.class_names)))
            for _ in range(MAX_TRIES):
                shape = self._placed(self.class_names[class_id], rng)
                if all(_overlap(shape, earlier) <= self.max_overlap for _, earlier in objects):
                    objects.append((class_id, shape))
                    break
        return objects

    def _placed(self, class_name: str, rng: np.random.Generator) -> Outline:
        """A shape at a random position inside the scene."""
        height, width = self.size
        radius = min(height, width) * float(np.exp(rng.uniform(*np.log(self.radius))))
        angles = (-MAX_LEAN, MAX_LEAN) if class_name == FIGURE else (0, 2 * np.pi)
        angle = 0.0 if class_name == "circle" else rng.uniform(*angles)
        shape = outline(class_name, rng).moved(np.zeros(2), radius, angle)
        return shape.moved(rng.uniform(-shape.box[:2], np.array([width, height]) - shape.box[2:]))


@dataclass(frozen=True, eq=False)
class Outline:
    """A shape."""

    polygons: tuple[np.ndarray, ...]  # corners x y of each part, float64 (n, 2)
    keypoints: np.ndarray  # x y, float64 (k, 2); k is 0 for shapes without keypoints

    @property
    def box(self) -> np.ndarray:
        """The box around it, float64 `(4,)`, `x0 y0 x1 y1`."""
        corners = np.concatenate(self.polygons)
        return np.concatenate([corners.min(axis=0), corners.max(axis=0)])

    def moved(self, center: np.ndarray, radius: float = 1.0, angle: float = 0.0) -> Outline:
        """The shape rotated about the origin (radians, clockwise as y points down), scaled, and moved to `x y`."""
        cosine, sine = radius * np.cos(angle), radius * np.sin(angle)
        turn = np.array([[cosine, sine], [-sine, cosine]])
        return Outline(tuple(part @ turn + center for part in self.polygons), self.keypoints @ turn + center)

    def contains(self, points: np.ndarray) -> np.ndarray:
        """Points `x y` `(n, 2)` inside the shape, bool `(n,)`."""
        return np.any([_inside(part, points) for part in self.polygons], axis=0)


def outline(class_name: str, rng: np.random.Generator) -> Outline:
    """The shape of a class within a circle of radius 1 (x to the right, y down); a figure gets a random pose."""
    return _figure(rng) if class_name == FIGURE else Outline((SHAPES[class_name],), np.zeros((0, 2)))


def _ring(count: int, radii: tuple[float, ...] = (1.0,), center: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """Corners at equal angles, the first one above the center, at alternating radii."""
    angle = np.arange(count) * (2 * np.pi / count)
    radius = np.resize(radii, count)
    return np.stack([radius * np.sin(angle), -radius * np.cos(angle)], axis=1) + center


SHAPES = {
    "circle": _ring(CIRCLE_CORNERS),
    "square": _ring(4),
    "triangle": _ring(3),
    "star": _ring(10, (1.0, STAR_INNER_RADIUS)),
}


def _figure(rng: np.random.Generator) -> Outline:
    """A stick figure with random limbs that don't cross."""
    left_arm, right_arm = rng.uniform(0.3, 2.6, 2)  # radians from straight down
    left_leg, right_leg = rng.uniform(0.2, 0.7, 2)
    starts = (SHOULDER, SHOULDER, HIP, HIP)
    lengths, angles = (ARM, ARM, LEG, LEG), (left_arm, -right_arm, left_leg, -right_leg)
    ends = [
        (x + length * float(np.sin(angle)), y + length * float(np.cos(angle)))
        for (x, y), length, angle in zip(starts, lengths, angles, strict=True)
    ]
    limbs = [_limb(start, end) for start, end in zip((HEAD, *starts), (HIP, *ends), strict=True)]
    discs = [_ring(CIRCLE_CORNERS, (HEAD_RADIUS,), HEAD), *(_ring(16, (END_RADIUS,), end) for end in ends)]
    return Outline((*discs, *limbs), np.array([HEAD, *ends]))


def _limb(start: tuple[float, float], end: tuple[float, float]) -> np.ndarray:
    along = np.subtract(end, start)
    across = np.array([-along[1], along[0]]) * (THICKNESS / 2 / np.hypot(*along))
    return np.array([start + across, end + across, end - across, start - across])


def _inside(polygon: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points from which a ray to the right crosses the polygon's edges an odd number of times."""
    (x0, y0), (x1, y1) = polygon.T[:, :, None], np.roll(polygon, -1, axis=0).T[:, :, None]
    x, y = points.T
    between = (y0 <= y) != (y1 <= y)
    crossing = x0 + (y - y0) * (x1 - x0) / np.where(y1 == y0, 1, y1 - y0)
    return np.asarray((between & (x < crossing)).sum(axis=0) % 2 == 1)


def _overlap(first: Outline, second: Outline) -> float:
    """Intersection of the boxes of two shapes, relative to the smaller one."""
    boxes = np.stack([first.box, second.box])
    return float(box_overlaps(boxes, boxes[::-1], of_first=True).diagonal().max())


def _keypoints(placed: Sequence[Outline]) -> np.ndarray:
    """Keypoints `x y visibility`, float32 `(n, k, 3)`; visibility 1 where a later object covers one."""
    keypoints = np.zeros((len(placed), len(FIGURE_KEYPOINTS.names), 3), np.float32)
    for number, shape in enumerate(placed):
        if len(shape.keypoints):
            covers = [later.contains(shape.keypoints) for later in placed[number + 1 :]]
            keypoints[number, :, :2] = shape.keypoints
            keypoints[number, :, 2] = np.where(np.any(covers, axis=0), 1, 2)
    return keypoints


def _background(size: tuple[int, int], colors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A gradient between two colors in a random direction, float32 `(height, width, 3)`."""
    direction = rng.uniform(0, 2 * np.pi)
    x, y = (np.linspace(-1, 1, side, dtype=np.float32) for side in size[::-1])
    along = x[None] * np.float32(np.cos(direction)) + y[:, None] * np.float32(np.sin(direction))
    part = (along / (2 * abs(along).max()) + 0.5)[..., None]
    first, second = colors.astype(np.float32)
    return first + part * (second - first)


def _color(background: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The first of several random colors with enough contrast to both background colors, or the best one."""
    colors = rng.uniform(0, 255, (MAX_TRIES, 3))
    distance = abs(colors[:, None] - background).max(axis=-1).min(axis=-1)
    enough = distance > MIN_CONTRAST
    return colors[np.argmax(enough if enough.any() else distance)]


def _paint(pixels: np.ndarray, shape: Outline, color: np.ndarray) -> None:
    """Paint a shape with smooth edges."""
    height, width, _ = pixels.shape
    x0, y0 = np.floor(shape.box[:2]).astype(int).clip(0)
    x1, y1 = np.minimum(np.ceil(shape.box[2:]).astype(int), (width, height))
    fine = Image.new("L", ((x1 - x0) * FINENESS, (y1 - y0) * FINENESS))
    draw = ImageDraw.Draw(fine)
    for part in shape.polygons:
        # Pillow's coordinates are those of pixel centers.
        corners = (part - (x0, y0)) * FINENESS - 0.5
        draw.polygon([(float(x), float(y)) for x, y in corners], fill=255)
    covered = np.asarray(fine.reduce(FINENESS), np.float32)[..., None] / 255
    area = pixels[y0:y1, x0:x1]
    area += covered * (color.astype(np.float32) - area)
