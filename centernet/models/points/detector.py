"""Objects as Points (Zhou 2019): an object is its center, with size, offset and optionally keypoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from centernet.models.config import ModelConfig
from centernet.models.family import check_input
from centernet.models.heads import apply_heads
from centernet.models.points.decode import decode_in_pixels
from centernet.models.points.heads import point_heads
from centernet.models.points.losses import LossWeights, point_losses
from centernet.models.points.passes import detect_passes, passes_in_graph
from centernet.models.points.targets import point_targets
from centernet.models.settings import PointTargetSettings


class Points:
    """The family of Objects as Points; see `Family`. Offsets and sizes are `y x`."""

    center_heatmap = "heatmap"
    target_settings = PointTargetSettings
    loss_weights = LossWeights
    decode = staticmethod(decode_in_pixels)
    losses = staticmethod(point_losses)
    detect_passes = staticmethod(detect_passes)
    passes_in_graph = staticmethod(passes_in_graph)

    def heads(self, features: Sequence[Any], config: ModelConfig) -> dict[str, list[Any]]:
        """See `Family.heads`."""
        keypoints = len(config.keypoints.names) if config.keypoints else None
        return apply_heads(features, point_heads(len(config.classes), keypoints), config.heads)

    def check_canvas(self, config: ModelConfig, multiple: int) -> None:
        """See `Family.check_canvas`."""
        decoder = config.decoder
        needed = max(decoder.max_detections, decoder.candidates if config.keypoints else 1)
        what = "detections and candidates (max_detections, candidates)"
        check_input(config, multiple, one_less=False, needed=needed, what=what)

    def targets(
        self, config: ModelConfig, objects: Mapping[str, Any], settings: PointTargetSettings, **sizes: Any
    ) -> dict[str, Any]:
        """See `Family.targets`."""
        task = config.keypoints
        return point_targets(
            objects["boxes"],
            objects["class_ids"],
            objects.get("ignore"),
            image_sizes=objects.get("image_sizes"),
            keypoints=objects.get("keypoints") if task else None,
            keypoint_class=config.keypoint_class,
            deviations=task.deviations if task else (),
            settings=settings,
            **sizes,
        )
