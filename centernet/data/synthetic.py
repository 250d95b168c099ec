"""Rendered scenes of shapes, with boxes, classes and keypoints: for tests, tutorials and benchmarks.

from centernet.data import synthetic

train = synthetic.shapes(1000, (240, 320), seed=1)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from centernet.data.dataset import Dataset
from centernet.data.outlines import FIGURE, FIGURE_KEYPOINTS, ROUND, SHAPES, Outline, outline
from centernet.data.sample import Sample
from centernet.errors import ConfigError

FINENESS = 4  # subpixels along a side of a pixel, for smooth edges
TRIES = 30  # for an object to find room, and for a color that stands out
CONTRAST = 90  # grey levels between an object and either color of the background, in one channel at least
NOISE = 12.0  # grey levels between the darkest and the lightest noise, about
LEAN = 0.3  # radians that a figure leans at most


def shapes(
    count: int,
    size: tuple[int, int] = (240, 320),
    *,
    seed: int = 0,
    min_objects: int = 1,
    max_objects: int = 6,
    keypoints: bool = False,
    classes: Sequence[str] = tuple(SHAPES),
    radius: tuple[float, float] = (0.08, 0.22),
    max_overlap: float = 0.1,
) -> Dataset:
    """Scenes with some shapes of random places, sizes, colors and turns, before a noisy gradient.

    A scene is rendered when its image is read, the same each time. Its boxes go round the whole shape, of which others
    may cover a little.

    Args:
        count: Number of scenes.
        size: Height and width in pixels.
        seed: Scenes of another seed are other scenes.
        min_objects: Objects that a scene has at least, if they find room.
        max_objects: Objects that a scene has at most.
        keypoints: Whether there is also the class `figure`, a stick figure whose head, hands and feet are keypoints.
        classes: Shapes that there are, of `circle`, `square`, `triangle` and `star`.
        radius: Smallest and largest radius of the circle around a shape, as a part of the scene's shorter side.
        max_overlap: What two boxes have in common at most, as a part of the smaller one.

    Returns:
        The dataset; `image_id` is the number of the scene.

    Raises:
        ConfigError: If a number is out of range, or there is no such class.
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
    recipe = Recipe(size, seed, (min_objects, max_objects), names, radius, max_overlap)
    return Dataset(
        tuple(Scene(recipe, number).sample() for number in range(count)),
        names,
        keypoints=FIGURE_KEYPOINTS if keypoints else None,
        name=f"shapes(seed={seed})",
        format="synthetic",
    )


@dataclass(frozen=True)
class Recipe:
    """What the scenes of a dataset have in common; see `shapes`."""

    size: tuple[int, int]
    seed: int
    objects: tuple[int, int]
    class_names: tuple[str, ...]
    radius: tuple[float, float]
    max_overlap: float


