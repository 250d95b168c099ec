"""CenterNet in Keras: load a published checkpoint by name, detect, fine-tune, evaluate, export.

    import centernet

    detector = centernet.load("centernet_mobilenetv2fpn_512x512_coco17_od")
    found = detector.detect("street.jpg", min_score=0.3)
    found.draw().save("street_found.jpg")

Importing the package loads neither Keras nor TensorFlow: every public name is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from centernet import data as data
    from centernet import evaluation as evaluation
    from centernet.checkpoints.report import LoadReport as LoadReport
    from centernet.data.keypoints import KeypointTask as KeypointTask
    from centernet.detector import Detector as Detector
    from centernet.errors import CenterNetError as CenterNetError
    from centernet.loading import load as load
    from centernet.models import backbones as backbones
    from centernet.models import layers as layers
    from centernet.models.config import ModelConfig as ModelConfig
    from centernet.models.points.detector import PointDetector as PointDetector
    from centernet.models.points.settings import DecoderSettings as DecoderSettings
    from centernet.models.points.settings import HeadSettings as HeadSettings
    from centernet.models.presets import list_models as list_models
    from centernet.models.test_time import TestTime as TestTime
    from centernet.models.triplets.detector import TripletDetector as TripletDetector
    from centernet.ops.preprocessing import Preprocessing as Preprocessing
    from centernet.results.detections import Detections as Detections
    from centernet.results.draw import draw_detections as draw_detections
    from centernet.results.draw import draw_heatmap as draw_heatmap
    from centernet.training import augmentation as augmentation

    __version__: str

# Public name → module that has it.
_PUBLIC = {
    "CenterNetError": "centernet.errors",
    "Detections": "centernet.results.detections",
    "Detector": "centernet.detector",
    "DecoderSettings": "centernet.models.points.settings",
    "HeadSettings": "centernet.models.points.settings",
    "KeypointTask": "centernet.data.keypoints",
    "LoadReport": "centernet.checkpoints.report",
    "ModelConfig": "centernet.models.config",
    "PointDetector": "centernet.models.points.detector",
    "Preprocessing": "centernet.ops.preprocessing",
    "TestTime": "centernet.models.test_time",
    "TripletDetector": "centernet.models.triplets.detector",
    "draw_detections": "centernet.results.draw",
    "draw_heatmap": "centernet.results.draw",
    "list_models": "centernet.models.presets",
    "load": "centernet.loading",
}
_MODULES = {
    "augmentation": "centernet.training.augmentation",
    "backbones": "centernet.models.backbones",
    "data": "centernet.data",
    "evaluation": "centernet.evaluation",
    "layers": "centernet.models.layers",
}

__all__ = [*_PUBLIC, *_MODULES]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    if name == "__version__":
        return importlib.import_module("centernet.files.environment").package_version()
    raise AttributeError(f"module 'centernet' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names."""
    return sorted([*globals(), *__all__])
