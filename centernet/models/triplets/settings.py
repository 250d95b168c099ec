"""Settings of Keypoint Triplets: heads, decoder, training targets (plain data, no Keras)."""

from __future__ import annotations

from dataclasses import dataclass

from centernet.errors import ConfigError
from centernet.files.validation import check_types
from centernet.models.heads import HeadSettings
from centernet.ops.constants import MAX_DETECTIONS


@dataclass(frozen=True)
class TripletHeadSettings(HeadSettings):
    """Shape of the pooling modules and of the heads behind them.

    Attributes:
        filters: Channels of the hidden convolution of every head.
        kernel_size: Side of its kernel.
        separable: Whether it is depthwise separable.
        pooling_filters: Output channels of a pooling module.
        pooling_inner_filters: Channels of its pooling branches.
    """

    pooling_filters: int = 256
    pooling_inner_filters: int = 128

    def __post_init__(self) -> None:
        """Check that the numbers can describe convolutions."""
        super().__post_init__()
        if self.pooling_filters < 1 or self.pooling_inner_filters < 1:
            raise ConfigError(
                "Expected pooling modules with at least one filter. Received: "
                f"pooling_filters={self.pooling_filters}, pooling_inner_filters={self.pooling_inner_filters}"
            )


@dataclass(frozen=True)
class TripletDecoderSettings:
    """How head maps become detections (Duan 2019, section 3.1).

    Attributes:
        max_detections: Maximum number of boxes.
        keypoints: Peaks read from each heatmap (top-left corners, bottom-right corners, centers).
        max_pairs: Pairs of corners that are considered; at most `keypoints` squared.
        embedding_threshold: Maximum difference of the embeddings of a pair.
        large_area: Boxes above this area (square pixels of the original image) have a central region of a fifth of
            each side, smaller ones of a third.
    """

    max_detections: int = MAX_DETECTIONS
    keypoints: int = 70
    max_pairs: int = 1000
    embedding_threshold: float = 0.5
    large_area: float = 22500.0

    def __post_init__(self) -> None:
        """Check the counts."""
        check_types(self)
        if min(self.max_detections, self.keypoints, self.max_pairs) < 1:
            raise ConfigError(f"Expected counts of at least 1 in the decoder. Received: {self}")
        if self.max_pairs > self.keypoints**2 or self.max_detections > self.max_pairs:
            raise ConfigError(
                f"Expected max_detections ≤ max_pairs ≤ keypoints² ({self.keypoints**2}). Received: "
                f"max_detections={self.max_detections}, max_pairs={self.max_pairs}, keypoints={self.keypoints}"
            )


@dataclass(frozen=True)
class TargetSettings:
    """Training targets of boxes; by default those of the published models.

    Attributes:
        min_overlap: See `gaussian_radius`.
        offset_radius: Cells within this radius of a keypoint also regress its offset. 0, as published: only its own
            cell. With 1, a peak that is one cell off still gives the right corner.
    """

    min_overlap: float = 0.7
    offset_radius: int = 0

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_types(self)
        if not 0 < self.min_overlap < 1 or self.offset_radius < 0:
            raise ConfigError(
                "Expected a min_overlap between 0 and 1 and an offset_radius of at least 0. Received: "
                f"{self.min_overlap} and {self.offset_radius}"
            )