@dataclass(frozen=True)
class Scene:
    """One scene; calling it renders it.

    Attributes:
        recipe: What it has in common with the others.
        number: Which one it is.
    """

    recipe: Recipe
    number: int

    def __call__(self) -> np.ndarray:
        """The image, uint8 RGB `(height, width, 3)`."""
        rng = self._rng(1)
        corners = rng.uniform(40, 215, (2, 3))
        pixels = _background(self.recipe.size, corners, rng)
        for _, placed in self._objects():
            _paint(pixels, placed, _color(corners, rng))
        pixels += rng.random((*self.recipe.size, 1), np.float32) * NOISE - NOISE / 2
        return np.rint(pixels.clip(0, 255)).astype(np.uint8)

    def sample(self) -> Sample:
        """The scene with its objects; the image is rendered when it is read."""
        objects = self._objects()
        boxes = np.array([placed.box for _, placed in objects], np.float32).reshape(-1, 4)
        class_ids = np.array([class_id for class_id, _ in objects], np.int32)
        keypoints = self._keypoints([placed for _, placed in objects]) if FIGURE in self.recipe.class_names else None
        return Sample(self, boxes, class_ids, self.number, keypoints, size=self.recipe.size)

    def _rng(self, purpose: int) -> np.random.Generator:
        return np.random.default_rng((self.recipe.seed, self.number, purpose))

    def _objects(self) -> list[tuple[int, Outline]]:
        """Class and outline of each object, in pixels; later ones cover earlier ones."""
        rng, recipe = self._rng(0), self.recipe
        objects: list[tuple[int, Outline]] = []
        for _ in range(rng.integers(recipe.objects[0], recipe.objects[1] + 1)):
            class_id = int(rng.integers(len(recipe.class_names)))
            for _ in range(TRIES):
                placed = _placed(recipe, recipe.class_names[class_id], rng)
                if all(_overlap(placed.box, other.box) <= recipe.max_overlap for _, other in objects):
                    objects.append((class_id, placed))
                    break
        return objects

    @staticmethod
    def _keypoints(placed: Sequence[Outline]) -> np.ndarray:
        """Keypoints `x y visibility`, float32 `(n, k, 3)`; 1 where a later object covers one."""
        keypoints = np.zeros((len(placed), len(FIGURE_KEYPOINTS.names), 3), np.float32)
        for number, shape in enumerate(placed):
            if len(shape.keypoints):
                covers = [later.contains(shape.keypoints) for later in placed[number + 1 :]]
                keypoints[number, :, :2] = shape.keypoints
                keypoints[number, :, 2] = np.where(np.any(covers, axis=0), 1, 2)
        return keypoints


def _placed(recipe: Recipe, class_name: str, rng: np.random.Generator) -> Outline:
    """A shape somewhere in the scene, wholly inside."""
    height, width = recipe.size
    radius = min(height, width) * float(np.exp(rng.uniform(*np.log(recipe.radius))))
    turn = (
        0.0 if class_name in ROUND else rng.uniform(-LEAN, LEAN) if class_name == FIGURE else rng.uniform(0, 2 * np.pi)
    )
    shape = outline(class_name, rng).moved(np.zeros(2), radius, turn)
    box = shape.box
    return shape.moved(rng.uniform(-box[:2], np.array([width, height]) - box[2:]))


def _overlap(first: np.ndarray, second: np.ndarray) -> float:
    """What two boxes have in common, as a part of the smaller one."""
    sides = np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2])
    smaller = min((box[2:] - box[:2]).prod() for box in (first, second))
    return float(sides.clip(0).prod() / smaller)


def _background(size: tuple[int, int], colors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A gradient from one color to another in some direction, float32 `(height, width, 3)`."""
    direction = rng.uniform(0, 2 * np.pi)
    x, y = (np.linspace(-1, 1, side, dtype=np.float32) for side in size[::-1])
    along = x[None] * np.float32(np.cos(direction)) + y[:, None] * np.float32(np.sin(direction))
    part = (along / (2 * abs(along).max()) + 0.5)[..., None]
    first, second = colors.astype(np.float32)
    return first + part * (second - first)


def _color(background: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A color that stands out from both of the background, or the one of all tried that does most."""
    colors = rng.uniform(0, 255, (TRIES, 3))
    distance = abs(colors[:, None] - background).max(axis=-1).min(axis=-1)
    return colors[np.argmax(distance > CONTRAST) if (distance > CONTRAST).any() else np.argmax(distance)]


def _paint(pixels: np.ndarray, shape: Outline, color: np.ndarray) -> None:
    """Paint a shape, with smooth edges."""
    height, width, _ = pixels.shape
    x0, y0 = np.floor(shape.box[:2]).astype(int).clip(0)
    x1, y1 = np.minimum(np.ceil(shape.box[2:]).astype(int), (width, height))
    fine = Image.new("L", ((x1 - x0) * FINENESS, (y1 - y0) * FINENESS))
    draw = ImageDraw.Draw(fine)
    for part in shape.polygons:
        # Pillow's positions are those of the pixels' centers.
        corners = (part - (x0, y0)) * FINENESS - 0.5
        draw.polygon([(float(x), float(y)) for x, y in corners], fill=255)
    covered = np.asarray(fine.reduce(FINENESS), np.float32)[..., None] / 255
    area = pixels[y0:y1, x0:x1]
    area += covered * (color.astype(np.float32) - area)
