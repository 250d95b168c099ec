"""The network of Keypoint Triplets in PyTorch, to be timed against: for inference, with the published keys.

Directional pools are maxima over 1, 2, 4, … lines, which is several times faster on a CPU than
`torch.cummax`. Only the last stack has pooling modules and heads, as at test time.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

WIDTHS, BLOCKS = (256, 256, 384, 384, 384, 512), (2, 2, 2, 2, 2, 4)
HEADS = {"tl": ("heats", "tags", "regrs"), "br": ("heats", "tags", "regrs"), "ct": ("heats", "regrs")}
CHANNELS = {"heats": 80, "tags": 1, "regrs": 2}
# Ours → the reference's.
BRANCHES = {"tl": "top_left", "br": "bottom_right", "ct": "center"}
KINDS = {"heats": "", "tags": "_embedding", "regrs": "_offset"}
ROWS, COLUMNS = 2, 3  # axes of (batch, channels, height, width)


def conv(size: int, inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, stride, (size - 1) // 2, bias=False)


class Convolution(nn.Module):
    def __init__(self, size: int, inputs: int, outputs: int, stride: int = 1, norm: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, stride, (size - 1) // 2, bias=not norm)
        self.bn = nn.BatchNorm2d(outputs) if norm else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu_(self.bn(self.conv(x)))


class Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(3, inputs, outputs, stride), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = conv(3, outputs, outputs), nn.BatchNorm2d(outputs)
        self.skip = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.skip = nn.Sequential(conv(1, inputs, outputs, stride), nn.BatchNorm2d(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu_(self.bn1(self.conv1(x)))
        return torch.relu_(self.bn2(self.conv2(y)).add_(self.skip(x)))


class Level(nn.Module):
    def __init__(self, level: int = 0) -> None:
        super().__init__()
        here, below = WIDTHS[level : level + 2]
        self.up1 = residuals(BLOCKS[level], here, here)
        self.low1 = residuals(BLOCKS[level], here, below, 2)
        bottom = level + 2 == len(WIDTHS)
        self.low2 = residuals(BLOCKS[-1], below, below) if bottom else Level(level + 1)
        self.low3 = nn.Sequential(Residual(below, below), Residual(below, here))
        self.up2 = nn.Upsample(scale_factor=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.up2(self.low3(self.low2(self.low1(x)))).add_(self.up1(x))


def residuals(count: int, inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(Residual(inputs, outputs, stride), *(Residual(outputs, outputs) for _ in range(count - 1)))


@torch.fx.wrap  # its loop depends on the size
def pool(x: torch.Tensor, axis: int, reverse: bool) -> torch.Tensor:
    """Running maximum from the beginning of an axis or from its end."""
    reach, length = 1, x.shape[axis]
    while reach < length:
        shifted = torch.maximum(x.narrow(axis, reach, length - reach), x.narrow(axis, 0, length - reach))
        kept = x.narrow(axis, length - reach if reverse else 0, reach)
        x = torch.cat([shifted, kept] if reverse else [kept, shifted], dim=axis)
        reach *= 2
    return x


class Pooling(nn.Module):
    """Cascade corner pooling, or center pooling."""

    def __init__(self, branch: str, width: int = 256, inner: int = 128) -> None:
        super().__init__()
        self.branch, self.reverse = branch, branch == "tl"
        self.p1_conv1, self.p2_conv1 = Convolution(3, width, inner), Convolution(3, width, inner)
        self.p_conv1, self.p_bn1 = conv(3, inner, width), nn.BatchNorm2d(width)
        self.conv1, self.bn1 = conv(1, width, width), nn.BatchNorm2d(width)
        self.conv2 = Convolution(3, width, width)
        if branch != "ct":
            self.look_conv1, self.look_conv2 = Convolution(3, width, inner), Convolution(3, width, inner)
            self.P1_look_conv, self.P2_look_conv = conv(3, inner, inner), conv(3, inner, inner)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a, b = self.p1_conv1(x), self.p2_conv1(x)
        if self.branch == "ct":
            joined = a.amax(ROWS, keepdim=True) + b.amax(COLUMNS, keepdim=True)
        else:
            a = self.P1_look_conv(a.add_(pool(self.look_conv1(x), COLUMNS, self.reverse)))
            b = self.P2_look_conv(b.add_(pool(self.look_conv2(x), ROWS, self.reverse)))
            joined = pool(a, ROWS, self.reverse) + pool(b, COLUMNS, self.reverse)
        merged = self.p_bn1(self.p_conv1(joined))
        return self.conv2(torch.relu_(merged.add_(self.bn1(self.conv1(x)))))


class Triplets(nn.Module):
    """From a normalized batch `(batch, 3, height, width)` to the head maps of the last stack, with our names."""

    def __init__(self, stacks: int, width: int = 256) -> None:
        super().__init__()
        each, between = range(stacks), range(stacks - 1)
        self.pre = nn.Sequential(Convolution(7, 3, 128, 2), Residual(128, 256, 2))
        self.kps = nn.ModuleList(Level() for _ in each)
        self.cnvs = nn.ModuleList(Convolution(3, width, width) for _ in each)
        for name in ("inters_", "cnvs_"):
            joint = (nn.Sequential(conv(1, width, width), nn.BatchNorm2d(width)) for _ in between)
            setattr(self, name, nn.ModuleList(joint))
        self.inters = nn.ModuleList(Residual(width, width) for _ in between)
        for branch, kinds in HEADS.items():
            setattr(self, f"{branch}_cnvs", nn.ModuleList(Pooling(branch) for _ in each))
            for kind in kinds:
                heads = (head(width, CHANNELS[kind]) for _ in each)
                setattr(self, f"{branch}_{kind}", nn.ModuleList(heads))

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        x = self.pre(x)
        for stack, (level, cnv) in enumerate(zip(self.kps, self.cnvs, strict=True)):
            y = cnv(level(x))
            if stack < len(self.inters):
                x = self.inters[stack](torch.relu_(self.inters_[stack](x) + self.cnvs_[stack](y)))
        maps = {}
        for branch, kinds in HEADS.items():
            pooled = self.part(branch, "cnvs")(y)
            for kind in kinds:
                maps[f"{BRANCHES[branch]}{KINDS[kind]}"] = self.part(branch, kind)(pooled)
        return maps

    def part(self, branch: str, kind: str) -> Any:
        return getattr(self, f"{branch}_{kind}")[-1]


def head(width: int, channels: int) -> nn.Sequential:
    return nn.Sequential(Convolution(3, width, width, norm=False), nn.Conv2d(width, channels, 1))
