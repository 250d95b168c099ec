"""ImageNet weights: the files of keras.applications, where Keras keeps them, and what is said where there is none."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras.src.utils import file_utils

from centernet.errors import ConfigError, DownloadError
from centernet.models.backbones import MobileNetV2FPN, build_backbone
from centernet.models.backbones.imagenet import ALPHAS, RESNETS, SIDES, build_trunk

ANY: tuple[None, None, int] = (None, None, 3)
MOBILENETS = [{"alpha": alpha} for alpha in ALPHAS]
CASES = [
    *((network, ANY, {}) for network in RESNETS),
    *(("MobileNetV2", ANY, options) for options in MOBILENETS),
    *(("MobileNetV2", (side, side, 3), {}) for side in (*SIDES, 256)),
    ("MobileNetV2", (96, 128, 3), {}),
]


class AskedError(Exception):
    """Raised in place of a download, with what was asked for."""


@pytest.fixture(autouse=True)
def keras_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("CENTERNET_OFFLINE", raising=False)
    return tmp_path


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], tuple[Any, ...]]:
    """Gives the name, address, folder and hash of the file that a call would fetch."""

    def ask(fname: str, origin: str, cache_subdir: str, file_hash: str | None = None, **_: Any) -> None:
        raise AskedError(fname, origin, cache_subdir, file_hash)

    for module in (file_utils, keras.utils):
        monkeypatch.setattr(module, "get_file", ask)

    def call(build: Callable[[], Any]) -> tuple[Any, ...]:
        with pytest.raises((AskedError, DownloadError)) as caught:
            build()
        error: Any = caught.value
        return error.args if isinstance(error, AskedError) else error.__cause__.args

    return call


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setenv("CENTERNET_OFFLINE", "1")
    monkeypatch.setattr(keras.utils, "get_file", refuse)
    monkeypatch.setattr(file_utils, "get_file", refuse)


@pytest.mark.filterwarnings("ignore:`input_shape` is undefined")  # theirs
@pytest.mark.parametrize(("network", "shape", "options"), CASES, ids=str)
def test_the_files_are_those_of_keras_applications(asked: Any, network: str, shape: Any, options: Any) -> None:
    theirs = getattr(keras.applications, network)
    expected = asked(lambda: theirs(include_top=False, weights="imagenet", input_shape=shape, **options))
    assert asked(lambda: build_trunk(network, shape, "imagenet", **options)) == expected


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("name", ["mobilenetv2_fpn", "resnet50_v1_fpn", "resnet101_v2"])
def test_offline_the_message_says_which_file_is_needed_where(name: str, keras_home: Path) -> None:
    missing = (
        rf"CENTERNET_OFFLINE is set and {keras_home}/models/\S*top\.h5 is missing\. Fetch https://storage\.\S*top\.h5"
    )
    with pytest.raises(DownloadError, match=missing):
        build_backbone(name, weights="imagenet")


@pytest.mark.usefixtures("offline")
def test_offline_a_file_that_is_there_is_used(keras_home: Path) -> None:
    trunk = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=ANY, alpha=0.35)
    path = keras_home / "models" / "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"
    path.parent.mkdir()
    trunk.save(path)  # the older form, which theirs have
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        network = MobileNetV2FPN(alpha=0.35, weights="imagenet")
    kernels = [model.get_layer("Conv1").get_weights()[0] for model in (network, trunk)]
    np.testing.assert_array_equal(*kernels)


def test_a_download_that_fails_says_what_to_do(monkeypatch: pytest.MonkeyPatch, keras_home: Path) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise Exception("URL fetch failure on https://...: None -- [Errno -2] Name or service not known")

    monkeypatch.setattr(keras.utils, "get_file", fail)
    with pytest.raises(DownloadError, match=rf"resnet50_.*can't be fetched: URL fetch.*put it at {keras_home}/models"):
        build_backbone("resnet50_v1_fpn", weights="imagenet")


def test_there_are_no_imagenet_weights_for_a_width_of_one_s_own() -> None:
    with pytest.raises(ConfigError, match=r"an alpha of .*Received: alpha=0\.6"):
        MobileNetV2FPN(alpha=0.6, weights="imagenet")
