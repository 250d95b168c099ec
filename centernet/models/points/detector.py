"""The Objects as Points detector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from centernet.data.keypoints import KeypointTask
from centernet.detector import Detector
from centernet.errors import ConfigError
from centernet.models.backbones import build_backbone, default_preprocessing
from centernet.models.config import ModelConfig
from centernet.models.points.decode import decode
from centernet.models.points.heads import apply_heads, head_channels
from centernet.models.points.losses import LossWeights, point_losses
from centernet.models.points.passes import detect_passes
from centernet.models.points.settings import DecoderSettings, HeadSettings, TargetSettings
from centernet.models.points.targets import point_targets
from centernet.models.test_time import TestTime
from centernet.ops.preprocessing import STRIDE, Placement, Preprocessing
from centernet.ops.reduction import Total, itself


@keras.saving.register_keras_serializable(package="centernet")
class PointDetector(Detector):
    """An object is its center, with a size, an offset and optionally keypoints (Zhou 2019).

    Calling it on a preprocessed float32 batch `(batch, height, width, 3)` returns the head maps of every
    stack: a dict from head name (see `head_channels`) to a list over stacks of
    `(batch, height / 4, width / 4, channels)`; `size` and `offset` are in output cells, y before x.

    Args:
        backbone: Name of a backbone, a mapping of `name` and its arguments, or the `ModelConfig` of the
            whole model (then nothing else is given).
        classes: Names of the classes, or their number.
        image_size: Height and width of the network's input; None for the preprocessing's.
        heads: Shape of the heads.
        preprocessing: How images become the input; by default what the backbone's trunk expects, at 512×512.
        decoder: Counts, thresholds and rules of decoding.
        keypoints: The keypoints of one class, to find them as well.
        name: Name of the model.

    Attributes:
        target_settings: What it learns from boxes and keypoints; may be set.
        loss_weights: Parts of the loss; may be set.
    """

    def __init__(
        self,
        backbone: str | Mapping[str, Any] | ModelConfig = "resnet50_v1_fpn",
        classes: int | Sequence[str] = 80,
        *,
        image_size: tuple[int, int] | None = None,
        heads: HeadSettings | None = None,
        preprocessing: Preprocessing | None = None,
        decoder: DecoderSettings | None = None,
        keypoints: KeypointTask | None = None,
        name: str = "point_detector",
    ) -> None:
        if not isinstance(backbone, ModelConfig):
            options = {"name": backbone} if isinstance(backbone, str) else dict(backbone)
            backbone = ModelConfig(
                name=name,
                backbone=options,
                preprocessing=default_preprocessing(str(options.get("name")), preprocessing, image_size),
                classes=classes,  # type: ignore[arg-type] # made a tuple of names by ModelConfig
                heads=heads or HeadSettings(),
                decoder=decoder or DecoderSettings(),
                task="boxes+keypoints" if keypoints else "boxes",
                keypoints=keypoints,
            )
        config = backbone
        options = dict(config.backbone)
        network = build_backbone(options.pop("name"), **options)
        _check_canvas(config, network)
        inputs = keras.Input((None, None, 3), name="images")
        features = network(inputs)
        count = len(config.keypoints.names) if config.keypoints else None
        maps = apply_heads(features, head_channels(len(config.classes), count), config.heads)
        super().__init__(config, network, inputs=inputs, outputs=maps)
        self.target_settings = TargetSettings()
        self.loss_weights = LossWeights()

    def decode_maps(
        self, maps: Mapping[str, Any], image_sizes: Any, placement: Placement, canvas: tuple[int, int], exact: bool
    ) -> dict[str, Any]:
        """See `Detector.decode_maps`; positions come out as fractions of the image, so the canvas plays no part."""
        config = self.config
        place = {"image_sizes": placement.sizes, "offsets": placement.offsets}
        found = decode(maps, settings=config.decoder, keypoint_class=config.keypoint_class, exact=exact, **place)
        scale = ops.flip(ops.cast(image_sizes, "float32"), axis=-1)[:, None]
        found["boxes"] = found["boxes"] * ops.concatenate([scale, scale], axis=-1)
        if "keypoints" in found:
            found["keypoints"] = found["keypoints"] * scale[:, :, None]
        return found

    def training_losses(
        self,
        maps: Mapping[str, Any],
        y: Mapping[str, Any],
        input_size: tuple[int, int],
        total: Total = itself,
    ) -> dict[str, Any]:
        """See `Detector.training_losses`: the heads' losses by name (`centernet.models.points.losses`).

        `y` may also have `image_sizes`, see `point_targets`.
        """
        _, rows, columns, classes = maps["heatmap"][0].shape
        task = self.config.keypoints
        targets = point_targets(
            y["boxes"],
            y["class_ids"],
            y.get("ignore"),
            input_size=input_size,
            output_size=(rows, columns),
            num_classes=classes,
            image_sizes=y.get("image_sizes"),
            keypoints=y.get("keypoints") if task else None,
            keypoint_class=self.config.keypoint_class,
            deviations=task.deviations if task else (),
            settings=self.target_settings,
        )
        return point_losses(maps, targets, self.loss_weights, total)

    def infer_passes(self, image: np.ndarray, test_time: TestTime, *, exact: bool = False) -> dict[str, np.ndarray]:
        """See `Detector.infer_passes`."""
        return detect_passes(self, image, test_time, exact=exact)


def _check_canvas(config: ModelConfig, backbone: keras.Model) -> None:
    """Check that inputs of all sizes that there can be go through the network and have room for all detections."""
    preprocessing, multiple = config.preprocessing, backbone.input_multiple
    if any(side % multiple for side in preprocessing.size):
        raise ConfigError(
            f"Expected an image size for {config.backbone['name']} whose height and width are multiples of {multiple}. "
            f"Received: {preprocessing.size}"
        )
    if preprocessing.fit == "original" and preprocessing.step % multiple:
        raise ConfigError(
            f"Expected preprocessing with fit='original' for {config.backbone['name']} whose step is a multiple of "
            f"{multiple}. Received: step={preprocessing.step}"
        )
    smallest = preprocessing.smallest_canvas
    cells = smallest[0] * smallest[1] // STRIDE**2
    if config.decoder.max_detections > cells or (config.keypoints and config.decoder.candidates > cells):
        raise ConfigError(
            f"Expected at most {cells} detections and candidates, one a cell of an image size of {smallest}. Received: "
            f"max_detections={config.decoder.max_detections}, candidates={config.decoder.candidates}"
        )
