"""CenterNet in Keras: load a published checkpoint by name, detect, fine-tune, evaluate, export.

    import centernet

    detector = centernet.load("centernet_mobilenetv2fpn_512x512_coco17_od")
    found = detector.detect("street.jpg", min_score=0.3)
    found.draw().save("street_found.jpg")

Importing the package loads neither Keras nor TensorFlow: public names are imported at first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Literal, overload

    from centernet import data as data
    from centernet import evaluation as evaluation
    from centernet.checkpoints.report import LoadReport as LoadReport
    from centernet.data.keypoints import KeypointTask as KeypointTask
    from centernet.detector import Detector as Detector
    from centernet.detector import PointDetector as PointDetector
    from centernet.detector import TripletDetector as TripletDetector
    from centernet.errors import CenterNetError as CenterNetError
    from centernet.inference.decoding import decode as decode
    from centernet.loading.exported import ExportedDetector as ExportedDetector
    from centernet.models import backbones as backbones
    from centernet.models import layers as layers
    from centernet.models.config import ModelConfig as ModelConfig
    from centernet.models.presets import list_models as list_models
    from centernet.models.settings import PointDecoderSettings as DecoderSettings  # noqa: F401
    from centernet.models.settings import PointDecoderSettings as PointDecoderSettings
    from centernet.models.settings import PointHeadSettings as HeadSettings  # noqa: F401
    from centernet.models.settings import PointHeadSettings as PointHeadSettings
    from centernet.models.settings import TripletDecoderSettings as TripletDecoderSettings
    from centernet.models.settings import TripletHeadSettings as TripletHeadSettings
    from centernet.models.test_time import TestTime as TestTime
    from centernet.ops.preprocessing import Preprocessing as Preprocessing
    from centernet.results.detections import Detections as Detections
    from centernet.results.draw import draw_detections as draw_detections
    from centernet.results.draw import draw_heatmap as draw_heatmap
    from centernet.training import augmentation as augmentation

    __version__: str

    @overload
    def load(
        source: str | Path,
        weights: str | Path | None = ...,
        classes: int | Sequence[str] | None = ...,
        *,
        keypoints: KeypointTask | None = ...,
        image_size: tuple[int, int] | None = ...,
        runtime: Literal["keras"] | None = ...,
    ) -> Detector: ...
    @overload
    def load(
        source: str | Path,
        weights: str | Path | None = ...,
        classes: int | Sequence[str] | None = ...,
        *,
        keypoints: KeypointTask | None = ...,
        image_size: tuple[int, int] | None = ...,
        runtime: str | None = ...,
    ) -> Detector | ExportedDetector: ...
    def load(*arguments: Any, **options: Any) -> Any: ...  # noqa: D103 # documented below
else:

    def load(source, weights="published", classes=None, *, keypoints=None, image_size=None, runtime=None):
        """Load a detector from a name, path, address or handle.

        Args:
            source: An exported file (`.onnx`, `.tflite`, `.xml` of OpenVINO, the folder of a SavedModel), which gives
                an `ExportedDetector` and needs neither Keras nor TensorFlow; or what
                `help(centernet.loading.load_keras.load)` lists.
            weights: See there.
            classes: See there.
            keypoints: See there.
            image_size: See there.
            runtime: `"keras"` (the default) for a detector that can also be trained, `"onnx"` for ONNX Runtime,
                `"openvino"`, `"auto"` for the fastest that is installed. The exported file is made once and kept in the
                cache. For an exported file: `"onnx"`, `"openvino"`, `"litert"` or `"tensorflow"`, by default the first
                that is installed and reads it.

        Returns:
            A `Detector`, or an `ExportedDetector`.
        """
        from centernet.loading.load_exported import exported_path, load_exported, load_on_runtime

        def on_keras():
            load_detector = _module("centernet.loading.load_keras").load
            return load_detector(source, weights, classes, keypoints=keypoints, image_size=image_size)

        path = exported_path(source)
        if path is not None:
            changes = {"classes": classes, "keypoints": keypoints, "image_size": image_size}
            changes["weights"] = None if weights == "published" else weights
            return load_exported(path, runtime, **changes)
        changed = weights is None or any(value is not None for value in (classes, keypoints, image_size))
        if runtime in (None, "keras") or (runtime == "auto" and changed):
            return on_keras()
        return load_on_runtime(str(source), weights, runtime, on_keras, is_changed=changed)


# Public name → its module and, for an alias, its name there.
_PUBLIC = {
    "CenterNetError": "centernet.errors",
    "DecoderSettings": "centernet.models.settings:PointDecoderSettings",
    "Detections": "centernet.results.detections",
    "Detector": "centernet.detector",
    "ExportedDetector": "centernet.loading.exported",
    "HeadSettings": "centernet.models.settings:PointHeadSettings",
    "KeypointTask": "centernet.data.keypoints",
    "LoadReport": "centernet.checkpoints.report",
    "ModelConfig": "centernet.models.config",
    "PointDecoderSettings": "centernet.models.settings",
    "PointDetector": "centernet.detector",
    "PointHeadSettings": "centernet.models.settings",
    "Preprocessing": "centernet.ops.preprocessing",
    "TestTime": "centernet.models.test_time",
    "TripletDecoderSettings": "centernet.models.settings",
    "TripletDetector": "centernet.detector",
    "TripletHeadSettings": "centernet.models.settings",
    "decode": "centernet.inference.decoding",
    "draw_detections": "centernet.results.draw",
    "draw_heatmap": "centernet.results.draw",
    "list_models": "centernet.models.presets",
}
_MODULES = {
    "augmentation": "centernet.training.augmentation",
    "backbones": "centernet.models.backbones",
    "data": "centernet.data",
    "evaluation": "centernet.evaluation",
    "layers": "centernet.models.layers",
}

__all__ = [*_PUBLIC, *_MODULES, "load"]


def _module(name: str) -> Any:
    """Import a module of the package; say what to do where it needs a TensorFlow that is not installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "tensorflow":
            raise
        errors = importlib.import_module("centernet.errors")
        raise errors.MissingExtraError(
            "Training, export and detection on Keras need TensorFlow, which is not installed (it has no package for "
            'Python 3.14). Install it (pip install "tensorflow>=2.20"), or detect without it: '
            'centernet.load("model.onnx"), or a shipped model with runtime="onnx".'
        ) from error


def __getattr__(name: str) -> Any:
    """Import a public name at first use (PEP 562)."""
    if name in _PUBLIC:
        module, _, alias = _PUBLIC[name].partition(":")
        return getattr(_module(module), alias or name)
    if name in _MODULES:
        return _module(_MODULES[name])
    if name == "__version__":
        return importlib.import_module("centernet.files.environment").package_version()
    raise AttributeError(f"module 'centernet' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names."""
    return sorted([*globals(), *__all__])
