"""The networks of Keypoint Triplets against PyTorch, and their decoder against NumPy.

`python tests/benchmarks/bench_triplets.py network RUNS` needs PyTorch beside TensorFlow; both get the same weights, and
their head maps are compared before they are timed. `python tests/benchmarks/bench_triplets.py decode RUNS` needs
neither weights nor PyTorch.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from timing import interleave, print_table

SIDE, CELLS, CLASSES = 511, 128, 80
NETWORKS = {"centernet_triplet_hourglass52": 1, "centernet_triplet_hourglass104": 2}  # name → stacks
TORCH = "PyTorch, eager"


def networks(runs: int) -> None:
    """Time each network on one image, compiled as `detect` compiles it."""
    import tensorflow as tf
    import torch
    import torch.fx.experimental.optimization
    from torch_triplets import Triplets

    import centernet
    from centernet.cli.commands.benchmark import compile_network

    batch = np.random.default_rng(0).standard_normal((1, SIDE, SIDE, 3), np.float32)
    for name, stacks in NETWORKS.items():
        network = filled(Triplets(stacks).eval())
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "weights.pth"
            torch.save(network.state_dict(), path)
            detector = centernet.load(name, weights=path)
        ours, ours_batch = compile_network(detector), tf.constant(batch)
        theirs = torch.from_numpy(np.ascontiguousarray(np.moveaxis(batch, -1, 1)))
        sides: dict[str, Callable[[], Any]] = {
            "centernet, as `detect` runs it": lambda ours=ours, x=ours_batch: ours(x),
            **torch_sides(network, theirs),
        }
        maps = {key: np.moveaxis(value.numpy(), 1, -1) for key, value in sides[TORCH]().items()}
        worst = max(np.abs(np.asarray(value) - maps[key]).max() for key, value in ours(ours_batch).items())
        print(f"load {os.getloadavg()[0]:.1f}; head maps differ by at most {worst:.1e}\n")
        print_table(f"{name}, network alone, one image of {SIDE}×{SIDE}", interleave(sides, runs), TORCH)


def filled(network: Any) -> Any:
    """The network with weights that keep features of order 1."""
    import torch
    import torch.fx.experimental.optimization

    sys.path.insert(0, str(Path(__file__).parents[1]))
    from goldens.triplets.seeded import stand_in

    state = {key: torch.from_numpy(stand_in(key, tuple(old.shape))) for key, old in network.state_dict().items()}
    network.load_state_dict(state)
    return network


def torch_sides(network: Any, batch: Any) -> dict[str, Callable[[], Any]]:
    """PyTorch as people run it, and with what it offers to make it quicker."""
    import copy

    import torch
    import torch.fx.experimental.optimization

    def run(module: Any, x: Any) -> Any:
        with torch.inference_mode():
            return module(x)

    folded = torch.fx.experimental.optimization.fuse(network)
    last = copy.deepcopy(folded).to(memory_format=torch.channels_last)
    batch_last = batch.contiguous(memory_format=torch.channels_last)
    return {
        TORCH: lambda: run(network, batch),
        "PyTorch, batch normalization folded": lambda: run(folded, batch),
        "PyTorch, folded, channels last": lambda: run(last, batch_last),
    }


def decoding(runs: int) -> None:
    """Time what follows the network for one image: by graph and host as `detect` goes, and in NumPy."""
    import tensorflow as tf
    from keras import ops

    from centernet import TripletDetector
    from centernet.models.triplets.geometry import fit_canvas
    from centernet.models.triplets.passes import Pass, keypoint_rows, merge

    detector = TripletDetector("mobilenetv2_fpn", image_size=(CELLS * 4, CELLS * 4))
    settings, size = detector.config.decoder, np.array([[CELLS * 4, CELLS * 4]], np.int32)
    canvas = fit_canvas(detector.config.preprocessing, (CELLS * 4, CELLS * 4))
    maps = some_maps()
    tensors = {name: tf.constant(value) for name, value in maps.items()}
    both = {name: tf.concat([value, value[:, :, ::-1]], axis=0) for name, value in tensors.items()}
    decode = tf.function(lambda found: detector.decode({n: [m] for n, m in found.items()}, size), autograph=False)
    rows = tf.function(lambda found: keypoint_rows(found, settings), autograph=False)

    def passes(found: Any) -> Any:
        each = zip(*map(ops.convert_to_numpy, rows(found)), strict=True)
        return merge([Pass(canvas, pairs, centers, bool(row)) for row, (pairs, centers) in enumerate(each)], settings)

    expected, found = numpy_decode(maps, settings), ops.convert_to_numpy(decode(tensors)["scores"])[0]
    np.testing.assert_allclose(found[found > 0], expected[: len(found), 4], atol=1e-6)
    sides = {
        "decode, one pass": lambda: decode(tensors),
        "pairs, merged with soft-NMS, one pass": lambda: passes(tensors),
        "pairs, merged with soft-NMS, a mirrored pass too": lambda: passes(both),
        "NumPy loop over corners and pairs, one pass, no soft-NMS": lambda: numpy_decode(maps, settings),
    }
    title = f"Decoding maps of {CELLS}×{CELLS}×{CLASSES}, {settings.keypoints} keypoints, load {os.getloadavg()[0]:.1f}"
    print(f"{len(expected)} triplets")
    print_table(title, interleave(sides, runs), next(iter(sides)))


def some_maps() -> dict[str, np.ndarray]:
    """Head maps of noise: many corners, of which many belong together."""
    from centernet.models.triplets.heads import BRANCHES, head_channels

    rng, maps = np.random.default_rng(0), {}
    for branch in BRANCHES:
        for name, channels in head_channels(branch, CLASSES).items():
            mean, spread = (-3, 2) if name == branch else (0.5, 0.3)
            maps[name] = np.float32(rng.normal(mean, spread, (1, CELLS, CELLS, channels)))
        maps[branch][..., 3:] -= 3  # mostly three classes, as in an image
    return maps


def numpy_decode(maps: dict[str, np.ndarray], settings: Any) -> np.ndarray:
    """Boxes in pixels, scores and classes, best first."""
    found = {name: keypoints(maps, name, settings.keypoints) for name in ("top_left", "bottom_right", "center")}
    rows = []
    for x0, y0, class_id, first, tag in found["top_left"]:
        for x1, y1, other_class, second, other_tag in found["bottom_right"]:
            alike = class_id == other_class and abs(tag - other_tag) <= settings.embedding_threshold
            if alike and x1 >= x0 and y1 >= y0:
                rows.append([x0, y0, x1, y1, (first + second) / 2, class_id])
    rows = sorted(rows, key=lambda row: -row[4])[: settings.max_pairs]
    return np.float32(sorted((row for row in map(joined(found["center"], settings), rows) if row), key=lambda r: -r[4]))


def joined(centers: Any, settings: Any) -> Callable[[Any], Any]:
    """A pair's box in pixels with the score of its triplet, or nothing."""
    limit = 4 * CELLS

    def join(row: Any) -> Any:
        corners = np.float32(row[:4]) * 4
        if corners[:2].min() <= -5 or corners[2:].max() >= limit + 5:
            return None
        x0, y0, x1, y1 = corners.clip(0, limit)
        n = 5 if (x1 - x0) * (y1 - y0) > settings.large_area else 3
        left, right = ((n + 1) * x0 + (n - 1) * x1) / (2 * n), ((n - 1) * x0 + (n + 1) * x1) / (2 * n)
        top, bottom = ((n + 1) * y0 + (n - 1) * y1) / (2 * n), ((n - 1) * y0 + (n + 1) * y1) / (2 * n)
        best = -1.0
        for x, y, class_id, score, _ in centers:
            if class_id == row[5] and left < 4 * x < right and top < 4 * y < bottom:
                best = max(best, score)
        return [x0, y0, x1, y1, (2 * row[4] + best) / 3, row[5]] if best >= 0 else None

    return join


def keypoints(maps: dict[str, np.ndarray], name: str, count: int) -> list[Any]:
    """Best peaks of a heatmap: x, y in cells, class, score, embedding."""
    heatmap = 1 / (1 + np.exp(-maps[name][0]))
    padded = np.pad(heatmap, ((1, 1), (1, 1), (0, 0)))
    windows = [padded[y : y + CELLS, x : x + CELLS] for y in range(3) for x in range(3)]
    peaks = np.where(heatmap == np.maximum.reduce(windows), heatmap, 0).ravel()
    best = np.argpartition(-peaks, count)[:count]
    rows = []
    for place in best[np.argsort(-peaks[best], kind="stable")]:
        row, column, class_id = np.unravel_index(place, heatmap.shape)
        x, y = maps[f"{name}_offset"][0, row, column] + (column, row)
        tag = maps[f"{name}_embedding"][0, row, column, 0] if name != "center" else 0
        rows.append([float(x), float(y), int(class_id), float(peaks[place]), float(tag)])
    return rows


if __name__ == "__main__":
    {"network": networks, "decode": decoding}[sys.argv[1]](int(sys.argv[2]))
