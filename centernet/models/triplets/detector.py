"""The Keypoint Triplets detector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from centernet.detector import Detector
from centernet.errors import ConfigError
from centernet.models.backbones import build_backbone, default_preprocessing
from centernet.models.config import ModelConfig
from centernet.models.test_time import TestTime
from centernet.models.triplets.decode import decode_pairs, join_centers
from centernet.models.triplets.geometry import Frame, boxes_in_image
from centernet.models.triplets.heads import triplet_heads
from centernet.models.triplets.losses import LossWeights, triplet_losses
from centernet.models.triplets.passes import detect_passes
from centernet.models.triplets.settings import DecoderSettings, HeadSettings, TargetSettings
from centernet.models.triplets.targets import triplet_targets
from centernet.ops.preprocessing import STRIDE, Placement, Preprocessing
from centernet.ops.reduction import Total, itself


@keras.saving.register_keras_serializable(package="centernet")
class TripletDetector(Detector):
    """An object is a triplet: two corners and a center of one class in the middle of the box (Duan 2019).

    Calling it on a preprocessed float32 batch `(batch, height, width, 3)` returns the head maps of every stack:
    a dict from head name (see `centernet.models.triplets.heads.head_channels`) to a list over stacks of
    `(batch, height / 4, width / 4, channels)`; offsets are in output cells, x before y.

    Args:
        backbone: Name of a backbone, a mapping of `name` and its arguments, or the `ModelConfig` of the
            whole model (then nothing else is given).
        classes: Names of the classes, or their number.
        image_size: Height and width of the network's input; None for the preprocessing's.
        heads: Shape of the pooling modules and heads.
        preprocessing: How images become the input; by default what the backbone's trunk expects, at 512×512.
        decoder: Counts and thresholds of decoding.
        name: Name of the model.

    Attributes:
        target_settings: What it learns from boxes; may be set.
        loss_weights: Parts of the loss; may be set.
    """

    center_heatmap = "center"

    def __init__(
        self,
        backbone: str | Mapping[str, Any] | ModelConfig = "hourglass52",
        classes: int | Sequence[str] = 80,
        *,
        image_size: tuple[int, int] | None = None,
        heads: HeadSettings | None = None,
        preprocessing: Preprocessing | None = None,
        decoder: DecoderSettings | None = None,
        name: str = "triplet_detector",
    ) -> None:
        if not isinstance(backbone, ModelConfig):
            options = {"name": backbone} if isinstance(backbone, str) else dict(backbone)
            backbone = ModelConfig(
                name=name,
                family="triplets",
                backbone=options,
                preprocessing=default_preprocessing(options["name"], preprocessing, image_size),
                classes=classes,  # type: ignore[arg-type] # made a tuple of names by ModelConfig
                heads=heads or HeadSettings(),
                decoder=decoder or DecoderSettings(),
            )
        config = backbone
        options = dict(config.backbone)
        network = build_backbone(options.pop("name"), **options)
        _check_canvas(config, network)
        inputs = keras.Input((None, None, 3), name="images")
        maps = triplet_heads(network(inputs), len(config.classes), config.heads)
        super().__init__(config, network, inputs=inputs, outputs=maps)
        self.target_settings = TargetSettings()
        self.loss_weights = LossWeights()

    def decode_maps(
        self, maps: Mapping[str, Any], image_sizes: Any, placement: Placement, canvas: tuple[int, int], exact: bool
    ) -> dict[str, Any]:
        """See `Detector.decode_maps`."""
        settings = self.config.decoder
        pairs, centers = decode_pairs(maps, settings, exact=exact)
        _, rows, columns, _ = ops.shape(maps["center"])
        sizes, offsets, own = (
            ops.flip(ops.cast(pair, "float32"), axis=-1)[:, None] for pair in (*placement, image_sizes)
        )
        ratio = np.array([columns / canvas[1], rows / canvas[0]], np.float32)
        frame = Frame(ratio, offsets, sizes, sizes / own)
        boxes, scores = boxes_in_image(pairs.boxes, pairs.scores, frame, ops)
        limits = ops.concatenate([own, own], axis=-1)  # which rounding may have passed
        pairs = pairs._replace(boxes=ops.minimum(boxes, limits), scores=scores)
        centers = centers._replace(points=frame.in_image(centers.points))
        boxes, scores, class_ids = join_centers(pairs, centers, settings)
        return {"boxes": boxes, "scores": scores, "class_ids": class_ids}

    def training_losses(
        self,
        maps: Mapping[str, Any],
        y: Mapping[str, Any],
        input_size: tuple[int, int],
        total: Total = itself,
    ) -> dict[str, Any]:
        """See `Detector.training_losses`: `focal`, `pull`, `push` and `offset` (`centernet.models.triplets.losses`)."""
        _, *grid, classes = maps["center"][0].shape
        boxes = y["boxes"], y["class_ids"], y.get("ignore")
        options = {"output_size": tuple(grid), "num_classes": classes, "settings": self.target_settings}
        targets = triplet_targets(*boxes, input_size=input_size, **options)
        return triplet_losses(maps, targets, self.loss_weights, total)

    def infer_passes(self, image: np.ndarray, test_time: TestTime, *, exact: bool = False) -> dict[str, np.ndarray]:
        """See `Detector.infer_passes`."""
        return detect_passes(self, image, test_time, exact=exact)


def _check_canvas(config: ModelConfig, backbone: keras.Model) -> None:
    """Check that the input's size goes through the network and has room for all keypoints."""
    preprocessing, multiple = config.preprocessing, backbone.input_multiple
    size, step = preprocessing.size, preprocessing.step
    if preprocessing.fit == "original" and step % multiple:
        raise ConfigError(
            f"Expected a backbone that takes images in steps of {step} pixels, as fit='original' makes them. "
            f"Received: {config.backbone['name']} with steps of {multiple}. Take fit='canvas', or fewer levels."
        )
    if any(side % multiple not in (0, multiple - 1) for side in size):
        raise ConfigError(
            f"Expected an image size for {config.backbone['name']} whose height and width are multiples of {multiple}, "
            f"or one less. Received: {size}"
        )
    height, width = preprocessing.smallest_canvas
    cells = -(-height // STRIDE) * -(-width // STRIDE)
    if config.decoder.keypoints > cells:
        raise ConfigError(
            f"Expected at most {cells} keypoints, one a cell of an input of {height}×{width} pixels. Received: "
            f"keypoints={config.decoder.keypoints}"
        )
