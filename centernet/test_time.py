"""Test-time augmentation: several passes over an image, and what joins their detections."""

from __future__ import annotations

from dataclasses import dataclass, field

from centernet.errors import ConfigError
from centernet.fields import check_fields, read_fields
from centernet.ops.suppression import SuppressionSettings


@dataclass(frozen=True)
class TestTime:
    """The passes over one image.

    Attributes:
        flip: Whether each scale is looked at mirrored, too.
        scales: What the image's size is multiplied by, one scale after the other.
        suppression: How boxes of the passes that overlap lose score (soft-NMS).
    """

    __test__ = False  # not a test, whatever its name

    flip: bool = False
    scales: tuple[float, ...] = (1.0,)
    suppression: SuppressionSettings = field(default_factory=SuppressionSettings)

    def __post_init__(self) -> None:
        """Check the values and make the sequence a tuple."""
        if isinstance(self.suppression, dict):
            object.__setattr__(self, "suppression", read_fields(SuppressionSettings, self.suppression, "suppression"))
        check_fields(self)
        object.__setattr__(self, "scales", tuple(float(scale) for scale in self.scales))
        if not self.scales or min(self.scales) <= 0:
            raise ConfigError(f"Expected at least one scale, all above 0. Received: scales={self.scales}")
