"""Recipes from the training configurations of other programs."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import yaml
from foreign_configs import CONFIGS, READERS, ZOO, adam, net, train

import centernet
from centernet.checkpoints.fields import Fate, unsupported_sections
from centernet.cli.recipe import read_content, read_recipe
from centernet.data import synthetic
from centernet.errors import ConfigError
from centernet.files.validation import to_plain
from centernet.training.optimizers import PhasedLearningRate

PARAMS = Path(__file__).parents[1] / "goldens" / "model_garden" / "params.yaml"


@pytest.fixture
def write(tmp_path):
    def write(text, name="pipeline.config"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


@pytest.mark.parametrize("name", CONFIGS)
def test_every_field_of_public_configurations_is_told(write, name):
    text, unsupported, training = CONFIGS[name]
    path = write(text)
    content, fields = read_content(path)
    assert set(unsupported_sections(fields)) == unsupported
    assert {key: content["training"][key] for key in training} == training
    if unsupported:
        with pytest.raises(ConfigError, match="sets what is not supported") as caught:
            read_recipe(path)
        ignored = [part.rpartition(".")[2] for part in unsupported]
        assert all(f"--ignore {one}" in str(caught.value) for one in ignored)
        read_recipe(path, ignored=ignored)
    else:
        assert read_recipe(path).training.steps == content["training"]["steps"]


def test_what_becomes_of_some_fields(write):
    _, fields = read_content(write(CONFIGS["DeepMAC"][0]))
    found = {field.path: field for field in fields}
    assert found["model.center_net.deepmac_mask_estimation.dim"].note == "instance masks"
    assert found["train_config.unpad_groundtruth_tensors"].fate is Fate.LEFT_OUT
    assert (found["train_config.num_steps"].value, found["train_config.num_steps"].note) == ("50000", "training.steps")
    _, fields = read_content(write(CONFIGS["quantization and frozen layers"][0]))
    assert (
        next(field.note for field in fields if field.path == "train_config.batch_sze") == "no field that is known here"
    )


def test_empty_sections(write):
    text = CONFIGS["several readers of records"][0]
    empty = "eval_config { } " + text.replace(
        '{ metrics_set: "coco_detection_metrics" use_moving_averages', "{ use_moving_averages"
    )
    _, fields = read_content(write(empty))
    assert not unsupported_sections(fields)
    focal = text.replace("{ alpha: 2.0 beta: 4.0 }", "{ }")  # alpha and beta of 0, another loss
    _, fields = read_content(write(focal))
    assert [*unsupported_sections(fields)] == ["model.center_net.object_center_params.classification_loss"]


def test_a_published_checkpoint_on_another_machine_is_the_published_model(write):
    assert read_content(write(CONFIGS["a published checkpoint by its folder"][0]))[0]["weights"] == ZOO
    assert read_content(write(CONFIGS["DeepMAC"][0]))[0]["weights"] == "PATH_TO_BE_CONFIGURED/ckpt-1"


def test_paths_are_looked_for_beside_the_file(write, tmp_path):
    for name in ("a.record", "b.record", "val2017-00000-of-00032.tfrecord", "label_map.txt"):
        (tmp_path / name).touch()
    (tmp_path / "label_map.txt").write_text('item { id: 1 name: "a" } item { id: 2 name: "b" }')
    data = read_content(write(CONFIGS["several readers of records"][0]))[0]["data"]
    assert data["path"] == f"{tmp_path}/a.record,{tmp_path}/b.record"
    assert data["validation_path"] == f"{tmp_path}/val2017-?????-of-00032.tfrecord"
    assert data["label_map"] == f"{tmp_path}/label_map.txt"


def test_keypoints_are_trained_or_it_fails(write, tmp_path, caplog):
    text = CONFIGS["MobileNetV2 with keypoints, patches of noise"][0]
    path, ignored = write(text), ["random_patch_gaussian"]
    plain = synthetic.shapes(2, (64, 64))
    recipe = read_recipe(path, ignored=ignored)
    assert "no label map is found" in caplog.text
    with pytest.raises(ConfigError, match="Expected keypoints in"):
        recipe.build(dataclasses.replace(plain, keypoints=None))
    points = " ".join(f'keypoints {{ id: {n} label: "{name}" }}' for n, name in enumerate(("nose", "left_eye")))
    (tmp_path / "label_map.txt").write_text(f'item {{ id: 1 name: "/m/01g317" {points} }}')
    keypoints = read_recipe(path, ignored=ignored).model["keypoints"]
    assert (keypoints["names"], keypoints["deviations"]) == (["nose", "left_eye"], [0.26, 0.25])


def test_the_first_of_several_readers_is_used_and_told(write, caplog):
    text = CONFIGS["several readers of records"][0]
    content, _ = read_content(write(f'{text} eval_input_reader {{ tf_record_input_reader {{ input_path: "c" }} }}'))
    assert content["data"]["validation_path"] == "PATH_TO_BE_CONFIGURED/val2017-?????-of-00032.tfrecord"
    assert "only the first of 2 eval_input_reader is used" in caplog.text


def rates(write, rate, steps=130):
    found = read_recipe(write(net('type: "hourglass_52"') + train(1, steps, adam(rate)) + READERS % "")).training
    schedule = PhasedLearningRate(found.learning_rate, found.schedule)
    return np.array([float(schedule(step)) for step in range(steps)])


@pytest.mark.parametrize("hold", [0, 10])
def test_cosine_decay(write, hold):
    text = f"""cosine_decay_learning_rate {{ learning_rate_base: .04 total_steps: 100 warmup_learning_rate: .013
      warmup_steps: 20 hold_base_rate_steps: {hold} }}"""

    def expected(step):  # learning_schedules.cosine_decay_with_warmup
        if step < 20:
            return 0.013 + (0.04 - 0.013) / 20 * step
        if step <= 20 + hold:
            return 0.04
        return 0.02 * (1 + math.cos(math.pi * (step - 20 - hold) / (80 - hold))) if step <= 100 else 0

    np.testing.assert_allclose(rates(write, text), [expected(step) for step in range(130)], rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("warmup", ["", "warmup: true"])
def test_rates_in_steps(write, warmup):
    text = f"""manual_step_learning_rate {{ initial_learning_rate: 0.001 {warmup}
      schedule {{ step: 50 learning_rate: 0.01 }} schedule {{ step: 80 learning_rate: 0.002 }} }}"""

    def expected(step):  # learning_schedules.manual_stepping
        if step >= 50:
            return 0.01 if step < 80 else 0.002
        return 0.001 + 0.009 / 50 * step if warmup else 0.001

    np.testing.assert_allclose(rates(write, text), [expected(step) for step in range(130)], rtol=1e-5)


@pytest.mark.parametrize("staircase", ["staircase: false", "", "staircase: true"])
@pytest.mark.parametrize("lowest", [0.0, 0.0021, 0.5])
@pytest.mark.parametrize("burn", [0, 7])
def test_exponential_decay(write, staircase, lowest, burn):
    text = f"""exponential_decay_learning_rate {{
      initial_learning_rate: 0.01 decay_steps: 25 decay_factor: 0.5 {staircase}
      burnin_learning_rate: 0.001 burnin_steps: {burn} min_learning_rate: {lowest} }}"""

    def expected(step):  # learning_schedules.exponential_decay_with_burnin
        if step < burn:
            return max(0.001, lowest)
        periods = (step - burn) / 25
        return max(0.01 * 0.5 ** (periods if "false" in staircase else math.floor(periods)), lowest)

    np.testing.assert_allclose(rates(write, text), [expected(step) for step in range(130)], rtol=1e-4)


def test_a_decay_to_nothing(write):
    """Half of the rate each step would be 0 in floating point after a thousand."""
    found = rates(
        write, "exponential_decay_learning_rate { initial_learning_rate: 1 decay_steps: 1 decay_factor: 0.5 }", 3000
    )
    np.testing.assert_allclose(found[:30], 0.5 ** np.arange(30), rtol=1e-4)
    assert found[-1] < 1e-11


def test_epochs_instead_of_steps(write):
    path = write(CONFIGS["several readers of records"][0])
    assert read_recipe(path, ["epochs=3"]).training.total_steps(7) == 21
    assert read_recipe(path, ["steps=5"]).training.total_steps(7) == 5
    both = write("model: shapes\ndata: {path: photos}\ntraining: {epochs: 3, steps: 5}", "mine.yaml")
    with pytest.raises(ConfigError, match=r"Expected epochs or steps in .*Received: 3, 5"):
        read_recipe(both)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("num_steps: 100 ", "num_steps: 0 ", "num_steps of at least 1"),
        ("adam_optimizer", "adagrad_optimizer", "one optimizer of .*Received: \\[\\]"),
        ("constant_learning_rate", "polynomial_learning_rate", "Expected a learning_rate of"),
        ("learning_rate: 1e-4", "learning_rate: 0", "learning rate above 0"),
        ("learning_rate: 1e-4", "learning_rate: fast", "learning_rate of .* to be a number"),
        ("train_input_reader", "input_reader", "Expected train_input_reader"),
    ],
)
def test_what_a_training_needs(write, old, new, message):
    text = CONFIGS["several readers of records"][0]
    assert old in text
    with pytest.raises(ConfigError, match=message):
        read_recipe(write(text.replace(old, new)))


def test_fields_to_ignore_must_be_there(write, tmp_path):
    path = write(CONFIGS["DeepMAC"][0])
    with pytest.raises(ConfigError, match=r"Expected a field of .* to ignore. Received: 'mask'"):
        read_recipe(path, ignored=["mask"])
    ours = write("model: shapes\ndata: {path: photos}", "mine.yaml")
    with pytest.raises(ConfigError, match="only with a file of another program"):
        read_recipe(ours, ignored=["data"])


def test_the_experiment_that_the_trainer_of_model_garden_writes():
    content, fields = read_content(PARAMS)
    assert not unsupported_sections(fields)
    settings = read_recipe(PARAMS).training
    assert (settings.steps, settings.batch_size, settings.optimizer_options["epsilon"]) == (138600, 128, 1e-7)
    assert content["data"] == {"path": "coco/train*", "format": "tfrecord", "validation_path": "coco/val*"}
    assert settings.clip_norm == 10.0
    schedule = PhasedLearningRate(settings.learning_rate, settings.schedule)
    for step in (0, 1, 1999, 2000, 2001, 70000, 138600):
        cosine = [0.0005 * (1 + math.cos(math.pi * at / 138600)) for at in (2000, step)]
        expected = cosine[0] * step / 2000 if step < 2000 else cosine[1]
        assert float(schedule(step)) == pytest.approx(expected, rel=1e-4, abs=1e-9)


def test_changes_of_an_experiment(write):
    optimizer = {
        "optimizer": {"type": "sgd", "sgd": {"momentum": 0.8}},
        "learning_rate": {"type": "stepwise", "stepwise": {"boundaries": [10, 20], "values": [0.1, 0.01, 0.001]}},
        "warmup": {"type": "linear", "linear": {"warmup_steps": 4}},
    }
    task = {
        "model": {"input_size": [512, 512, 3], "num_classes": 3},
        "train_data": {
            "input_path": "a*",
            "parser": {"aug_rand_hue": True, "aug_scale_min": 0.5, "aug_scale_max": 2.0},
        },
        "losses": {"detection": {"scale_weight": 0.2}},
    }
    path = write(
        yaml.safe_dump({"task": task, "trainer": {"train_steps": 30, "optimizer_config": optimizer}}), "e.yaml"
    )
    settings = read_recipe(path).training
    schedule = PhasedLearningRate(settings.learning_rate, settings.schedule)
    found = [float(schedule(step)) for step in (0, 2, 4, 10, 11, 20, 21, 50)]
    np.testing.assert_allclose(found, [0, 0.05, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001], rtol=1e-5)
    assert (settings.optimizer, settings.optimizer_options) == ("sgd", {"momentum": 0.8})
    assert settings.loss_weights == {"heatmap": 1.0, "offset": 1.0, "size": 0.2}
    augmentation = settings.augmentation
    assert (augmentation.crop, augmentation.hue, augmentation.horizontal_flip) == ((0.5, 2.0), 0.02, 0.5)
    optimizer["optimizer"] = {"type": "lamb"}
    path.write_text(yaml.safe_dump({"task": task, "trainer": {"optimizer_config": optimizer}}))
    with pytest.raises(ConfigError, match="optimizer"):
        read_recipe(path)


@pytest.fixture
def trained(write, tmp_path):
    """Records, their label map, and a configuration that names another machine's paths."""
    options = {"size": (64, 64), "classes": ("circle", "square"), "max_objects": 2}
    scenes = {"train": synthetic.shapes(8, **options), "val": synthetic.shapes(2, seed=1, **options)}
    centernet.data.write(scenes, tmp_path / "records", format="tfrecord")
    (tmp_path / "records" / "label_map.pbtxt").rename(tmp_path / "classes.pbtxt")
    text = net('type: "mobilenet_v2_fpn" depth_multiplier: 0.35', 2, 64) + train(
        4, 3, adam("constant_learning_rate { learning_rate: 1e-4 }"), (FLIPPED, "random_rotation90 { }")
    )
    readers = READERS % ""
    for old, new in (
        ("PATH_TO_BE_CONFIGURED/label_map.txt", "/another/classes.pbtxt"),
        ("PATH_TO_BE_CONFIGURED/train2017-?????-of-00256.tfrecord", "records/train.record-?????-of-00001"),
        ("PATH_TO_BE_CONFIGURED/val2017-?????-of-00032.tfrecord", "records/val.record-?????-of-00001"),
    ):
        readers = readers.replace(old, new)
    return write(text + readers)


