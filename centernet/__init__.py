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
    from centernet import augmentation as augmentation
    from centernet import backbones as backbones
    from centernet import data as data
    from centernet import evaluation as evaluation
    from centernet import layers as layers
    from centernet.checkpoints.report import LoadReport as LoadReport
    from centernet.config import ModelConfig as ModelConfig
    from centernet.detector import Detector as Detector
    from centernet.draw import draw_detections as draw_detections
    from centernet.draw import draw_heatmap as draw_heatmap
    from centernet.errors import CenterNetError as CenterNetError
    from centernet.loader import load as load
    from centernet.points.point_detector import PointDetector as PointDetector
    from centernet.points.settings import DecoderSettings as DecoderSettings
    from centernet.points.settings import HeadSettings as HeadSettings
    from centernet.points.settings import KeypointTask as KeypointTask
    from centernet.preprocessing import Preprocessing as Preprocessing
    from centernet.presets import list_models as list_models
    from centernet.results import Detections as Detections
    from centernet.test_time import TestTime as TestTime
    from centernet.triplets.triplet_detector import TripletDetector as TripletDetector

    __version__: str

# Public name → module that has it.
_PUBLIC = {
    "CenterNetError": "centernet.errors",
    "Detections": "centernet.results",
    "Detector": "centernet.detector",
    "DecoderSettings": "centernet.points.settings",
    "HeadSettings": "centernet.points.settings",
    "KeypointTask": "centernet.points.settings",
    "LoadReport": "centernet.checkpoints.report",
    "ModelConfig": "centernet.config",
    "PointDetector": "centernet.points.point_detector",
    "Preprocessing": "centernet.preprocessing",
    "TestTime": "centernet.test_time",
    "TripletDetector": "centernet.triplets.triplet_detector",
    "draw_detections": "centernet.draw",
    "draw_heatmap": "centernet.draw",
    "list_models": "centernet.presets",
    "load": "centernet.loader",
}
_MODULES = ("augmentation", "backbones", "data", "evaluation", "layers")

__all__ = [*_PUBLIC, *_MODULES]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"centernet.{name}")
    if name == "__version__":
        return _version()
    raise AttributeError(f"module 'centernet' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names."""
    return sorted([*globals(), *__all__])


def _version() -> str:
    """The version of the installed package."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("centernet")
    except PackageNotFoundError:  # imported from a checkout that was never installed
        return "0+unknown"
