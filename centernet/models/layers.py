"""The layers of Keypoint Triplets, for any Keras model."""

from __future__ import annotations

from centernet.models.triplets.pooling import (
    BottomPool,
    CascadeCornerPooling,
    CenterPooling,
    CornerPooling,
    LeftPool,
    RightPool,
    TopPool,
)

__all__ = [
    "BottomPool",
    "CascadeCornerPooling",
    "CenterPooling",
    "CornerPooling",
    "LeftPool",
    "RightPool",
    "TopPool",
]
