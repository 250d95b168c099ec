"""Outlines of the shapes in rendered scenes, each within a circle of radius 1 (x to the right, y down)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from centernet.data.keypoints import KeypointTask

FIGURE = "figure"
# A figure looks at the viewer, so its left is the right of the image.
FIGURE_KEYPOINTS = KeypointTask(
    FIGURE,
    ("head", "left_hand", "right_hand", "left_foot", "right_foot"),
    skeleton=((0, 1), (0, 2), (0, 3), (0, 4)),
    flip=(0, 2, 1, 4, 3),
    deviations=(0.5,) * 5,  # five times as far as an eye may be off, half as far as a hip
)
CIRCLE_CORNERS = 64
INNER_RADIUS = 0.45  # of a star
HEAD, HEAD_RADIUS = (0.0, -0.72), 0.24
SHOULDER, HIP = (0.0, -0.4), (0.0, 0.2)
ARM, LEG, THICKNESS = 0.6, 0.72, 0.16
END_RADIUS = 0.12  # of hands and feet


@dataclass(frozen=True, eq=False)
class Outline:
    """A shape.

    Attributes:
        polygons: Corners of the parts that it is made of, each float64 `(n, 2)`, `x y`.
        keypoints: Keypoints, float64 `(k, 2)`, `x y`; `k` is 0 for shapes that have none.
    """

    polygons: tuple[np.ndarray, ...]
    keypoints: np.ndarray

    @property
    def box(self) -> np.ndarray:
        """The box around it, float64 `(4,)`, `x0 y0 x1 y1`."""
        corners = np.concatenate(self.polygons)
        return np.concatenate([corners.min(axis=0), corners.max(axis=0)])

    def moved(self, center: np.ndarray, radius: float = 1.0, angle: float = 0.0) -> Outline:
        """The shape turned about the origin, then scaled, then moved.

        Args:
            center: Where the origin comes to lie, `x y`.
            radius: What the shape is multiplied by.
            angle: Radians, clockwise as y points down.
        """
        cosine, sine = radius * np.cos(angle), radius * np.sin(angle)
        turn = np.array([[cosine, sine], [-sine, cosine]])
        return Outline(tuple(part @ turn + center for part in self.polygons), self.keypoints @ turn + center)

    def contains(self, points: np.ndarray) -> np.ndarray:
        """Which points lie in it, bool `(n,)`.

        Args:
            points: `x y`, `(n, 2)`.
        """
        inside = [_inside(part, points) for part in self.polygons]
        return np.any(inside, axis=0)


def outline(class_name: str, rng: np.random.Generator) -> Outline:
    """The shape of a class.

    Args:
        class_name: A key of `SHAPES`, or `FIGURE`.
        rng: What the pose of a figure is drawn from.
    """
    if class_name == FIGURE:
        return _figure(rng)
    return Outline((SHAPES[class_name],), np.zeros((0, 2)))


def _ring(count: int, radii: tuple[float, ...] = (1.0,), center: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """Corners at equal angles, the first above the center, at radii that repeat."""
    angle = np.arange(count) * (2 * np.pi / count)
    radius = np.resize(radii, count)
    return np.stack([radius * np.sin(angle), -radius * np.cos(angle)], axis=1) + center


SHAPES = {
    "circle": _ring(CIRCLE_CORNERS),
    "square": _ring(4),
    "triangle": _ring(3),
    "star": _ring(10, (1.0, INNER_RADIUS)),
}
ROUND = ("circle",)  # looks the same however it is turned


def _figure(rng: np.random.Generator) -> Outline:
    """A stick figure; each limb points to its own side."""
    left_arm, right_arm = rng.uniform(0.3, 2.6, 2)  # radians from straight down
    left_leg, right_leg = rng.uniform(0.2, 0.7, 2)
    ends = [
        _end(SHOULDER, ARM, left_arm),
        _end(SHOULDER, ARM, -right_arm),
        _end(HIP, LEG, left_leg),
        _end(HIP, LEG, -right_leg),
    ]
    limbs = [_limb(start, end) for start, end in zip((SHOULDER, SHOULDER, HIP, HIP), ends, strict=True)]
    discs = [_ring(CIRCLE_CORNERS, (HEAD_RADIUS,), HEAD), *(_ring(16, (END_RADIUS,), end) for end in ends)]
    return Outline((*discs, _limb(HEAD, HIP), *limbs), np.array([HEAD, *ends]))


def _end(start: tuple[float, float], length: float, angle: float) -> tuple[float, float]:
    return start[0] + length * float(np.sin(angle)), start[1] + length * float(np.cos(angle))


def _limb(start: tuple[float, float], end: tuple[float, float]) -> np.ndarray:
    along = np.subtract(end, start)
    across = np.array([-along[1], along[0]]) * (THICKNESS / 2 / np.hypot(*along))
    return np.array([start + across, end + across, end - across, start - across])


def _inside(polygon: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Which points a ray to the right from crosses the polygon's edges an odd number of times."""
    (x0, y0), (x1, y1) = polygon.T[:, :, None], np.roll(polygon, -1, axis=0).T[:, :, None]
    x, y = points.T
    between = (y0 <= y) != (y1 <= y)
    crossing = x0 + (y - y0) * (x1 - x0) / np.where(y1 == y0, 1, y1 - y0)
    return np.asarray((between & (x < crossing)).sum(axis=0) % 2 == 1)
