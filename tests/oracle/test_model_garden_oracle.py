"""Model Garden's own CenterNet, built, saved, run and evaluated by its own code, against ours.

Needs the extra `official` (TensorFlow 2.20, over a gigabyte), so it runs in an environment of its own:
`pip install ".[official,test]"`, then `pytest -m official tests/oracle`.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("official", reason="needs the extra 'official' (tf-models-official) in its own environment")
pytestmark = pytest.mark.official

SIZE = 256
CLASSES = 7
IMAGE_SIZES = ((240, 240), (180, 256), (128, 96))
EXPERIMENT = f"""
task:
  model:
    num_classes: {CLASSES}
    input_size: [{SIZE}, {SIZE}, 3]
    backbone: {{type: hourglass, hourglass: {{model_id: 52, num_hourglasses: 2}}}}
  validation_data: {{dtype: float32}}
"""


class Reference(NamedTuple):
    """What Model Garden's code did with the images.

    `heads` is head name → list over stacks of `(batch, 64, 64, channels)`; `found` holds `boxes` `(batch,
    100, 4)` as `y0 x0 y1 x1` in pixels of the canvas, `classes` (from 1) and `confidence`; `info` is the
    evaluator's `image_info`.
    """

    experiment: Any
    checkpoint: str
    batch: np.ndarray
    info: np.ndarray
    heads: dict[str, list[np.ndarray]]
    found: dict[str, np.ndarray]


def photos():
    """Smooth random images, the same at every run."""
    rng = np.random.default_rng(5)
    for height, width in IMAGE_SIZES:
        noise = Image.fromarray(rng.integers(0, 256, (9, 9, 3), np.uint8))
        yield np.asarray(noise.resize((width, height), Image.Resampling.BICUBIC))


def seed_weights(model):
    """Random weights; residual branches are damped, so that the signal survives both hourglasses."""
    from official.vision.modeling.layers import nn_blocks

    rng = np.random.default_rng(7)
    draw = {
        "kernel": lambda shape: rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[:-1])),
        "gamma": lambda shape: rng.uniform(0.6, 1.2, shape),
        "moving_variance": lambda shape: rng.uniform(0.6, 1.4, shape),
    }
    for variable in model.variables:
        kind = variable.name.rsplit("/", 1)[-1].split(":")[0]
        variable.assign(draw.get(kind, lambda shape: 0.1 * rng.standard_normal(shape))(variable.shape))
    for block in model.backbone.submodules:
        if isinstance(block, nn_blocks.ResidualBlock):
            block._norm2.gamma.assign(0.3 * block._norm2.gamma)


def scale_heads(model, batch):
    """Give every channel of the heads the mean and spread of a trained model's, so that scores spread out."""
    wanted = {"ct_heatmaps": (-2.0, 1.0), "ct_offset": (0.5, 0.2), "ct_size": (6.0, 2.0)}
    maps = model(batch, training=False)["raw_output"]
    stacks = {name: iter(values) for name, values in maps.items()}
    for layer in model.head.layers:
        if layer.weights:
            name = layer.name.split("2")[0]
            values = next(stacks[name]).numpy().reshape(-1, layer.conv2.filters)
            mean, spread = wanted[name]
            factor = spread / values.std(axis=0)
            layer.conv2.kernel.assign(layer.conv2.kernel * factor)
            layer.conv2.bias.assign((layer.conv2.bias - values.mean(axis=0)) * factor + mean)


def preprocess(config):
    """The images as its parser prepares them for evaluation, and what it notes about them."""
    import tensorflow as tf
    from official.projects.centernet.dataloaders.centernet_input import CenterNetParser

    parser = config.task.validation_data.parser
    parse = CenterNetParser(
        output_width=SIZE,
        output_height=SIZE,
        bgr_ordering=parser.bgr_ordering,
        channel_means=parser.channel_means,
        channel_stds=parser.channel_stds,
        dtype=config.task.validation_data.dtype,
    ).parse_fn(is_training=False)
    nothing = {
        "groundtruth_boxes": tf.zeros((0, 4)),
        "groundtruth_classes": tf.zeros((0,), tf.int64),
        "groundtruth_area": tf.zeros((0,)),
        "groundtruth_is_crowd": tf.zeros((0,), tf.bool),
    }
    prepared = []
    for number, photo in enumerate(photos()):
        size = {"height": photo.shape[0], "width": photo.shape[1]}
        prepared.append(parse({"image": tf.constant(photo), "source_id": tf.constant(str(number)), **size, **nothing}))
    return np.stack([image for image, _ in prepared]), np.stack([label["image_info"] for _, label in prepared])


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    import tensorflow as tf
    from official.core import exp_factory
    from official.modeling import hyperparams
    from official.projects.centernet.common import registry_imports  # noqa: F401 - registers the experiment
    from official.projects.centernet.tasks.centernet import CenterNetTask

    folder = tmp_path_factory.mktemp("model_garden")
    experiment = folder / "experiment.yaml"
    experiment.write_text(EXPERIMENT)
    config = exp_factory.get_exp_config("centernet_hourglass_coco")
    config = hyperparams.override_params_dict(config, str(experiment), is_strict=True)
    model = CenterNetTask(config.task).build_model()
    batch, info = preprocess(config)
    seed_weights(model)
    scale_heads(model, batch)
    checkpoint = tf.train.Checkpoint(model=model, **model.checkpoint_items).save(str(folder / "ckpt"))
    found = tf.nest.map_structure(lambda value: value.numpy(), model(batch, training=False))
    return Reference(experiment, checkpoint, batch, info, found.pop("raw_output"), found)


@pytest.fixture(scope="module")
def detector(reference):
    import centernet

    return centernet.load(str(reference.experiment), weights=reference.checkpoint)


