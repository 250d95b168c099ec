"""Fixtures of the tests of PyTorch's files: opening one of given bytes, and seeing it refused."""

import pytest
from pytorch_files import contents

from centernet.checkpoints.pytorch.checkpoint import PyTorchCheckpoint
from centernet.errors import CheckpointError


@pytest.fixture
def opened(tmp_path):
    def opened(data):
        path = tmp_path / "weights.pth"
        path.write_bytes(data)
        return PyTorchCheckpoint(path)

    return opened


@pytest.fixture
def refused(opened):
    def refused(data, reason):
        with pytest.raises(CheckpointError, match=reason) as caught:
            contents(opened(data))
        return str(caught.value)

    return refused
