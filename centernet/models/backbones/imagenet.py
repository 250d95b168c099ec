"""The trunks of keras.applications, and the files of their ImageNet weights in Keras's cache folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from centernet.errors import ConfigError, DownloadError
from centernet.files.environment import is_offline
from centernet.models.backbones.build import IMAGENET, InputShape

URL = "https://storage.googleapis.com/tensorflow/keras-applications"
# Network → MD5 of the file without the classifier, as keras.applications.resnet has it.
RESNETS: Mapping[str, str] = {
    "ResNet50": "4d473c1dd8becc155b73f8504c6f6626",
    "ResNet101": "88cf7a10940856eca736dc7b7e228a21",
    "ResNet50V2": "fac2f116257151a9d068a22e544a4917",
    "ResNet101V2": "c0ed64b8031c3730f411d2eb4eea35b5",
}
# Widths and input sizes that keras.applications.MobileNetV2 has weights for; other sizes get those of the last.
ALPHAS = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)
SIDES = (96, 128, 160, 192, 224)


def build_trunk(network: str, input_shape: InputShape, weights: str | None, *, alpha: float = 1.0) -> keras.Model:
    """A network of keras.applications without its classifier.

    Args:
        network: Its name there: `MobileNetV2` or a key of `RESNETS`.
        input_shape: `(height, width, 3)`; None for a size that varies.
        weights: `"imagenet"` for those weights; anything else for random ones.
        alpha: Width multiplier of MobileNetV2.

    Returns:
        The network.

    Raises:
        ConfigError: If there are no weights for this width.
        DownloadError: If the weights are not there and can't be fetched, or `CENTERNET_OFFLINE` forbids it.
    """
    options: dict[str, Any] = {} if network in RESNETS else {"alpha": alpha}
    if weights == IMAGENET:
        options["weights"] = str(_fetch(*_file(network, input_shape, alpha)))
    build = getattr(keras.applications, network)
    return build(**{"include_top": False, "weights": None, "input_shape": input_shape, **options})


def _file(network: str, input_shape: InputShape, alpha: float) -> tuple[str, str, str | None]:
    """Folder under `URL` and name of a file, and its MD5 where Keras has one."""
    if network in RESNETS:
        return "resnet", f"{network.lower()}_weights_tf_dim_ordering_tf_kernels_notop.h5", RESNETS[network]
    if alpha not in ALPHAS:
        raise ConfigError(f"Expected an alpha of {ALPHAS} for ImageNet weights. Received: alpha={alpha}")
    height, width = input_shape[:2]
    side = height if height == width and height in SIDES else SIDES[-1]
    name = f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{float(alpha)}_{side}_no_top.h5"
    return "mobilenet_v2", name, None


def _fetch(folder: str, name: str, md5: str | None) -> Path:
    """The file on this machine, downloaded unless it is there."""
    cache = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()
    url, target = f"{URL}/{folder}/{name}", cache / "models" / name
    by_hand = f"Fetch {url} on a computer with a network and put it at {target}"
    if is_offline():
        if target.is_file():
            return target
        raise DownloadError(f"CENTERNET_OFFLINE is set and {target} is missing. {by_hand}, or unset CENTERNET_OFFLINE.")
    try:
        return Path(keras.utils.get_file(name, url, cache_subdir="models", cache_dir=str(cache), file_hash=md5))
    except Exception as error:  # what get_file raises when a download fails is no narrower
        raise DownloadError(f"The ImageNet weights {name} can't be fetched: {error}. {by_hand}.") from error
