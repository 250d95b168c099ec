"""Settings of both families: heads, decoder and its rules, training targets (plain data, no Keras)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from centernet.errors import ConfigError
from centernet.files.validation import check_at_most, check_types
from centernet.ops.constants import EXACT_PEAK, KEYPOINT_BOX_SCALE, MAX_DETECTIONS, PEAK_TOLERANCE

MAX_FILTERS, MAX_KERNEL = 16_384, 99
MAX_CELLS = 2**24  # of an output map: 4096×4096
MASK_RULES = ("2020-07", "2021-07")


@dataclass(frozen=True)
class HeadSettings:
    """Shape of every head: one hidden convolution, ReLU, and a 1×1 convolution.

    Attributes:
        filters: Channels of the hidden convolution.
        kernel_size: Side of its kernel.
        separable: Whether it is depthwise separable.
    """

    filters: int = 256
    kernel_size: int = 3
    separable: bool = False

    def __post_init__(self) -> None:
        """Check that the numbers can describe a convolution."""
        check_types(self)
        check_at_most("heads", MAX_FILTERS, filters=self.filters)
        check_at_most("heads", MAX_KERNEL, kernel_size=self.kernel_size)
        if self.filters < 1 or self.kernel_size < 1 or self.kernel_size % 2 == 0:
            raise ConfigError(
                "Expected heads with at least one filter and an odd kernel size. "
                f"Received: filters={self.filters}, kernel_size={self.kernel_size}"
            )


class PointHeadSettings(HeadSettings):
    """Shape of the heads of Objects as Points; see `HeadSettings`."""


@dataclass(frozen=True)
class PointDecoderSettings:
    """How head maps become detections.

    Attributes:
        max_detections: Number of boxes read from a heatmap.
        rules: Key of `RULES`.
        candidates: Peaks considered in each keypoint heatmap.
        candidate_min_score: Minimum score of a candidate.
        unmatched_score: Score of a keypoint without a candidate, which stays at its regressed position.
        box_scale: A candidate must lie inside the object's box scaled by this about its center.
        search_scale: Maximum distance of a candidate from the regressed position, as a fraction of the longer side
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
        check_at_most("decoder", MAX_CELLS, max_detections=self.max_detections, candidates=self.candidates)
        if self.rules not in RULES:
            raise ConfigError(f"Expected decoder rules of {sorted(RULES)}. Received: rules={self.rules!r}")
        if self.max_detections < 1 or self.candidates < 1:
            raise ConfigError(
                "Expected max_detections and candidates of at least 1. Received: "
                f"max_detections={self.max_detections}, candidates={self.candidates}"
            )


@dataclass(frozen=True)
class PointTargetSettings:
    """Training targets of boxes and keypoints; by default those of the published models.

    Attributes:
        min_overlap: See `gaussian_radius`.
        object_radius: Cells within this radius of an object's center also regress its size and offset. 0, as published:
            only the center's cell. With 1, a peak that is one cell off still gives the right box.
        keypoint_radius: Cells within this radius of a keypoint regress its offset, and cells within this radius of
            an object's center regress its keypoints.
        keypoint_mask: Areas where keypoint heatmaps don't count, because they may have unlabeled keypoints.
            "2020-07", the rule of the published models: boxes of the class with keypoints that have none labeled (in
            that version a box that ends on a cell's index also covers that cell; here it doesn't). "2021-07": for
            each keypoint, all boxes without it, of any class.
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
        filters = {"pooling_filters": self.pooling_filters, "pooling_inner_filters": self.pooling_inner_filters}
        check_at_most("pooling modules", MAX_FILTERS, **filters)
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
        counts = {"max_detections": self.max_detections, "keypoints": self.keypoints, "max_pairs": self.max_pairs}
        check_at_most("decoder", MAX_CELLS, **counts)
        if min(counts.values()) < 1:
            raise ConfigError(f"Expected counts of at least 1 in the decoder. Received: {self}")
        if self.max_pairs > self.keypoints**2 or self.max_detections > self.max_pairs:
            raise ConfigError(
                f"Expected max_detections ≤ max_pairs ≤ keypoints² ({self.keypoints**2}). Received: "
                f"max_detections={self.max_detections}, max_pairs={self.max_pairs}, keypoints={self.keypoints}"
            )


@dataclass(frozen=True)
class TripletTargetSettings:
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


@dataclass(frozen=True)
class DecodeRules:
    """Differences between the versions; everything else is common to all.

    Attributes:
        clamp_sizes: Negative predicted sizes become zero (otherwise the box is inverted).
        clip_search_boxes: The search box of keypoint candidates is clipped to the output grid.
        drop_keypoints_outside: Keypoints outside the image are moved to its border and get score 0
            (models of several classes only).
        mask_beyond_image: Centers whose cell index exceeds the image's size in pixels are ignored. The
            comparison mixes units, as the exporter did, so it acts on very thin images only.
        ignore_search_radius: A keypoint type with an invalid candidate has no search radius: how newer runtimes treat
            this exporter's NaN distances. Only with `exact=True`.
        near_peaks: A cell that scores almost as much as the best around it is a peak, too
            (`centernet.ops.constants.PEAK_TOLERANCE`).
    """

    clamp_sizes: bool = False
    clip_search_boxes: bool = False
    drop_keypoints_outside: bool = False
    mask_beyond_image: bool = False
    ignore_search_radius: bool = False
    near_peaks: bool = True

    @property
    def peak_tolerance(self) -> float:
        """How far a peak may be below the maximum of its neighborhood."""
        return PEAK_TOLERANCE if self.near_peaks else EXACT_PEAK


RULES: Mapping[str, DecodeRules] = {
    "2019-04": DecodeRules(near_peaks=False),
    "2020-07": DecodeRules(drop_keypoints_outside=True, ignore_search_radius=True),
    "2021-02": DecodeRules(clamp_sizes=True, drop_keypoints_outside=True),
    "2021-07": DecodeRules(clamp_sizes=True, clip_search_boxes=True, mask_beyond_image=True),
}
