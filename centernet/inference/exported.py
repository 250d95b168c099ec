"""A detector in an exported file, without Keras and TensorFlow: images in, arrays out."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from centernet.checkpoints.saved.saving import parse_config
from centernet.errors import CheckpointError, ConfigError
from centernet.inference.decoding import decode
from centernet.inference.runtimes import description_in, open_exported
from centernet.models.config import ModelConfig
from centernet.models.test_time import TestTime
from centernet.ops.constants import Arrays
from centernet.ops.preprocessing import check_images


class ExportedModel:
    """The arrays of an exported file; a `DetectionModel`.

    Attributes:
        config: The description of the model; its `test_time` are the passes that the file computes, and the tiles that
            `detect` cuts.
        path: The file.
        runtime: The runtime that computes it: `"onnx"`, `"openvino"`, `"litert"` or `"tensorflow"`.
        precision: Of the network's computations: `"float32"` or `"int8"`.
    """

    def __init__(self, path: Path, runtime: str | None = None) -> None:
        """Open a file.

        Args:
            path: A file that `Detector.export` wrote, or the folder of a SavedModel.
            runtime: What computes it; None for the first that is installed.

        Raises:
            ConfigError: If the runtime is unknown, or doesn't read such files.
            MissingExtraError: If it is not installed.
            CheckpointError: If the file is missing or damaged, or has no description of a detector.
        """
        self.path = path
        self._session, self.runtime = open_exported(path, runtime)
        description = description_in(self._session, path)
        config = parse_config(json.dumps(description), str(path))
        exported = description.get("exported", {})
        exported = exported if isinstance(exported, dict) else {}
        has_passes, self._heads_only = exported.get("passes"), bool(exported.get("heads_only"))
        self.precision = str(exported.get("precision", "float32"))
        self.config: ModelConfig = config if has_passes else dataclasses.replace(config, test_time=None)
        if len(self._session.shape) != 4:
            raise CheckpointError(
                f"Expected a detector of images (batch, height, width, 3) in {path}. Received an input of shape "
                f"{self._session.shape}."
            )

    def infer(self, images: Sequence[np.ndarray], *, exact: bool = False) -> Arrays:
        """Arrays of the file for images of any sizes.

        A file for batches of a fixed size gets such batches, of images of one size that follow each other. Otherwise
        images pass one by one on a CPU, where together they are no faster, but need more memory.

        Args:
            images: uint8 RGB arrays `(height, width, 3)`.
            exact: Must be False.

        Returns:
            See `Detector.decode`, as NumPy arrays.
        """
        check_images(images)
        if exact:
            raise ConfigError(
                "Expected exact=False: artifacts of the original software are reproduced on Keras only. Load the "
                'detector with runtime="keras".'
            )
        most = self._session.shape[0] or (len(images) if self.runtime == "tensorflow" else 1)
        found, start = [], 0
        while start < len(images):
            end = start + 1
            while end < min(start + most, len(images)) and images[end].shape == images[start].shape:
                end += 1
            found.append(self._run(np.stack(images[start:end])))
            start = end
        return {name: np.concatenate([one[name] for one in found]) for name in found[0]}

    def infer_passes(self, images: Sequence[np.ndarray], test_time: TestTime, *, exact: bool = False) -> list[Arrays]:
        """Detections of images from the passes that the file has; see `Detector.infer_passes`.

        Raises:
            ConfigError: If the file has other passes.
        """
        own = self.config.test_time and self.config.test_time.passes
        if test_time.passes != own:
            raise ConfigError(
                f"Expected the passes that {self.path.name} computes: test_time={own}. Received: "
                f"test_time={test_time.passes}. Export with other passes (export(passes=False) is the decoder alone), "
                'or load the detector with runtime="keras".'
            )
        arrays = self.infer(images, exact=exact)
        return [{name: values[row] for name, values in arrays.items()} for row in range(len(images))]

    def _run(self, batch: np.ndarray) -> Arrays:
        count, *size, _ = batch.shape
        most, *fixed, _ = self._session.shape
        if any(side not in (None, expected) for side, expected in zip(fixed, size, strict=True)):
            raise ConfigError(
                f"Expected images of {fixed[0]}×{fixed[1]} pixels, the fixed size of {self.path.name}. Received: "
                f"{size[0]}×{size[1]}. Resize them, or export without image_size."
            )
        missing = (most or count) - count
        found = self._session.run(np.pad(batch, ((0, missing), (0, 0), (0, 0), (0, 0))) if missing else batch)
        arrays = {name: values[:count] for name, values in found.items()}
        return decode(arrays, size, self.config) if self._heads_only else arrays
