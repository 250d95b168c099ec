"""Decoding rules of the PyTorch reference and of the three exporter versions behind the published archives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from centernet.ops.constants import EXACT_PEAK, PEAK_TOLERANCE


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

    clamp_sizes: bool
    clip_search_boxes: bool
    drop_keypoints_outside: bool
    mask_beyond_image: bool
    ignore_search_radius: bool
    near_peaks: bool = True

    @property
    def peak_tolerance(self) -> float:
        """How far a peak may be below the maximum of its neighborhood."""
        return PEAK_TOLERANCE if self.near_peaks else EXACT_PEAK


RULES: Mapping[str, DecodeRules] = {
    "2019-04": DecodeRules(
        clamp_sizes=False,
        clip_search_boxes=False,
        drop_keypoints_outside=False,
        mask_beyond_image=False,
        ignore_search_radius=False,
        near_peaks=False,
    ),
    "2020-07": DecodeRules(
        clamp_sizes=False,
        clip_search_boxes=False,
        drop_keypoints_outside=True,
        mask_beyond_image=False,
        ignore_search_radius=True,
    ),
    "2021-02": DecodeRules(
        clamp_sizes=True,
        clip_search_boxes=False,
        drop_keypoints_outside=True,
        mask_beyond_image=False,
        ignore_search_radius=False,
    ),
    "2021-07": DecodeRules(
        clamp_sizes=True,
        clip_search_boxes=True,
        drop_keypoints_outside=False,
        mask_beyond_image=True,
        ignore_search_radius=False,
    ),
}
