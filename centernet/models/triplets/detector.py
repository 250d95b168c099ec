"""Keypoint Triplets (Duan 2019): an object is two corners and a center of one class in its central region."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from centernet.models.config import ModelConfig
from centernet.models.family import check_input
from centernet.models.heads import apply_heads
from centernet.models.settings import TripletHeadSettings, TripletTargetSettings
from centernet.models.triplets.decode import decode_in_pixels
from centernet.models.triplets.heads import BRANCHES, branch_heads
from centernet.models.triplets.losses import LossWeights, triplet_losses
from centernet.models.triplets.passes import detect_passes, passes_in_graph
from centernet.models.triplets.pooling import CascadeCornerPooling, CenterPooling
from centernet.models.triplets.targets import triplet_targets


class Triplets:
    """The family of Keypoint Triplets; see `Family`. Offsets are `x y`."""

    center_heatmap = "center"
    target_settings = TripletTargetSettings
    loss_weights = LossWeights
    decode = staticmethod(decode_in_pixels)
    losses = staticmethod(triplet_losses)
    detect_passes = staticmethod(detect_passes)
    passes_in_graph = staticmethod(passes_in_graph)

    def heads(self, features: Sequence[Any], config: ModelConfig) -> dict[str, list[Any]]:
        """See `Family.heads`. Each branch pools the features for its corner, or for centers."""
        maps: dict[str, list[Any]] = {}
        for branch in BRANCHES:
            pooled = [_pool(x, branch, stack, config.heads) for stack, x in enumerate(features)]
            maps |= apply_heads(pooled, branch_heads(branch, len(config.classes)), config.heads)
        return maps

    def check_canvas(self, config: ModelConfig, multiple: int) -> None:
        """See `Family.check_canvas`."""
        check_input(config, multiple, one_less=True, needed=config.decoder.keypoints, what="keypoints (keypoints)")

    def targets(
        self, config: ModelConfig, objects: Mapping[str, Any], settings: TripletTargetSettings, **sizes: Any
    ) -> dict[str, Any]:
        """See `Family.targets`."""
        boxes, class_ids, ignore = objects["boxes"], objects["class_ids"], objects.get("ignore")
        return triplet_targets(boxes, class_ids, ignore, settings=settings, **sizes)


def _pool(x: Any, branch: str, stack: int, settings: TripletHeadSettings) -> Any:
    filters, inner = settings.pooling_filters, settings.pooling_inner_filters
    name = f"{branch}_{stack}_pooling"
    if branch == "center":
        return CenterPooling(filters, inner, name=name)(x)
    return CascadeCornerPooling(branch, filters=filters, inner_filters=inner, name=name)(x)
