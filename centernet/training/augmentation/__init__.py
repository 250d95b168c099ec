"""Augmentation: batches of photos and their objects, changed at random on the device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from centernet.training.augmentation.settings import AugmentationSettings

if TYPE_CHECKING:
    from centernet.training.augmentation.augmentation import Augmentation as Augmentation

__all__ = ["Augmentation", "AugmentationSettings"]


def __getattr__(name: str) -> Any:
    """`Augmentation`, which needs Keras, when it is asked for."""
    if name == "Augmentation":
        from centernet.training.augmentation.augmentation import Augmentation

        return Augmentation
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
