"""A detector that was exported: the same outside, computed by another runtime, without Keras and TensorFlow."""

from __future__ import annotations

from typing import Any

from centernet.data.dataset import Dataset
from centernet.errors import ConfigError
from centernet.evaluation import evaluate
from centernet.evaluation.result import Evaluation
from centernet.inference.detecting import detect
from centernet.inference.exported import ExportedModel
from centernet.models.test_time import TestTime

KERAS_ONLY = (
    *("compile", "compute_loss", "decode", "export", "fit", "get_weights", "heatmap", "layers", "load_weights"),
    *("loss_weights", "preprocess", "save", "save_weights", "set_weights", "summary", "target_settings", "trainable"),
    *("variables", "weights"),
)


class ExportedDetector(ExportedModel):
    """Images in, `Detections` out, computed by the runtime of an exported file.

    Attributes:
        config: The description of the model; its `test_time` are the passes that the file computes, and the tiles that
            `detect` cuts.
        path: The file.
        runtime: The runtime that computes it: `"onnx"`, `"openvino"`, `"litert"` or `"tensorflow"`.
        precision: Of the network's computations: `"float32"` or `"int8"`.
        report: None; nothing is converted.
    """

    report = None

    def __repr__(self) -> str:
        """Name, classes, file and runtime."""
        config, file = self.config, self.path.name
        file += f" ({self.precision})" if self.precision != "float32" else ""
        return f"<ExportedDetector {config.name!r}: {len(config.classes)} classes, {file} on {self.runtime}>"

    def __getattr__(self, name: str) -> Any:
        if name in KERAS_ONLY:
            raise ConfigError(
                f"Expected a detector on Keras for {name}. Received: {self.path.name} on {self.runtime}, which only "
                "detects and evaluates. Load the detector that it was exported from (a saved detector or a name)."
            )
        raise AttributeError(f"'ExportedDetector' object has no attribute {name!r}")

    @property
    def name(self) -> str:
        """Name of the model, as Keras's models have it."""
        return self.config.identifier

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """Shape of the images `(batch, height, width, 3)`; None where it varies."""
        return self._session.shape

    @property
    def class_names(self) -> tuple[str, ...]:
        """Name of each class; `class_ids` index it."""
        return self.config.classes

    def detect(
        self,
        source: Any,
        *,
        min_score: float = 0.3,
        max_detections: int | None = None,
        batch_size: int = 1,
        test_time: TestTime | None = None,
        exact: bool = False,
        track: bool = False,
    ) -> Any:
        """Detect objects in images; arguments and results are those of `Detector.detect`.

        Raises:
            ConfigError: If `test_time` has other passes than the file, or `exact` is asked for.
            SourceError: If the one image, or the stream, can't be read.
        """
        return detect(
            self,
            source,
            min_score=min_score,
            max_detections=max_detections,
            batch_size=batch_size,
            test_time=test_time,
            exact=exact,
            track=track,
        )

    def evaluate(self, dataset: Dataset, **options: Any) -> Evaluation:
        """COCO's average precision and recall on a dataset; options are those of `centernet.evaluation.evaluate`."""
        return evaluate(self, dataset, **options)
