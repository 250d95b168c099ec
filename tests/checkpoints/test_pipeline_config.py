from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from centernet.checkpoints.locate import read_model
from centernet.checkpoints.zoo.pipeline_config import EXTRACTORS, read_pipeline_config
from centernet.errors import ConfigError
from centernet.loading.load_keras import load
from centernet.models.config import ModelConfig
from centernet.models.presets import list_models

# As the archives of the zoo have it, with what is not needed here left in.
HOURGLASS = """
model {
  center_net {
    num_classes: 90
    feature_extractor {
      type: "hourglass_104"
      channel_means: 104.01361846923828
      channel_means: 114.03422546386719
      channel_means: 119.91659545898438
      channel_stds: 73.60276794433594
      channel_stds: 69.89082336425781
      channel_stds: 70.91507720947266
      bgr_ordering: true
    }
    image_resizer {
      keep_aspect_ratio_resizer { min_dimension: 512 max_dimension: 512 pad_to_max_dimension: true }
    }
    object_detection_task { task_loss_weight: 1.0 scale_loss_weight: 0.1 }
    object_center_params { min_box_overlap_iou: 0.7 max_box_predictions: 100 }
    keypoint_label_map_path: "PATH_TO_BE_CONFIGURED"
    keypoint_estimation_task {
      task_name: "human_pose"
      keypoint_class_name: "/m/01g317"
      keypoint_label_to_std { key: "nose" value: 0.26 }
      keypoint_label_to_std { key: "left_eye" value: 0.25 }
      keypoint_candidate_score_threshold: 0.2
      num_candidates_per_keypoint: 40
      candidate_search_scale: 0.25
    }
  }
}
train_config: { batch_size: 128 fine_tune_checkpoint_type: "detection" }
eval_input_reader: { label_map_path: "PATH" shuffle: false }
"""


@pytest.fixture
def write(tmp_path):
    folder = tmp_path / "my training (2)"
    folder.mkdir()

    def write(text):
        (folder / "pipeline.config").write_text(text)
        return folder / "pipeline.config"

    return write


def changed(*pairs):
    text = HOURGLASS
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return text


def small(extractor, **lines):
    more = "\n".join(f"{key}: {value}" for key, value in lines.items())
    resizer = "image_resizer { keep_aspect_ratio_resizer { min_dimension: 320 max_dimension: 320 } }"
    return f"model {{ center_net {{ num_classes: 3 feature_extractor {{ {extractor} }} {resizer} {more} }} }}"


def test_a_published_one_describes_its_preset(write):
    found = read_pipeline_config(write(HOURGLASS))
    preset = next(m for m in list_models() if m.name == "centernet_hg104_512x512_coco17_tpu-8")
    assert found["name"] == "my training (2)"
    assert found["classes"] == 90
    assert found["backbone"] == preset.backbone
    config = ModelConfig.from_dict(found)
    assert (config.preprocessing.size, config.preprocessing.channels) == ((512, 512), "bgr")
    assert config.preprocessing.mean == pytest.approx(preset.preprocessing.mean, rel=1e-6)
    assert config.preprocessing.std == pytest.approx(preset.preprocessing.std, rel=1e-6)


def test_settings_of_the_decoder_are_taken_and_the_others_are_the_usual(write):
    decoder = ModelConfig.from_dict(read_pipeline_config(write(HOURGLASS))).decoder
    assert (decoder.max_detections, decoder.candidates) == (100, 40)
    assert (decoder.candidate_min_score, decoder.search_scale) == (0.2, 0.25)
    assert (decoder.unmatched_score, decoder.box_scale) == (0.1, 1.2)


def test_an_hourglass_without_normalization_gets_pixels_as_they_are(write):
    found = read_pipeline_config(write(small('type: "hourglass_52"')))["preprocessing"]
    assert found == {"size": (320, 320), "channels": "rgb", "mean": (0, 0, 0), "std": (1, 1, 1)}


@pytest.mark.parametrize("kind", EXTRACTORS)
def test_every_extractor_makes_a_description_that_can_be_read(write, kind):
    config = ModelConfig.from_dict(read_pipeline_config(write(small(f"type: '{kind}'"))))
    assert config.backbone["name"] == EXTRACTORS[kind]["name"]
    assert (config.preprocessing.size, len(config.classes)) == ((320, 320), 3)


@pytest.mark.parametrize(
    ("extractor", "backbone"),
    [
        ('type: "mobilenet_v2_fpn"', {"separable": False, "alpha": 1.0}),
        ('type: "mobilenet_v2_fpn" use_separable_conv: true', {"separable": True, "alpha": 1.0}),
        ('type: "mobilenet_v2_fpn_sep_conv" depth_multiplier: 0.5', {"separable": True, "alpha": 0.5}),
        ('type: "resnet_v2_50" use_separable_conv: true depth_multiplier: 0.5', {"name": "resnet50_v2"}),
    ],
)
def test_arguments_of_the_backbone(write, extractor, backbone):
    found = read_pipeline_config(write(small(extractor)))["backbone"]
    assert found == {"name": "mobilenetv2_fpn", **backbone}


def test_depthwise_heads(write):
    heads = [
        read_pipeline_config(write(small('type: "resnet_v2_50"', use_depthwise=v)))["heads"] for v in ("true", "false")
    ]
    assert heads == [{"separable": True}, {"separable": False}]


