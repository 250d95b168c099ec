import logging
import sys
from dataclasses import dataclass

import keras
import numpy as np
import pytest
from PIL import Image

from centernet import PointDetector
from centernet.cli.app import main
from centernet.loading.load_keras import load


@dataclass
class Outcome:
    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line that an error is."""
        (line,) = self.err.splitlines()
        assert line.startswith("error: ")
        return line


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A small network with random weights, whose scores are about 0.1 everywhere and whose boxes can be seen."""
    keras.utils.set_random_seed(0)
    backbone = {"name": "hourglass", "stacks": 1, "filters": [16, 16], "blocks": [1, 1], "stem_filters": 8}
    folder = tmp_path_factory.mktemp("models") / "tiny"
    detector = PointDetector(backbone, classes=["cat", "dog"], image_size=(64, 64), name="tiny")
    detector.get_layer("size_0").bias.assign([6.0, 6.0])
    detector.save(folder)
    return folder


@pytest.fixture(scope="session")
def compiled(tiny):
    """The small network, compiled once for all tests."""
    return load(tiny)


@pytest.fixture
def run(monkeypatch, capsys, tmp_path, tiny, compiled):
    def load_once(source, weights="published", classes=None, **options):
        changed = classes is not None or any(option is not None for option in options.values())
        again = str(source) == str(tiny) and weights == "published" and not changed
        return compiled if again else load(source, weights, classes, **options)

    monkeypatch.setattr("centernet.loading.load_keras.load", load_once)
    monkeypatch.delenv("COLUMNS", raising=False)  # which pytest-xdist sets
    monkeypatch.setenv("CENTERNET_OFFLINE", "1")
    monkeypatch.setenv("CENTERNET_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CENTERNET_DEBUG", "0")
    monkeypatch.setenv("CENTERNET_RUNTIME", "keras")  # auto would export the small network for every test
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    logger = logging.getLogger("centernet")
    before = logger.handlers[:], logger.level, logger.propagate
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["centernet", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        return Outcome(stopped.value.code, *capsys.readouterr())

    yield call
    logger.handlers[:], logger.level, logger.propagate = before


@pytest.fixture
def make_photo():
    """Writes a picture of random colors and gives its path."""

    def make(path, seed=0, size=(48, 80)):
        path.parent.mkdir(parents=True, exist_ok=True)
        rough = np.random.default_rng(seed).integers(0, 256, (6, 10, 3), np.uint8)
        Image.fromarray(rough).resize(size[::-1]).save(path)
        return path

    return make


@pytest.fixture
def photo(tmp_path, make_photo):
    return make_photo(tmp_path / "photo.jpg")
