#!/usr/bin/env bash
# The CenterNet task of Model Garden has a weight_decay that changes no training, and a brightness that changes no photo.
#
# Guess before running: task.weight_decay (5e-4 by default) is an L2 loss on the kernels, and aug_rand_brightness moves
# values by up to a fifth of their range.
# Seen (tf-models-official 2.20.0): the backbone gets L2 regularizers and their losses can be asked for, but the training
# step adds none of them: a step with weight_decay 0 and one with 1000 end in the same weights, bit for bit. Brightness is
# added as at most 0.2 to values up to 255 (without odapi_augmentation), which rounds away.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tf-models-official==2.20.0 "setuptools<81"
cat >"$folder/run.py" <<'PYTHON'
import os
import sys
from importlib.metadata import version

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf
import tf_keras
from official.projects.centernet.common import registry_imports  # noqa: F401
from official.projects.centernet.configs import backbones, centernet
from official.projects.centernet.dataloaders import centernet_input
from official.projects.centernet.tasks.centernet import CenterNetTask


def weights_after_a_step(weight_decay: float) -> tuple[list[np.ndarray], float]:
    """The weights after a step from the same ones, and the sum of the regularization losses."""
    tf_keras.utils.set_random_seed(0)
    hourglass = backbones.Hourglass(model_id=10, num_hourglasses=1, input_channel_dims=8)
    model = centernet.CenterNetModel(
        num_classes=2,
        input_size=[64, 64, 3],
        backbone=backbones.Backbone(type="hourglass", hourglass=hourglass),
        head=centernet.CenterNetHead(input_levels=["2"]),
    )
    task = CenterNetTask(centernet.CenterNetTask(model=model, weight_decay=weight_decay))
    network = task.build_model()
    boxes = np.full((1, 128, 4), 0.0, np.float32)
    boxes[0, 0] = [8, 8, 40, 48]
    labels = {
        "unpad_image_shapes": tf.constant([[64.0, 64.0]]),
        "boxes": tf.constant(boxes),
        "classes": tf.constant(np.where(np.arange(128) == 0, 1, -1)[None].astype(np.int32)),
        "groundtruths": {"num_detections": tf.constant([1])},
    }
    image = tf.random.stateless_uniform((1, 64, 64, 3), (1, 2))
    task.train_step((image, labels), network, tf_keras.optimizers.Adam(1e-3))
    return network.get_weights(), float(sum(tf.reduce_sum(loss) for loss in network.losses) if network.losses else 0.0)


def brightest_change() -> float:
    """The largest change that the augmentation of a parser makes to a gray photo, of 255."""
    parser = centernet_input.CenterNetParser(
        output_height=64, output_width=64, aug_rand_hflip=False, aug_rand_brightness=True, dtype="float32"
    )
    data = {
        "image": tf.fill((64, 64, 3), tf.constant(128, tf.uint8)),
        "groundtruth_boxes": tf.constant([[0.1, 0.1, 0.5, 0.5]]),
        "groundtruth_classes": tf.constant([1]),
        "groundtruth_is_crowd": tf.constant([False]),
        "groundtruth_area": tf.constant([100.0]),
        "source_id": tf.constant("1"),
        "height": tf.constant(64),
        "width": tf.constant(64),
    }
    plain = tf.constant(128.0)
    changes = []
    for seed in range(20):
        tf.random.set_seed(seed)
        image, _ = parser._parse_train_data(data)
        std, mean = np.array(parser._channel_stds), np.array(parser._channel_means)
        changes.append(np.abs(image.numpy() * std + mean - plain.numpy()).max())
    return float(max(changes))


(without, none), (strong, penalty) = weights_after_a_step(0.0), weights_after_a_step(1000.0)
same = all(np.array_equal(a, b) for a, b in zip(without, strong))
change = brightest_change()
print("tf-models-official", version("tf-models-official"), "same weights:", same)
print(f"regularization losses: {none:.1f} and {penalty:.1f}; brightest change: {change:.2f} of 255")
sys.exit(0 if same and none == 0.0 and penalty > 1000 and change < 0.5 else 1)
PYTHON
"$folder/venv/bin/python" "$folder/run.py"