def test_a_file_with_the_model_alone_is_read(write):
    inner = HOURGLASS[HOURGLASS.index("center_net") : HOURGLASS.index("train_config")].rstrip().removesuffix("}")
    assert read_pipeline_config(write(inner))["classes"] == 90


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model { ssd { num_classes: 3 } }", "Received: ssd"),
        ("train_config { }", "Received: train_config"),
        ("", "Received: nothing"),
        ("model: 5", "Expected one model"),
        ("model { center_net: 5 }", "Expected one center_net"),
        ("model { center_net {} center_net {} }", "Expected one center_net"),
        ("model { center_net {} }", "feature extractor"),
        (changed(('"hourglass_104"', '"hourglass_10"')), "'hourglass_10'"),
        (changed(("feature_extractor {", "feature_extractor { type: 'b'")), "feature extractor"),
        (changed(("max_dimension: 512", "max_dimension: 640")), "equal min_dimension and max_dimension"),
        (changed(("keep_aspect_ratio_resizer", "fixed_shape_resizer")), "keep_aspect_ratio_resizer"),
        (changed(("min_dimension: 512 max_dimension: 512", "")), "keep_aspect_ratio_resizer"),
        (changed(("min_dimension: 512", "min_dimension: wide")), "min_dimension"),
        (changed(("num_classes: 90", "num_classes: many")), "num_classes .*'many'"),
        (changed(("num_classes: 90", "num_classes: { }")), "num_classes"),
        (changed(("num_classes: 90", "num_classes: 90 num_classes: 91")), "num_classes"),
        (changed(("max_box_predictions: 100", "max_box_predictions: 1e9")), "max_box_predictions"),
        (changed(("channel_stds: 73.60276794433594", "")), "three channel_stds"),
        (changed(("channel_stds: 73.60276794433594", "channel_stds: x")), "channel_stds"),
        (
            changed(("task_name:", "candidate_ranking_mode: 'score_distance_ratio' task_name:")),
            "candidate_ranking_mode",
        ),
        (changed(("task_name:", "peak_max_pool_kernel_size: 5 task_name:")), "peak_max_pool_kernel_size"),
        (HOURGLASS[: len(HOURGLASS) // 2], "cut short"),
    ],
)
def test_what_cannot_be_computed_is_a_config_error_with_the_path(write, text, message):
    path = write(text)
    with pytest.raises(ConfigError, match=message) as caught:
        read_pipeline_config(path)
    assert str(path) in str(caught.value)


def test_a_path_that_cannot_be_read_is_a_config_error(tmp_path):
    for path in (tmp_path / "missing.config", tmp_path):
        with pytest.raises(ConfigError, match="can't be read"):
            read_pipeline_config(path)


@given(st.data())
def test_a_damaged_file_is_a_description_or_a_config_error(tmp_path_factory, data):
    text = list(HOURGLASS)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at] = data.draw(st.sampled_from(["", "{", "}", "<", '"', "[", "]", ":", "#", "0", "x", "\n", "é", "\x00"]))
    path = tmp_path_factory.mktemp("damaged") / "pipeline.config"
    path.write_text("".join(text))
    with suppress(ConfigError):
        assert isinstance(read_pipeline_config(path), dict)


HANDS = """
model { center_net { num_classes: 2 feature_extractor { type: "mobilenet_v2_fpn" }
  image_resizer { keep_aspect_ratio_resizer { min_dimension: 256 max_dimension: 256 pad_to_max_dimension: true } }
  keypoint_estimation_task { task_name: "hands" keypoint_class_name: "hand"
    keypoint_label_to_std { key: "left" value: 0.3 } keypoint_label_to_std { key: "right" value: 0.4 } } } }
train_config { data_augmentation_options {
  random_horizontal_flip { keypoint_flip_permutation: 1 keypoint_flip_permutation: 0 } } }
train_input_reader { label_map_path: "/another/machine/hands.pbtxt" }
eval_config { keypoint_edge { start: 0 end: 1 } }
"""
LABELS = """
item { id: 1 name: "hand" keypoints { id: 0 label: "left" } keypoints { id: 1 label: "right" } }
item { id: 2 name: "cup" }
"""


def test_names_and_keypoints_are_those_of_the_label_map(write):
    path = write(HANDS)
    (path.parent / "hands.pbtxt").write_text(LABELS)
    config = read_model(path)
    assert config.classes == ("hand", "cup")
    task = config.keypoints
    assert (task.class_name, task.names, task.flip) == ("hand", ("left", "right"), (1, 0))
    assert (task.deviations, task.skeleton) == ((0.3, 0.4), ((0, 1),))


def test_a_label_map_of_another_number_of_classes_is_refused(write, caplog):
    path = write(HANDS)
    (path.parent / "hands.pbtxt").write_text(LABELS.replace("id: 2", "id: 3"))
    with pytest.raises(ConfigError, match=r"ids 1 to 2 \(num_classes\).*Received: \[1, 3\]"):
        read_model(path)
    # Beside a checkpoint, whose tensors count, it is a warning.
    assert read_pipeline_config(path, strict=False)["classes"] == 2
    assert "Classes are numbered" in caplog.text


def test_it_is_built_with_random_weights_only_if_that_is_said(write):
    path = write(HANDS)
    (path.parent / "hands.pbtxt").write_text(LABELS)
    detector = load(path, weights=None)
    assert detector.class_names == ("hand", "cup")
    assert "keypoint_heatmap" in detector.output
    with pytest.raises(ConfigError, match="weights=None builds it with random ones"):
        load(path)
