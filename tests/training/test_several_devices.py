"""Two devices, and two processes, learn what one does: the same losses for the same batch."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from backends import backend

from centernet.errors import ConfigError

SCRIPT = Path(__file__).with_name("several_devices.py")
ON_TENSORFLOW = pytest.mark.skipif("backend() != 'tensorflow'", reason="tf.distribute is TensorFlow's")


def start(family: str, how: str, *arguments: str, out: Path | str = "") -> subprocess.Popen[str]:
    command = [sys.executable, str(SCRIPT), family, str(out), how, *arguments]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": backend()}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def losses(process: subprocess.Popen[str]) -> dict[str, list[float]]:
    printed, errors = process.communicate(timeout=400)
    assert process.returncode == 0, errors[-2000:]
    history = json.loads(printed.splitlines()[-1])
    history.pop("images_per_second", None)
    return history


def free_ports() -> list[str]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    ports = [str(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def assert_same(found: dict[str, list[float]], expected: dict[str, list[float]]) -> None:
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert found[name] == pytest.approx(values, rel=1e-4), name


@ON_TENSORFLOW
@pytest.mark.parametrize("family", ["points", "triplets"])
def test_mirrored_replicas_have_the_losses_of_one_device(family: str) -> None:
    expected = losses(start(family, "one"))
    assert_same(losses(start(family, "mirrored")), expected)


@ON_TENSORFLOW
def test_two_processes_have_the_losses_of_one_and_only_the_first_writes(tmp_path: Path) -> None:
    ports, out = free_ports(), tmp_path / "out"
    workers = [start("points", "worker", index, *ports, out=out) for index in ("0", "1")]
    expected = losses(start("points", "one"))
    for process in workers:
        assert_same(losses(process), expected)
    assert sorted(file.name for file in out.iterdir()) == ["model", "state"]
    assert json.loads((out / "state" / "position.json").read_text("utf-8")) == {"epoch": 2, "step": 0}


@pytest.mark.skipif("backend() != 'jax'", reason="keras.distribution is for JAX")
def test_data_parallel_devices_have_the_losses_of_one() -> None:
    expected = losses(start("points", "one"))
    assert_same(losses(start("points", "data_parallel")), expected)


@ON_TENSORFLOW
def test_what_several_devices_cannot_do_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from small import SIZE, small_detector

    from centernet.data import synthetic
    from centernet.training import fit as run

    monkeypatch.setattr(run, "strategy_of", lambda detector: SimpleNamespace(num_replicas_in_sync=2))
    scenes, detector = synthetic.shapes(8, SIZE, classes=("circle", "square")), small_detector(("circle", "square"))
    with pytest.raises(ConfigError, match=r"accumulate=1 under tf.distribute.*batch_size=8 instead"):
        detector.fit(scenes, batch_size=4, accumulate=2, verbose=0)
    with pytest.raises(ConfigError, match=r"2 replicas can share evenly. Received: batch_size=3"):
        detector.fit(scenes, batch_size=3, verbose=0)


@ON_TENSORFLOW
def test_a_detector_from_outside_the_scope_is_refused() -> None:
    import tensorflow as tf
    from small import SIZE, small_detector

    from centernet.data import synthetic

    detector = small_detector(("circle", "square"))
    with (
        tf.distribute.OneDeviceStrategy("CPU:0").scope(),
        pytest.raises(ConfigError, match=r"within the scope of the OneDeviceStrategy.*Move centernet.load into"),
    ):
        detector.fit(synthetic.shapes(8, SIZE, classes=("circle", "square")), batch_size=4, verbose=0)


@ON_TENSORFLOW
def test_replicas_draw_different_numbers() -> None:
    process = start("points", "draws")
    printed, errors = process.communicate(timeout=400)
    assert process.returncode == 0, errors[-2000:]
    first, second, single = json.loads(printed.splitlines()[-1])
    assert first == single
    assert first != second
