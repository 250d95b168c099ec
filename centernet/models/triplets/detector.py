"""Keypoint Triplets (Duan 2019): an object is two corners and a center of one class in its central region."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from keras import ops

from centernet.models.config import ModelConfig
from centernet.models.family import check_input
from centernet.models.settings import TripletTargetSettings
from centernet.models.triplets.decode import decode_pairs, join_centers
from centernet.models.triplets.geometry import Frame, boxes_in_image
from centernet.models.triplets.heads import triplet_heads
from centernet.models.triplets.losses import LossWeights, triplet_losses
from centernet.models.triplets.passes import detect_passes
from centernet.models.triplets.targets import triplet_targets
from centernet.ops.preprocessing import Placement


class Triplets:
    """The family of Keypoint Triplets; see `Family`. Offsets are `x y`."""

    center_heatmap = "center"
    target_settings = TripletTargetSettings
    loss_weights = LossWeights
    losses = staticmethod(triplet_losses)
    detect_passes = staticmethod(detect_passes)

    def heads(self, features: Sequence[Any], config: ModelConfig) -> dict[str, list[Any]]:
        """See `Family.heads`."""
        return triplet_heads(features, len(config.classes), config.heads)

    def check_canvas(self, config: ModelConfig, multiple: int) -> None:
        """See `Family.check_canvas`."""
        check_input(config, multiple, one_less=True, needed=config.decoder.keypoints, what="keypoints (keypoints)")

    def decode(
        self,
        config: ModelConfig,
        maps: Mapping[str, Any],
        image_sizes: Any,
        placement: Placement,
        canvas: tuple[int, int],
        exact: bool,
    ) -> dict[str, Any]:
        """See `Family.decode`."""
        pairs, centers = decode_pairs(maps, config.decoder, exact=exact)
        _, rows, columns, _ = ops.shape(maps["center"])
        sizes, offsets, own = (
            ops.flip(ops.cast(pair, "float32"), axis=-1)[:, None] for pair in (*placement, image_sizes)
        )
        ratio = np.array([columns / canvas[1], rows / canvas[0]], np.float32)
        frame = Frame(ratio, offsets, sizes, sizes / own)
        boxes, scores = boxes_in_image(pairs.boxes, pairs.scores, frame, ops)
        limits = ops.concatenate([own, own], axis=-1)  # rounding may exceed them
        pairs = pairs._replace(boxes=ops.minimum(boxes, limits), scores=scores)
        centers = centers._replace(points=frame.in_image(centers.points))
        boxes, scores, class_ids = join_centers(pairs, centers, config.decoder)
        return {"boxes": boxes, "scores": scores, "class_ids": class_ids}

    def targets(
        self, config: ModelConfig, objects: Mapping[str, Any], settings: TripletTargetSettings, **sizes: Any
    ) -> dict[str, Any]:
        """See `Family.targets`."""
        boxes, class_ids, ignore = objects["boxes"], objects["class_ids"], objects.get("ignore")
        return triplet_targets(boxes, class_ids, ignore, settings=settings, **sizes)
