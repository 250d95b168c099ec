"""Writes `all_types_*.pth`; needs PyTorch (2.13 wrote those that are here).

python generate.py
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import torch

HERE = Path(__file__).parent
TYPES = {
    "float": torch.float32,
    "double": torch.float64,
    "half": torch.float16,
    "bfloat16": torch.bfloat16,
    "long": torch.int64,
    "int": torch.int32,
    "short": torch.int16,
    "char": torch.int8,
    "byte": torch.uint8,
    "bool": torch.bool,
}


def state_dict() -> OrderedDict[str, torch.Tensor]:
    tensors = {name: torch.arange(6).reshape(2, 3).to(kind) for name, kind in TYPES.items()}
    shared = torch.arange(24, dtype=torch.float32).reshape(4, 6) / 8
    tensors |= {"transposed": shared.t(), "window": shared[1:3, 2:5]}
    tensors |= {"scalar": torch.tensor(480000), "empty": torch.zeros(0, 3)}
    state = OrderedDict((f"module.{name}", tensor) for name, tensor in tensors.items())
    state._metadata = OrderedDict([("", {"version": 1}), ("module", {"version": 2})])
    return state


def optimizer_state() -> dict[str, object]:
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.Adam([weight])
    weight.sum().backward()
    optimizer.step()
    return optimizer.state_dict()


def main() -> None:
    content = {"epoch": 140, "state_dict": state_dict(), "optimizer": optimizer_state()}
    torch.save(content, HERE / "all_types_zip.pth")
    # What a machine with a GPU writes.
    torch.serialization.location_tag = lambda storage: "cuda:0"
    torch.save(content, HERE / "all_types_legacy_cuda.pth", _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    main()
