"""How photos are changed in training (plain data, no Keras)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from centernet.errors import ConfigError
from centernet.files.validation import check_types

PROBABILITIES = ("horizontal_flip", "vertical_flip", "transpose", "mosaic", "mixup")
FACTORS = ("crop", "contrast", "saturation")
LARGEST = {"shift": 0.5, "brightness": 1.0, "hue": 0.5}


@dataclass(frozen=True)
class AugmentationSettings:
    """How photos are changed in training; nothing is by default.

    What the published models of the highest resolution were trained with is `horizontal_flip` 0.5, `crop` 0.6–1.3,
    `shift` 0.3, `brightness` 0.2, `contrast` and `saturation` 0.8–1.25, `hue` 0.02. Each photo is changed in its own
    way; numbers are drawn evenly from their range.

    Attributes:
        horizontal_flip: Probability that left and right are exchanged.
        vertical_flip: Probability that top and bottom are.
        transpose: Probability that rows and columns of the canvas are exchanged, which must be square. With both flips,
            photos that have no top (of microscopes, from the air) are seen in all eight ways.
        crop: Least and greatest side of the window that is cut from a photo, as a part of that of the smallest canvas
            (a square, for a square input) that holds the photo: objects look twice as large at 0.5, and 1.3 leaves
            a border. The window then lies about the middle of the photo (not at its top left, as it does with `crop`
            at 1 and `shift` at 0). The reference draws one of eight evenly spaced values.
        shift: Farthest that the window's center is from the photo's, as a part of the photo's height and width.
            (In the reference it stays 128 pixels of the original from the border: 0.3 for 640 pixels.)
        brightness: Most that is added to all values or taken from them, as a part of 255.
        contrast: Least and greatest factor of the difference to the photo's mean of each channel.
        saturation: Least and greatest factor of the saturation (HSV).
        hue: Farthest that the hue is turned, as a part of a full turn.
        mosaic: Probability that a canvas is made of windows of four photos of the batch, which lie anywhere in them.
        mixup: Probability that another canvas of the batch shows through it.
        cut_objects: What a box becomes whose center is no longer on the canvas, but part of it is: `"drop"`: nothing
            (class id -1), `"ignore"`: an ignored box, neither asked for nor wrong, `"keep"`: an object, as in
            the reference.
    """

    horizontal_flip: float = 0.0
    vertical_flip: float = 0.0
    transpose: float = 0.0
    crop: tuple[float, float] = (1.0, 1.0)
    shift: float = 0.0
    brightness: float = 0.0
    contrast: tuple[float, float] = (1.0, 1.0)
    saturation: tuple[float, float] = (1.0, 1.0)
    hue: float = 0.0
    mosaic: float = 0.0
    mixup: float = 0.0
    cut_objects: Literal["drop", "ignore", "keep"] = "drop"

    def __post_init__(self) -> None:
        """Check the ranges and make the sequences tuples."""
        check_types(self)
        for name in FACTORS:
            low, high = pair = tuple(float(value) for value in getattr(self, name))
            object.__setattr__(self, name, pair)
            if not 0 < low <= high:
                raise ConfigError(f"Expected {name} as two factors above 0, the smaller one first. Received: {pair}")
        for name, largest in (dict.fromkeys(PROBABILITIES, 1.0) | LARGEST).items():
            if not 0 <= getattr(self, name) <= largest:
                raise ConfigError(f"Expected {name} from 0 to {largest:g}. Received: {getattr(self, name)!r}")

    @property
    def moves(self) -> bool:
        """Whether windows are drawn, instead of the whole photo."""
        return self.crop != (1.0, 1.0) or self.shift > 0

    @property
    def mirrors(self) -> bool:
        """Whether photos may be mirrored."""
        return max(self.horizontal_flip, self.vertical_flip, self.transpose) > 0

    @property
    def turns_colors(self) -> bool:
        """Whether hue or saturation may change."""
        return self.hue > 0 or self.saturation != (1.0, 1.0)

    @property
    def scales_colors(self) -> bool:
        """Whether contrast or brightness may change."""
        return self.brightness > 0 or self.contrast != (1.0, 1.0)