def to_numpy(value):
    from keras import ops

    return ops.convert_to_numpy(value)


def test_its_checkpoint_is_used_completely(detector):
    assert detector.count_params() > 190e6
    assert not detector.report.new


def test_images_are_prepared_as_its_parser_does(reference, detector):
    batch, sizes = detector.preprocess(list(photos()))
    assert sizes.tolist() == [list(size) for size in IMAGE_SIZES]
    np.testing.assert_allclose(to_numpy(batch), reference.batch, atol=1e-5)


@pytest.mark.parametrize(("ours", "theirs"), [("heatmap", "ct_heatmaps"), ("size", "ct_size"), ("offset", "ct_offset")])
def test_every_head_of_both_stacks_agrees(reference, detector, ours, theirs):
    maps = detector(reference.batch, training=False)[ours]
    assert len(maps) == len(reference.heads[theirs]) == 2
    for mine, other in zip(maps, reference.heads[theirs], strict=True):
        assert other.std() > 0.01
        np.testing.assert_allclose(to_numpy(mine), other, atol=1e-4)


def in_original_pixels(reference):
    """Its boxes as its evaluator scales them back, but ending where the image ends, as `x0 y0 x1 y1`.

    Model Garden lets boxes reach into the padding of the canvas; everything here ends at the image's border.
    """
    boxes = reference.found["boxes"] / np.tile(reference.info[:, 2:3], (1, 1, 2))
    limits = np.tile(np.array(IMAGE_SIZES, np.float32)[:, None], (1, 1, 2))
    return np.clip(boxes, 0, limits)[..., [1, 0, 3, 2]]


def test_its_detection_generator_and_our_decoder_read_the_same_boxes_from_its_heads(reference, detector):
    names = {"heatmap": "ct_heatmaps", "size": "ct_size", "offset": "ct_offset"}
    maps = {ours: reference.heads[theirs] for ours, theirs in names.items()}
    found = {key: to_numpy(value) for key, value in detector.decode(maps, np.array(IMAGE_SIZES)).items()}
    np.testing.assert_allclose(found["scores"], reference.found["confidence"], atol=1e-6)
    np.testing.assert_array_equal(found["class_ids"] + 1, reference.found["classes"])
    np.testing.assert_allclose(found["boxes"], in_original_pixels(reference), atol=1e-3)


def annotate(boxes, classes, path):
    """Annotations in COCO's form that overlap some of the detections well, some badly and some not at all."""
    rng = np.random.default_rng(11)
    annotations = []
    for image, (height, width) in enumerate(IMAGE_SIZES):
        sides = boxes[image, :, 2:] - boxes[image, :, :2]
        for index in np.flatnonzero((sides > 8).all(axis=1))[::4]:
            box = boxes[image, index] + rng.normal(0, 0.08, 4) * np.tile(sides[index], 2)
            x0, y0, x1, y1 = np.clip(box, 0, [width, height, width, height]).tolist()
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": int(classes[image, index]),
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "area": (x1 - x0) * (y1 - y0),
                    "iscrowd": 0,
                }
            )
    images = [{"id": i, "height": height, "width": width} for i, (height, width) in enumerate(IMAGE_SIZES)]
    categories = [{"id": i + 1, "name": f"class_{i}"} for i in range(CLASSES)]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))


def evaluate(annotation_file, boxes, scores, classes, info=None):
    """What its COCO evaluator says about detections `y0 x0 y1 x1`.

    They are in original pixels or, with the parser's `image_info`, in pixels of the canvas.
    """
    import tensorflow as tf
    from official.vision.evaluation.coco_evaluator import COCOEvaluator

    evaluator = COCOEvaluator(str(annotation_file), include_mask=False, need_rescale_bboxes=info is not None)
    predictions = {
        "source_id": np.arange(len(boxes)),
        "num_detections": np.full(len(boxes), boxes.shape[1]),
        "detection_boxes": boxes,
        "detection_scores": scores,
        "detection_classes": classes,
    }
    if info is not None:
        predictions["image_info"] = info
    evaluator.update_state({}, tf.nest.map_structure(tf.constant, predictions))
    return evaluator.result()


@pytest.fixture(scope="module")
def annotation_file(reference, tmp_path_factory):
    path = tmp_path_factory.mktemp("annotations") / "instances.json"
    annotate(in_original_pixels(reference), reference.found["classes"], path)
    return path


@pytest.fixture(scope="module")
def detections(detector):
    """What `detect` finds, in the form of its evaluator."""
    found = detector.detect(list(photos()), min_score=0)
    boxes = np.stack([image.boxes[:, [1, 0, 3, 2]] for image in found])
    return (
        boxes,
        np.stack([image.scores for image in found]),
        np.stack([image.class_ids + 1 for image in found]),
    )


def test_its_coco_evaluator_gives_both_the_same_average_precision(reference, detections, annotation_file):
    theirs = in_original_pixels(reference)[..., [1, 0, 3, 2]]
    expected = evaluate(annotation_file, theirs, reference.found["confidence"], reference.found["classes"])
    assert 0.05 < expected["AP"] < 0.95
    assert evaluate(annotation_file, *detections) == pytest.approx(expected, abs=1e-3)


def test_without_padding_its_untouched_detections_have_the_same_average_precision(
    reference, detections, annotation_file
):
    theirs = (reference.found[key][:1] for key in ("boxes", "confidence", "classes"))
    expected = evaluate(annotation_file, *theirs, info=reference.info[:1])
    assert 0.05 < expected["AP"] < 0.95
    assert evaluate(annotation_file, *(values[:1] for values in detections)) == pytest.approx(expected, abs=1e-3)