FLIPPED = "random_horizontal_flip { probability: 0.3 }"


def test_from_a_pipeline_config_to_a_trained_detector(run, trained, tmp_path):
    refused = run("train", trained)
    assert refused.code == 2
    assert "not supported: nearest: augmentation.transpose" in refused.err
    assert "leaves it out with --ignore random_rotation90" in refused.err.splitlines()[-1]

    done = run("train", trained, "--ignore", "random_rotation90", "--out", "out", "--set", "evaluate_every=0")
    assert done.code == 0, done.err
    assert "taken as training.steps" in done.err
    assert "Epoch 2/2" in done.out + done.err
    assert centernet.load(tmp_path / "out" / "model").class_names == ("circle", "square")


def test_from_a_pipeline_config_to_a_recipe(run, trained, tmp_path):
    done = run("convert", trained, "--out", "mine.yaml", "--ignore", "random_rotation90")
    assert done.code == 0
    assert "Wrote mine.yaml. Train with it: centernet train mine.yaml" in done.out
    written = read_recipe(tmp_path / "mine.yaml")
    assert to_plain(dataclasses.asdict(written)) == to_plain(
        dataclasses.asdict(read_recipe(trained, ignored=["random_rotation90"]))
    )
    assert written.training.augmentation.horizontal_flip == 0.3
    assert "exists already" in run("convert", trained, "mine.yaml").err
    assert "Expected one target" in run("convert", trained).err
    assert "Expected no --weights" in run("convert", trained, "a.yaml", "--dtype", "float16").err
    assert "Expected --ignore only for a recipe" in run("convert", "shapes", "folder", "--ignore", "x").err
    assert "Expected a pipeline.config" in run("convert", tmp_path / "mine.yaml", "other.yaml").err


def test_a_label_map_that_is_not_beside_the_records(run, trained, tmp_path):
    (tmp_path / "other.pbtxt").write_text('item { id: 1 name: "disc" } item { id: 2 name: "box" }')
    done = run("check", "records", "--label-map", "other.pbtxt")
    assert done.code == 0, done.err
    assert "disc" in done.out
    assert "label_map='other.pbtxt'" in done.out
    found = centernet.data.load(tmp_path / "records", split="val", label_map=tmp_path / "other.pbtxt")
    assert found.class_names == ("disc", "box")
    centernet.data.write(found, tmp_path / "voc", format="voc")
    assert "only for TFRecords" in run("evaluate", "shapes", "voc", "--label-map", "other.pbtxt").err
