"""Files of PyTorch that tests write, and what is read from them."""

from pathlib import Path

import numpy as np
import pytest
from pytorch_writer import Pickler, Raw, Stored, legacy, zipped

from centernet.checkpoints.pytorch.checkpoint import PyTorchCheckpoint
from centernet.errors import CheckpointError

FOLDER = Path(__file__).parents[1] / "goldens" / "pytorch"
CONTAINERS = pytest.mark.parametrize("container", [legacy, zipped])
WEIGHTS = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def code(*parts):
    """A description: opcodes, and values that are pickled as torch.save does."""
    pickler = Pickler("cpu", legacy=False)
    for part in parts:
        pickler.save(Raw(part) if isinstance(part, bytes) else part)
    return bytes(pickler.out + b".")


def contents(checkpoint):
    return {key: checkpoint.read(key) for key in checkpoint.shapes}


def same(first, second):
    return (
        first.keys() == second.keys()
        and all(type(first[key]) is np.ndarray for key in first)
        and all(first[key].dtype == second[key].dtype for key in first)
        and all(first[key].shape == second[key].shape for key in first)
        and all(first[key].tobytes() == second[key].tobytes() for key in first)
    )


def read_or_refuse(folder, data):
    path = folder / "changed.pth"
    path.write_bytes(data)
    try:
        return contents(PyTorchCheckpoint(path))
    except CheckpointError:
        return None


def stored(size=24, key="0"):
    return Stored(key, "FloatStorage", np.arange(size, dtype=np.float32).tobytes(), size)
