"""Time and memory of loading Hourglass-104: `python tests/benchmarks/bench_loading.py`.

Each row is a process of its own, that imports everything before the clock starts; `read` reads all tensors of the
checkpoint into memory, and nothing else. Memory is the highest resident
size, less that of the imports.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NAME = "centernet_hg104_512x512_coco17_tpu-8"
WAYS = ("read", "build", "checkpoint", "saved")


def main() -> None:
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from goldens.checkpoints import write_training

    import centernet

    with tempfile.TemporaryDirectory() as folder:
        prefix, saved = Path(folder) / "ckpt-0", Path(folder) / "saved"
        write_training(NAME, prefix)
        centernet.load(NAME, weights=prefix).save(saved)
        size = Path(f"{prefix}.data-00000-of-00001").stat().st_size
        rows: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
        for _ in range(3):
            for way in WAYS:
                command = [sys.executable, __file__, way, str(prefix), str(saved)]
                line = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1]
                seconds, megabytes = map(float, line.split())
                rows[way].append((seconds, megabytes))
    _print(rows, size)


def _print(rows: dict[str, list[tuple[float, float]]], size: int) -> None:
    print(f"Hourglass-104, {size / 1e6:.0f} MB of weights\n")
    print("| what | s | × read | MB | × weights |\n|---|---:|---:|---:|---:|")
    medians = {way: [sorted(values)[1] for values in zip(*times, strict=True)] for way, times in rows.items()}
    for way, (seconds, megabytes) in medians.items():
        ratio = seconds / medians["read"][0]
        print(f"| {way} | {seconds:.2f} | {ratio:.2f} | {megabytes:.0f} | {megabytes * 1e6 / size:.2f} |")


def one(way: str, prefix: str, saved: str) -> None:
    """Time one way and print seconds and megabytes."""
    import tensorflow as tf

    import centernet
    import centernet.models.points.detector
    from centernet.loading import load_keras as loader
    from centernet.models import presets

    before = _peak()
    start = time.perf_counter()
    if way == "read":
        reader = tf.train.load_checkpoint(prefix)
        tensors = [reader.get_tensor(key) for key in reader.get_variable_to_shape_map()]
        assert tensors
    elif way == "build":
        loader.build(presets.find_model(NAME), initialize=False)
    elif way == "checkpoint":
        centernet.load(NAME, weights=prefix)
    else:
        centernet.load(saved)
    print(time.perf_counter() - start, _peak() - before)


def _peak() -> float:
    """Highest resident size so far, in megabytes (not that of the process which started this one)."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) * 1024 / 1e6


if __name__ == "__main__":
    one(*sys.argv[1:]) if len(sys.argv) > 1 else main()
