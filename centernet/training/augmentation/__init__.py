"""Augmentation: random changes of a batch of images and their objects, on the device."""

from __future__ import annotations

from centernet.training.augmentation.augmentation import Augmentation
from centernet.training.settings import AugmentationSettings

__all__ = ["Augmentation", "AugmentationSettings"]
