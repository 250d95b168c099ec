"""The contract of a detector family: everything in which the two detectors differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import keras
import numpy as np

from centernet.errors import ConfigError
from centernet.models.config import ModelConfig
from centernet.models.test_time import TestTime
from centernet.ops.constants import STRIDE, Arrays
from centernet.ops.losses import DeviceSum
from centernet.ops.preprocessing import Placement

Signature = Sequence[tuple[str, tuple[int | None, ...]]]  # dtype and shape of each argument; None where it varies
IMAGES: Signature = [("uint8", (None, None, None, 3)), ("int32", (None, 2))]  # a batch, and the sizes of its images


class Compiles(Protocol):
    """A detector as the passes of a family use it."""

    config: ModelConfig
    backbone: keras.Model

    def decode(
        self, maps: Mapping[str, Any], image_sizes: Any, *, canvas: tuple[int, int] | None = None, exact: bool = False
    ) -> dict[str, Any]:
        """See `Network.decode`."""
        ...

    def compiled_form(self, form: Any, step: Callable[..., Any], signature: Signature) -> Callable[..., Any]:
        """See `Network.compiled_form`."""
        ...


class Family(Protocol):
    """Heads, decoder, losses and test-time passes of a detector.

    Attributes:
        center_heatmap: Name of the head map of object centers.
        target_settings: Class of its target settings.
        loss_weights: Class of its loss weights.
    """

    center_heatmap: str
    target_settings: Any
    loss_weights: Any

    def heads(self, features: Sequence[Any], config: ModelConfig) -> dict[str, list[Any]]:
        """Head maps from the features of each stack: head name → list over stacks."""
        ...

    def check_canvas(self, config: ModelConfig, multiple: int) -> None:
        """Check that inputs of every possible size pass the network and have room for all detections.

        Args:
            config: The description of the model.
            multiple: The backbone's `input_multiple`.

        Raises:
            ConfigError: If not.
        """
        ...

    def decode(
        self,
        config: ModelConfig,
        maps: Mapping[str, Any],
        image_sizes: Any,
        placement: Placement,
        canvas: tuple[int, int],
        exact: bool,
    ) -> dict[str, Any]:
        """Detections in pixels of the original images, see `Network.decode`, from the maps of the last stack.

        Args:
            config: The description of the model.
            maps: Head name → map `(batch, height, width, channels)`.
            image_sizes: Height and width of the original images in pixels, int32 `(batch, 2)`.
            placement: Position of the images on the network's input.
            canvas: Height and width of the network's input.
            exact: See `Detector.detect`.
        """
        ...

    def losses(
        self, maps: Mapping[str, Any], targets: Mapping[str, Any], weights: Any, device_sum: DeviceSum
    ) -> dict[str, Any]:
        """Total loss and its parts by name from the maps of all stacks; see `Network.training_losses`."""
        ...

    def targets(self, config: ModelConfig, objects: Mapping[str, Any], settings: Any, **sizes: Any) -> dict[str, Any]:
        """Training targets.

        Args:
            config: The description of the model.
            objects: See `Detector.compute_loss`; may have `image_sizes`.
            settings: Target settings of the family.
            **sizes: `input_size`, `output_size` and `num_classes` of the target functions.
        """
        ...

    def detect_passes(
        self, detector: Compiles, images: Sequence[np.ndarray], test_time: TestTime, *, exact: bool = False
    ) -> list[Arrays]:
        """Detections of images from several passes; see `Network.infer_passes`.

        With `fit="original"` all images have one size.
        """
        ...

    def passes_in_graph(
        self, detector: Compiles, forward: Callable[[Any], Any], images: Any, sizes: Any, test_time: TestTime
    ) -> dict[str, Any]:
        """Detections of a batch from several passes, computed on the device, with the values of `detect_passes`.

        Args:
            detector: The detector.
            forward: The network as a function of a batch.
            images: uint8 RGB `(batch, height, width, 3)`, all of one size.
            sizes: That size for each image, int32 `(batch, 2)`.
            test_time: The passes; with `fit="original"` at scale 1 only.

        Returns:
            As `Network.decode`.
        """
        ...


def image_size(images: Any) -> np.ndarray:
    """Height and width of a batch of images in a graph, `(1, 2)`; 1 where the size varies."""
    return np.array([[side or 1 for side in images.shape[1:3]]])


def check_input(config: ModelConfig, multiple: int, *, one_less: bool, needed: int, what: str) -> None:
    """Check that inputs of every possible size pass a backbone and have room for what is decoded.

    Args:
        config: The description of the model.
        multiple: Height and width of the input are multiples of it.
        one_less: Whether they may also be one pixel less.
        needed: Cells that the decoder needs.
        what: What it needs them for, with its setting.

    Raises:
        ConfigError: If a size doesn't fit, or has too few cells.
    """
    preprocessing, backbone = config.preprocessing, config.backbone["name"]
    allowed = (0, multiple - 1) if one_less else (0,)
    if preprocessing.fit == "original" and preprocessing.step % multiple:
        raise ConfigError(
            f"Expected preprocessing with fit='original' for {backbone} whose step is a multiple of {multiple}. "
            f"Received: step={preprocessing.step}. Use fit='canvas', or a backbone with fewer levels."
        )
    if any(side % multiple not in allowed for side in preprocessing.size):
        raise ConfigError(
            f"Expected an image size for {backbone} whose height and width are multiples of {multiple}"
            f"{', or one less' if one_less else ''}. Received: {preprocessing.size}"
        )
    height, width = preprocessing.smallest_canvas
    cells = -(-height // STRIDE) * -(-width // STRIDE)
    if needed > cells:
        raise ConfigError(
            f"Expected at most {cells} {what}, one per cell of an input of {height}×{width} pixels. "
            f"Received: {needed}. Use a larger image size or a smaller number."
        )


def check_scale(scale: float, canvas: tuple[int, int], needed: int, what: str) -> None:
    """Check that the input of a test-time scale has room for what is decoded.

    Raises:
        ConfigError: If not.
    """
    cells = -(-canvas[0] // STRIDE) * -(-canvas[1] // STRIDE)
    if needed > cells:
        raise ConfigError(
            f"Expected scales at which the input has a cell for each of {needed} {what}. Received: scale {scale:g}, "
            f"where an input of {canvas[0]}×{canvas[1]} pixels has {cells}. Choose a larger scale."
        )
