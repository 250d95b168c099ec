"""Test-time augmentation: several passes over an image and over its tiles, merged by soft-NMS."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from centernet.errors import ConfigError
from centernet.files.validation import check_types, dataclass_from
from centernet.ops.nms import SuppressionSettings

LARGEST_CANVAS = 2**26  # pixels, 8192×8192
VOTING_EXPONENT = 10.0  # of the reference of Keypoint Triplets
TILE_SIDES = (32, 2**15)  # pixels, smallest and largest
MOST_OVERLAP = 0.9


@dataclass(frozen=True)
class TestTime:
    """The passes over one image.

    Attributes:
        flip: Whether each scale has a mirrored pass as well.
        scales: Factors of the image size of a plain `detect`, one scale per pass.
        suppression: Soft-NMS of overlapping boxes.
        vote: Whether boxes are averaged with the boxes that they suppress (box voting), with the suppression's
            `voting_exponent` or, if that is None, the reference's 10. None: if the suppression has an exponent, and as
            published: Keypoint Triplets with several scales vote, Objects as Points don't. Of tiles: only if True, or
            if the suppression has an exponent.
        tiles: Height and width in pixels of tiles that an image is cut into, for photos with objects that are small on
            the network's input. Each tile is detected like an image of its own, in the passes above; a model that has
            no passes of its own runs `flip=False, scales=(1.0,)` as plain `detect` does. An image that is not larger
            than a tile is detected whole, as without tiles. None: no tiles.
        overlap: Least overlap of neighboring tiles, relative to their size, 0–0.9. Objects up to this size are whole in
            at least one tile.
        whole: Whether the whole image is detected as well, for objects larger than the overlap. None: yes, unless the
            model sees images at their own size (`fit="original"`), where it would need the memory that tiles save.
    """

    __test__ = False  # not a test, despite its name

    flip: bool = False
    scales: tuple[float, ...] = (1.0,)
    suppression: SuppressionSettings = field(default_factory=SuppressionSettings)
    vote: bool | None = None
    tiles: tuple[int, int] | None = None
    overlap: float = 0.2
    whole: bool | None = None

    def __post_init__(self) -> None:
        """Check the values and make the sequence a tuple."""
        if isinstance(self.suppression, dict):
            object.__setattr__(
                self, "suppression", dataclass_from(SuppressionSettings, self.suppression, "suppression")
            )
        check_types(self)
        object.__setattr__(self, "scales", tuple(float(scale) for scale in self.scales))
        if not self.scales or min(self.scales) <= 0:
            raise ConfigError(f"Expected at least one scale, all above 0. Received: scales={self.scales}")
        if not 0 <= self.overlap <= MOST_OVERLAP:
            raise ConfigError(f"Expected an overlap of 0–{MOST_OVERLAP} of tiles. Received: overlap={self.overlap}")
        if self.tiles is not None:
            object.__setattr__(self, "tiles", tuple(int(side) for side in self.tiles))
            least, most = TILE_SIDES
            if not least <= min(self.tiles) <= max(self.tiles) <= most:
                raise ConfigError(f"Expected tiles of {least}–{most} pixels a side. Received: tiles={self.tiles}")

    @property
    def passes(self) -> TestTime:
        """The passes over one tile: the same without tiles."""
        return replace(self, tiles=None, overlap=TestTime.overlap, whole=None)

    @property
    def is_single(self) -> bool:
        """Whether an image, or a tile, has one pass."""
        return not self.flip and self.scales == (1.0,)

    def joining(self, *, vote: bool) -> SuppressionSettings:
        """The suppression with or without voting; `vote` is the choice of the published model."""
        exponent = self.suppression.voting_exponent
        wanted = vote or exponent is not None if self.vote is None else self.vote
        return replace(self.suppression, voting_exponent=(exponent or VOTING_EXPONENT) if wanted else None)


def check_canvas(scale: float, canvas: tuple[int, int]) -> None:
    """Refuse an input that would take hours and too much memory.

    Args:
        scale: Scale of the pass.
        canvas: Height and width of the network's input in pixels.

    Raises:
        ConfigError: If it is larger than `LARGEST_CANVAS`.
    """
    if canvas[0] * canvas[1] > LARGEST_CANVAS:
        raise ConfigError(
            f"Expected scales at which the network's input has at most {LARGEST_CANVAS} pixels. Received: scale "
            f"{scale:g}, an input of {canvas[0]}×{canvas[1]} pixels. Choose a smaller one."
        )
