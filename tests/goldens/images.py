"""Images to detect in, made by arithmetic alone: gradients, rectangles, discs, stripes and noise."""

from __future__ import annotations

import numpy as np

RECTANGLES = 14
DISCS = 10
SMALL_SIZE = (100, 128)  # height and width of the image on the small canvas


def landscape() -> np.ndarray:
    return drawn(560, 640, seed=11)


def portrait() -> np.ndarray:
    return drawn(333, 214, seed=12)


def small_canvas() -> np.ndarray:
    """128×128; the image takes the upper 100 rows, the others are zero."""
    image = drawn(*SMALL_SIZE, seed=13)
    return np.pad(image, ((0, 128 - len(image)), (0, 0), (0, 0)))


def drawn(height: int, width: int, seed: int) -> np.ndarray:
    """A uint8 RGB image `(height, width, 3)`; the same on every machine."""
    rng = np.random.Generator(np.random.PCG64(seed))
    rows, columns = np.indices((height, width), dtype=np.float64)
    image = gradients(rows, columns)
    side = min(height, width)
    for _ in range(RECTANGLES):
        tall, wide = (int(side * (0.06 + 0.3 * rng.random())) for _ in range(2))
        top, left = int((height - tall) * rng.random()), int((width - wide) * rng.random())
        image[top : top + tall, left : left + wide] = np.floor(256 * rng.random(3))
    for _ in range(DISCS):
        radius = side * (0.03 + 0.1 * rng.random())
        y, x = height * rng.random(), width * rng.random()
        image[(rows - y) ** 2 + (columns - x) ** 2 < radius * radius] = np.floor(256 * rng.random(3))
    striped = (columns > 0.7 * width) & (rows > 0.6 * height) & ((columns + 2 * rows) % 16 < 8)
    image[striped] = 255 - image[striped]
    noisy = image[: height // 3, : width // 3]
    noisy += np.floor(31 * rng.random(noisy.shape)) - 15
    return np.clip(np.floor(image), 0, 255).astype(np.uint8)


def gradients(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    height, width = rows.shape
    red = 40 + 150 * columns / (width - 1)
    green = 200 - 140 * rows / (height - 1)
    blue = 60 + 120 * ((columns / width + rows / height) % 0.5)
    return np.stack([red, green, blue], axis=-1)
