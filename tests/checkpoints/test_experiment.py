from pathlib import Path

import pytest
import yaml

from centernet.checkpoints.model_garden.experiment import is_experiment, read_experiment, read_yaml
from centernet.errors import ConfigError
from centernet.models.config import ModelConfig

PARAMS = Path(__file__).parents[1] / "goldens" / "model_garden" / "params.yaml"


@pytest.fixture
def write(tmp_path):
    def write(task, name="mine.yaml"):
        path = tmp_path / name
        path.write_text(yaml.safe_dump({"task": task}))
        return path

    return write


def model(**sections):
    return {"model": {"input_size": [512, 512, 3], **sections}}


def test_the_file_that_a_trainer_writes_is_read():
    assert read_experiment(PARAMS) == {
        "name": "params",
        "family": "points",
        "task": "boxes",
        "backbone": {"name": "hourglass104", "momentum": 0.1},
        "heads": {"filters": 256, "kernel_size": 3, "separable": False},
        "preprocessing": {
            "size": [512, 512],
            "channels": "bgr",
            "mean": [104.01362025, 114.03422265, 119.9165958],
            "std": [73.6027665, 69.89082075, 70.9150767],
            "sampling": "half_pixel",
        },
        "decoder": {"max_detections": 100, "rules": "2021-02"},
        "classes": "coco90",
        "published": {},
    }


def test_defaults_fill_a_file_of_overrides_as_they_do_in_model_garden(write):
    assert read_experiment(write(model(), "params.yaml")) == read_experiment(PARAMS)


def test_overrides_reach_the_preset(write):
    task = model(
        num_classes=3,
        input_size=[256, 384],
        backbone={"type": "hourglass", "hourglass": {"num_hourglasses": 1}},
        head={"input_levels": ["2"]},
        detection_generator={"max_detections": 20},
    )
    task["validation_data"] = {
        "dtype": "float32",
        "parser": {"bgr_ordering": False, "channel_means": [1, 2, 3], "channel_stds": [4, 5, 6]},
    }
    preset = read_experiment(write(task))
    assert preset["name"] == "mine"
    assert preset["backbone"] == {"name": "hourglass52", "momentum": 0.1}
    assert preset["decoder"]["max_detections"] == 20
    assert preset["classes"] == 3
    assert preset["preprocessing"] == {
        "size": [256, 384],
        "channels": "rgb",
        "mean": [1.0, 2.0, 3.0],
        "std": [4.0, 5.0, 6.0],
        "sampling": "half_pixel",
    }


def test_another_depth_or_width_becomes_a_backbone_by_parameters(write):
    preset = read_experiment(write(model(backbone={"hourglass": {"model_id": 20, "input_channel_dims": 16}})))
    assert preset["backbone"] == {
        "name": "hourglass",
        "stacks": 2,
        "filters": [32, 32, 48],
        "blocks": [1, 2, 2],
        "stem_filters": 16,
        "momentum": 0.1,
    }
    assert preset["heads"]["filters"] == 32


def test_ninety_classes_counted_from_zero_are_not_the_ids_of_coco(write):
    preset = read_experiment(write(model(detection_generator={"class_offset": 0})))
    assert preset["classes"] == 90
    assert preset["dataset_ids"] == list(range(90))


def test_the_preset_describes_a_model(write):
    config = ModelConfig.from_dict(read_experiment(write(model(num_classes=3))))
    assert config.classes == ("class_0", "class_1", "class_2")
    assert config.dataset_ids == (1, 2, 3)
    assert config.preprocessing.sampling == "half_pixel"


def test_a_small_number_without_a_point_is_a_number(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("task: {model: {input_size: [128, 128, 3], detection_generator: {peak_error: 1e-6}}}")
    assert read_experiment(path)["decoder"]["max_detections"] == 100


def test_files_of_2021_that_switch_the_other_tasks_off_are_read(write):
    off = {"detection": {"use_centers": True, "use_corners": False, "predict_3d": False}}
    assert read_experiment(write({**model(), "subtasks": off}))["task"] == "boxes"


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (model(nums_classes=3), r"keys of \[.*'num_classes'.*\] in task.model. Received: \['nums_classes'\]"),
        (model(backbone={"hourglas": {}}), r"\['hourglass', 'type'\] in task.model.backbone"),
        (model(backbone={"type": "resnet"}), r"'hourglass', the backbone .* Received: 'resnet'"),
        (model(backbone={"hourglass": {"model_id": 104}}), r"model_id of \[10, 20, 32, 52, 100\]"),
        (model(backbone={"hourglass": {"num_hourglasses": 0}}), "num_hourglasses to be a positive"),
        (model(backbone={"hourglass": {"initial_downsample": False}}), "initial_downsample to be True"),
        (model(backbone=52), "task.model.backbone to be a section"),
        (model(head={"input_levels": ["2"]}), r"\['2_0', '2'\], one for each of 2 hourglasses"),
        (model(head={"input_levels": ["2", "2_0"]}), r"\['2_0', '2'\], one for each of 2 hourglasses"),
        (model(head={"input_levels": None}), r"Received: None"),
        (model(detection_generator={"use_nms": True}), "use_nms to be False"),
        (model(detection_generator={"peak_extract_kernel_size": 5}), "peak_extract_kernel_size to be 3"),
        (model(detection_generator={"peak_error": "none"}), "peak_error to be 1e-06"),
        (model(norm_activation={"norm_epsilon": 1e-3}), "norm_epsilon to be 1e-05"),
        (model(num_classes="many"), "num_classes to be a positive whole number. Received: 'many'"),
        (model(detection_generator={"class_offset": "one"}), "class_offset to be a whole number"),
        (model(input_size=None), r"input_size of \[height, width, 3\]. Received: None"),
        (model(input_size=[512, 512, 1]), "input_size"),
        ({}, "input_size"),
        ({**model(), "subtasks": {"detection": {"predict_3d": True}}}, "predict_3d to be False"),
        ({**model(), "subtasks": {"keypoints": {}}}, r"\['detection'\] in task.subtasks"),
        ({**model(), "validation_data": {"parser": {"bgr": True}}}, "'bgr_ordering'"),
        ({**model(), "validation_data": {"parser": {"channel_stds": [1, 2]}}}, "three numbers"),
    ],
)
def test_what_cannot_be_represented_is_refused_with_what_could_be(write, task, message):
    with pytest.raises(ConfigError, match=message):
        read_experiment(write(task))


def test_only_a_file_with_a_task_section_is_an_experiment(tmp_path):
    assert is_experiment(read_yaml(PARAMS))
    assert not is_experiment({"task": "boxes", "family": "points"})
    assert not is_experiment(None)
    path = tmp_path / "preset.yaml"
    path.write_text("task: boxes")
    with pytest.raises(ConfigError, match="section 'task'"):
        read_experiment(path)


@pytest.mark.parametrize("text", ["a: [", "a: !!python/object/apply:os.getcwd []", "\x00"])
def test_a_broken_or_executable_file_is_refused(tmp_path, text):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"bad\.yaml"):
        read_yaml(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="absent"):
        read_experiment(tmp_path / "absent.yaml")
