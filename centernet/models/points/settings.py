"""What describes an Objects as Points detector beside its backbone (plain data, no Keras)."""

from __future__ import annotations

from dataclasses import dataclass

from centernet.errors import ConfigError
from centernet.files.validation import check_types
from centernet.models.heads import HeadSettings
from centernet.models.points.rules import RULES
from centernet.ops.preprocessing import KEYPOINT_BOX_SCALE, MAX_DETECTIONS

__all__ = ["DecoderSettings", "HeadSettings", "TargetSettings"]

MASK_RULES = ("2020-07", "2021-07")


@dataclass(frozen=True)
class DecoderSettings:
    """How head maps become detections.

    Attributes:
        max_detections: Number of boxes that are read from a heatmap.
        rules: Key of `RULES`.
        candidates: Peaks of a keypoint heatmap that are considered for each keypoint type.
        candidate_min_score: A peak below it is no candidate.
        unmatched_score: Score of a keypoint that found no candidate and stays at its regressed position.
        box_scale: A candidate must lie inside the object's box scaled by this about its center.
        search_scale: A candidate must be nearer to the regressed position than this times the longer side
            of the scaled box.
    """

    max_detections: int = MAX_DETECTIONS
    rules: str = "2021-07"
    candidates: int = 100
    candidate_min_score: float = 0.1
    unmatched_score: float = 0.1
    box_scale: float = KEYPOINT_BOX_SCALE
    search_scale: float = 0.3

    def __post_init__(self) -> None:
        """Check the name of the rules and the counts."""
        check_types(self)
        if self.rules not in RULES:
            raise ConfigError(f"Expected decoder rules of {sorted(RULES)}. Received: rules={self.rules!r}")
        if self.max_detections < 1 or self.candidates < 1:
            raise ConfigError(
                "Expected max_detections and candidates of at least 1. Received: "
                f"max_detections={self.max_detections}, candidates={self.candidates}"
            )


@dataclass(frozen=True)
class TargetSettings:
    """What a detector learns from boxes and keypoints; the published models' by default.

    Attributes:
        min_overlap: See `gaussian_radius`.
        object_radius: Cells around an object's center that are asked for its size and offset lie within this many
            cells: 0 for the one that the center is in, as published. With 1 a peak that is a cell off is no box that
            is a cell off.
        keypoint_radius: Cells around a keypoint that are asked for its offset, and around an object's center that
            are asked for its keypoints, lie within this many cells.
        keypoint_mask: Where keypoint heatmaps don't count, since there may be keypoints that nobody labeled. Under
            the rule of "2020-07", which the published models were trained with: boxes of the class with keypoints
            that have none (there, a box that ends on a cell's index also covers that cell; here, as later, it
            doesn't). Under that of "2021-07", for each keypoint: all boxes without it, those of other classes
            included.
    """

    min_overlap: float = 0.7
    object_radius: int = 0
    keypoint_radius: int = 3
    keypoint_mask: str = "2020-07"

    def __post_init__(self) -> None:
        """Check the numbers and the name of the rule."""
        check_types(self)
        if not 0 < self.min_overlap < 1 or min(self.object_radius, self.keypoint_radius) < 0:
            raise ConfigError(
                "Expected a min_overlap between 0 and 1, and an object_radius and a keypoint_radius of at least 0. "
                f"Received: {self.min_overlap}, {self.object_radius}, {self.keypoint_radius}"
            )
        if self.keypoint_mask not in MASK_RULES:
            raise ConfigError(
                f"Expected a keypoint_mask of {MASK_RULES}. Received: keypoint_mask={self.keypoint_mask!r}"
            )
