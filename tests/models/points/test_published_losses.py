"""What the published detectors would have been trained with: the losses of whole networks on two images."""

from __future__ import annotations

import dataclasses
import gc
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import pytest
from backends import forward
from goldens import images
from goldens.checkpoints import write_training
from goldens.point_training import CANVAS, loss_objects, reference_losses
from keras import ops

import centernet
from centernet.models.settings import MASK_RULES, PointTargetSettings

CASES = {"2020-07": "published_loss_batch", "2021-07": "loss_batch"}
NETWORKS = (
    "centernet_mobilenetv2fpn_512x512_coco17_kpts",
    "centernet_resnet50_v2_512x512_coco17_tpu-8",
    pytest.param("centernet_hg104_512x512_kpts_coco17_tpu-32", marks=pytest.mark.heavy),
)


@pytest.fixture(scope="module", params=NETWORKS)
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any]]:
    """A detector with stand-in weights, and its maps of the small canvas and the canvas's mirror image."""
    folder = tmp_path_factory.mktemp("checkpoint")
    detector = centernet.load(request.param, weights=write_training(request.param, folder / "ckpt-0"))
    shutil.rmtree(folder)
    canvas = dataclasses.replace(detector.config.preprocessing, size=CANVAS)
    batch = canvas(ops.convert_to_tensor(images.small_canvas()[None]), ops.convert_to_tensor([CANVAS]))
    batch = ops.concatenate([batch, ops.flip(batch, axis=2)], axis=0)
    yield detector, forward(detector, batch)
    del detector
    keras.backend.clear_session()
    gc.collect()


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """JAX compiles every operation for every shape; once for all of them is quicker."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    return function


@pytest.mark.parametrize("rule", MASK_RULES)
@pytest.mark.parametrize("count", [1, 2])
def test_the_losses_are_the_reference_s(network: tuple[Any, Any], rule: str, count: int) -> None:
    detector, maps = network
    detector.target_settings = PointTargetSettings(keypoint_mask=rule)
    y = {name: value[:count] for name, value in loss_objects(detector.config.name).items()}
    y |= {"image_sizes": np.int32([images.SMALL_SIZE] * count)}
    tensors = keras.tree.map_structure(lambda value: ops.convert_to_tensor(value[:count]), (maps, y))
    losses = compiled(lambda maps, y: detector.training_losses(maps, y, CANVAS))(*tensors)
    found = {name: float(loss) for name, loss in losses.items()}
    assert found == pytest.approx(reference_losses(detector.config.name, f"{CASES[rule]}{count}"), rel=1e-5)
