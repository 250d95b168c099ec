"""What describes a soft-NMS (Bodla 2017, arXiv 1704.04503; plain data, no Keras)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from centernet.errors import ConfigError
from centernet.files.validation import check_types


@dataclass(frozen=True)
class SuppressionSettings:
    """How boxes of one class that overlap a better one lose score.

    Attributes:
        method: `"gaussian"`: the score is multiplied by exp(-IoU² / sigma); `"linear"`: by 1 - IoU where the IoU
            is above `iou_threshold`; `"hard"`: by 0 there.
        sigma: Width of the Gaussian.
        iou_threshold: See `method`.
        min_score: A box whose score falls below it is dropped.
        voting_exponent: None: boxes stay as they are. A number: a picked box moves to the weighted mean of
            itself and the boxes that lose score to it, each with its corner scores times
            (1 - its decay) to this power. The reference takes 10 with several scales.
    """

    method: Literal["gaussian", "linear", "hard"] = "gaussian"
    sigma: float = 0.5
    iou_threshold: float = 0.5
    min_score: float = 0.001
    voting_exponent: float | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_types(self)
        if self.sigma <= 0 or not 0 <= self.iou_threshold <= 1 or not 0 <= self.min_score <= 1:
            raise ConfigError(
                "Expected a positive sigma, and iou_threshold and min_score of 0–1. Received: "
                f"sigma={self.sigma}, iou_threshold={self.iou_threshold}, min_score={self.min_score}"
            )
        if self.voting_exponent is not None and self.voting_exponent <= 0:
            raise ConfigError(
                f"Expected a positive voting_exponent, or none. Received: voting_exponent={self.voting_exponent}"
            )
