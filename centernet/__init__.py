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
    from centernet import data as data
    from centernet import evaluation as evaluation
    from centernet.checkpoints.report import LoadReport as LoadReport
    from centernet.data.keypoints import KeypointTask as KeypointTask
    from centernet.detector import Detector as Detector
    from centernet.detector import PointDetector as PointDetector
    from centernet.detector import TripletDetector as TripletDetector
    from centernet.errors import CenterNetError as CenterNetError
    from centernet.loading.load_keras import load as load
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
else:

    def load(source, weights="published", classes=None, *, keypoints=None, image_size=None):
        """Load a detector from a name, path, address or handle; `help(centernet.loading.load)` has the details."""
        from centernet.loading.load_keras import load as load_detector

        return load_detector(source, weights, classes, keypoints=keypoints, image_size=image_size)


# Public name → its module and, for an alias, its name there.
_PUBLIC = {
    "CenterNetError": "centernet.errors",
    "DecoderSettings": "centernet.models.settings:PointDecoderSettings",
    "Detections": "centernet.results.detections",
    "Detector": "centernet.detector",
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


def __getattr__(name: str) -> Any:
    """Import a public name at first use (PEP 562)."""
    if name in _PUBLIC:
        module, _, alias = _PUBLIC[name].partition(":")
        return getattr(importlib.import_module(module), alias or name)
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    if name == "__version__":
        return importlib.import_module("centernet.files.environment").package_version()
    raise AttributeError(f"module 'centernet' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names."""
    return sorted([*globals(), *__all__])
