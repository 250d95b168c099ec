"""Datasets: reading, checking, writing and feeding them to training.

    train, validation = centernet.data.load("bccd/", format="voc")
    centernet.data.write((train, validation), "bccd_coco", format="coco")

Neither Keras nor TensorFlow is loaded by it: every public name is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from centernet.data.dataset import Dataset as Dataset
    from centernet.data.reading import load as load
    from centernet.data.sample import Sample as Sample
    from centernet.data.writing import write as write

# Public name → module that has it.
_PUBLIC = {
    "Dataset": "centernet.data.dataset",
    "Sample": "centernet.data.sample",
    "load": "centernet.data.reading",
    "write": "centernet.data.writing",
}

__all__ = [*_PUBLIC]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'centernet.data' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names."""
    return sorted([*globals(), *__all__])
