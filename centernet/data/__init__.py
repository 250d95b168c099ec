"""Datasets: reading, checking, writing and batching for training. Importing it loads neither Keras nor TensorFlow.

train, validation = centernet.data.load("bccd/", format="voc")
centernet.data.write((train, validation), "bccd_coco", format="coco")
"""

from centernet.data.dataset import Dataset
from centernet.data.in_memory import (
    from_datumaro,
    from_huggingface,
    from_samples,
    from_supervision,
    from_torchvision,
)
from centernet.data.reading import load
from centernet.data.sample import Sample
from centernet.data.writing import write

__all__ = [
    "Dataset",
    "Sample",
    "from_datumaro",
    "from_huggingface",
    "from_samples",
    "from_supervision",
    "from_torchvision",
    "load",
    "write",
]
