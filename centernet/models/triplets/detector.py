"""Keypoint Triplets (Duan 2019): an object is two corners and a center of one class in its central region."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from keras import ops

from centernet.models.config import ModelConfig
from centernet.models.family import Arrays, Compiles, check_input
from centernet.models.settings import TripletTargetSettings
from centernet.models.test_time import TestTime
from centernet.models.triplets.decode import decode_pairs, join_centers
from centernet.models.triplets.geometry import Frame, boxes_in_image
from centernet.models.triplets.heads import triplet_heads
from centernet.models.triplets.losses import LossWeights, triplet_losses
from centernet.models.triplets.passes import detect_passes
from centernet.models.triplets.targets import triplet_targets
from centernet.ops.losses import DeviceSum
from centernet.ops.preprocessing import Placement


class Triplets:
    """The family of Keypoint Triplets; see `Family`. Offsets are `x y`."""

    center_heatmap = "center"
    target_settings = TripletTargetSettings
    loss_weights = LossWeights

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

    def losses(
        self,
        config: ModelConfig,
        maps: Mapping[str, Any],
        objects: Mapping[str, Any],
        input_size: tuple[int, int],
        targets: TripletTargetSettings,
        weights: LossWeights,
        device_sum: DeviceSum,
    ) -> dict[str, Any]:
        """See `Family.losses`: `focal`, `pull`, `push` and `offset`."""
        _, rows, columns, classes = maps["center"][0].shape
        expected = triplet_targets(
            objects["boxes"],
            objects["class_ids"],
            objects.get("ignore"),
            input_size=input_size,
            output_size=(rows, columns),
            num_classes=classes,
            settings=targets,
        )
        return triplet_losses(maps, expected, weights, device_sum)

    def detect_passes(self, detector: Compiles, image: np.ndarray, test_time: TestTime, exact: bool) -> Arrays:
        """See `Family.detect_passes`."""
        return detect_passes(detector, image, test_time, exact=exact)
