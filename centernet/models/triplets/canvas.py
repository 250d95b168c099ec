"""On which canvas a pass over an image sees it (NumPy)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from centernet.errors import ConfigError
from centernet.models.test_time import check_canvas
from centernet.models.triplets.geometry import Frame
from centernet.ops.constants import STRIDE
from centernet.ops.preprocessing import Preprocessing
from centernet.ops.resize import resize_like_opencv


@dataclass(frozen=True)
class Canvas:
    """Where an image lies on the network's input; pairs are height, width, in pixels.

    Attributes:
        scale: What the size of the image that a plain `detect` sees is multiplied by.
        image_size: Size of the original image.
        new_size: Size of the scaled image.
        size: Size of the canvas.
        border: Rows above and columns left of the image.
        factor: Pixels of the canvas to one of the original image, along both axes.
    """

    scale: float
    image_size: tuple[int, int]
    new_size: tuple[int, int]
    size: tuple[int, int]
    border: tuple[int, int]
    factor: tuple[float, float]

    @property
    def output_size(self) -> tuple[int, int]:
        """Height and width of the output grid, in cells."""
        return -(-self.size[0] // STRIDE), -(-self.size[1] // STRIDE)

    @property
    def frame(self) -> Frame:
        """What output cells are in the image; float32 arrays `(2,)`."""
        ratio = np.divide(self.output_size, self.size)
        pairs = (ratio, self.border, self.new_size, self.factor)
        return Frame(*(np.array(pair[::-1], np.float32) for pair in pairs))


def fit_canvas(preprocessing: Preprocessing, image_size: tuple[int, int], scale: float = 1.0) -> Canvas:
    """The canvas of a pass.

    With `fit="original"` the image itself is scaled and its canvas follows; positions are divided by the scale asked
    for, as in the reference, and not by the one that rounding made. With `fit="canvas"` the canvas was scaled (see
    `Preprocessing.scaled`), and the image is fitted to it.

    Args:
        preprocessing: That of the pass.
        image_size: Height and width in pixels.
        scale: What both are multiplied by with `fit="original"` (rounded down, but to no less than 1).

    Returns:
        The canvas.

    Raises:
        ConfigError: If the size or the scale is not positive, or the canvas too large.
    """
    from keras import ops

    if min(image_size) < 1 or not 0 < scale < np.inf:
        raise ConfigError(f"Expected a positive image size and scale. Received: size={image_size}, scale={scale}")
    original = preprocessing.fit == "original"
    seen = [[max(int(side * scale), 1) if original else side for side in image_size]]
    check_canvas(scale, preprocessing.canvas(np.array(seen, object)))
    size = preprocessing.canvas(np.array(seen))
    placed = preprocessing.place(ops.convert_to_tensor(np.array(seen, np.int32)), size)
    (height, width), (top, left) = (ops.convert_to_numpy(value)[0].tolist() for value in placed)
    factor = (scale, scale) if original else (height / image_size[0], width / image_size[1])
    return Canvas(scale, image_size, (height, width), size, (top, left), factor)


def scale_image(image: np.ndarray, canvas: Canvas, *, exact: bool = False) -> np.ndarray:
    """The image of a pass, as the preprocessing with `fit="original"` takes it.

    Where a side is 128 m - 1 already, the reference loses the last row (column), because it copies half a canvas to
    either side of the image's middle, and half of 127 is 63. The border is then 0, lost or not, so cutting the row off
    leaves everything where it is.

    Args:
        image: uint8 `(height, width, channels)`.
        canvas: From `fit_canvas` of its size.
        exact: Lose what the reference loses.

    Returns:
        uint8 `(*canvas.new_size, channels)`, or what is left of it.
    """
    scaled = resize_like_opencv(image, canvas.new_size)
    rows, columns = (side - (exact and side == full) for side, full in zip(canvas.new_size, canvas.size, strict=True))
    return scaled[:rows, :columns]
