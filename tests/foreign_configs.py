"""Training configurations as other people write them: the fields and values of public ones, shortened."""

from __future__ import annotations

from typing import Any


def net(extractor: str, classes: int = 90, side: int = 512, more: str = "") -> str:
    resizer = f"keep_aspect_ratio_resizer {{ min_dimension: {side} max_dimension: {side} pad_to_max_dimension: true }}"
    return f"""model {{ center_net {{
  num_classes: {classes} feature_extractor {{ {extractor} }} image_resizer {{ {resizer} }}
  object_detection_task {{ task_loss_weight: 1.0 offset_loss_weight: 1.0 scale_loss_weight: 0.1
    localization_loss {{ l1_localization_loss {{ }} }} }}
  object_center_params {{ object_center_loss_weight: 1.0 min_box_overlap_iou: 0.7 max_box_predictions: 100
    classification_loss {{ penalty_reduced_logistic_focal_loss {{ alpha: 2.0 beta: 4.0 }} }} }} {more} }} }}
"""


HOURGLASS = """type: "hourglass_104" bgr_ordering: true channel_means: [104.01362025, 114.03422265, 119.9165958 ]
  channel_stds: [73.6027665 , 69.89082075, 70.9150767 ]"""
POSE = """keypoint_label_map_path: "PATH_TO_BE_CONFIGURED/label_map.txt" keypoint_estimation_task {
  task_name: "human_pose" task_loss_weight: 1.0 keypoint_class_name: "/m/01g317"
  loss { localization_loss { l1_localization_loss { } }
    classification_loss { penalty_reduced_logistic_focal_loss { alpha: 2.0 beta: 4.0 } } }
  keypoint_label_to_std { key: "nose" value: 0.26 } keypoint_label_to_std { key: "left_eye" value: 0.25 }
  keypoint_regression_loss_weight: 0.1 keypoint_heatmap_loss_weight: 1.0 keypoint_offset_loss_weight: 1.0
  offset_peak_radius: 3 per_keypoint_offset: true }"""
FLIP, HUE = "random_horizontal_flip { }", "random_adjust_hue { }"
COLORS = (HUE, "random_adjust_contrast { }", "random_adjust_saturation { }", "random_adjust_brightness { }")
CROP = "random_crop_image { min_aspect_ratio: 0.5 max_aspect_ratio: 1.7 random_coef: 0.25 }"
PAD = "random_absolute_pad_image { max_height_padding: 200 max_width_padding: 200 pad_color: [0, 0, 0] }"
SQUARE = "random_square_crop_by_scale { scale_min: 0.6 scale_max: 1.3 }"
LESS = {"hue": 0.02, "contrast": [0.8, 1.25], "saturation": [0.8, 1.25], "brightness": 0.2}
WINDOWS = {"crop": [0.6, 1.3], "shift": 0.3}
READERS = """
train_input_reader: { label_map_path: "PATH_TO_BE_CONFIGURED/label_map.txt"
  tf_record_input_reader { input_path: "PATH_TO_BE_CONFIGURED/train2017-?????-of-00256.tfrecord" } %s }
eval_config: { metrics_set: "coco_detection_metrics" use_moving_averages: false batch_size: 1; }
eval_input_reader: { label_map_path: "PATH_TO_BE_CONFIGURED/label_map.txt" shuffle: false num_epochs: 1
  tf_record_input_reader { input_path: "PATH_TO_BE_CONFIGURED/val2017-?????-of-00032.tfrecord" } }
"""


def cosine(base: str, total: int, first: str, warmup: int) -> str:
    return f"""cosine_decay_learning_rate {{ learning_rate_base: {base} total_steps: {total}
      warmup_learning_rate: {first} warmup_steps: {warmup} }}"""


def adam(rate: str, epsilon: str = "epsilon: 1e-7  # as Keras's") -> str:
    return f"optimizer {{ adam_optimizer: {{ {epsilon}\n learning_rate: {{ {rate} }} }} use_moving_average: false }}"


def momentum(rate: str) -> str:
    inner = f"learning_rate: {{ {rate} }} momentum_optimizer_value: 0.9"
    return f"optimizer {{ momentum_optimizer: {{ {inner} }} use_moving_average: false }}"


def train(batch: int, steps: int, optimizer: str, augmentation: tuple[str, ...] = (), more: str = "") -> str:
    options = "\n".join(f"data_augmentation_options {{ {option} }}" for option in augmentation)
    return f"train_config: {{ batch_size: {batch} num_steps: {steps} {options} {optimizer} {more} }}\n"


def rise(start: float, warmup: int, total: int) -> list[dict[str, Any]]:
    """A linear rise and a cosine, as phases."""
    same = {"every": 1}
    return [
        {"steps": warmup, "start": start, "end": 1.0, "form": "linear", **same},
        {"steps": total - warmup, "start": 1.0, "end": 0.0, "form": "cosine", **same},
    ]


COMMON = "max_number_of_boxes: 100 unpad_groundtruth_tensors: false fine_tune_checkpoint_version: V2"
DETECTION = f'{COMMON} fine_tune_checkpoint: "PATH_TO_BE_CONFIGURED/ckpt-1" fine_tune_checkpoint_type: "detection"'
ZOO = "centernet_resnet50_v1_fpn_512x512_coco17_tpu-8"
STEPWISE = """manual_step_learning_rate { initial_learning_rate: 0.001 schedule { step: 90000 learning_rate: 1e-4 }
  schedule { step: 120000 learning_rate: 1e-5 } }"""
AUGMENT = "train_config.data_augmentation_options."
NET = "model.center_net."

# Name → text, sections that are not supported, part of the training that is expected.
CONFIGS: dict[str, tuple[str, set[str], dict[str, Any]]] = {
    "hourglass 1024, square crops": (
        net(HOURGLASS, side=1024)
        + train(128, 50000, adam(cosine("1e-3", 50000, "2.5e-4", 5000)), (FLIP, *COLORS, SQUARE), DETECTION)
        + READERS % "",
        set(),
        {
            "steps": 50000,
            "schedule": rise(0.25, 5000, 50000),
            "augmentation": {"horizontal_flip": 0.5, **LESS, **WINDOWS},
        },
    ),
    "hourglass, rates in steps": (
        net(HOURGLASS, 1) + train(12, 140000, adam(STEPWISE), (FLIP, CROP, *COLORS, PAD), DETECTION) + READERS % "",
        {AUGMENT + "random_crop_image", AUGMENT + "random_absolute_pad_image"},
        {"learning_rate": 1e-3, "batch_size": 12},
    ),
    "ResNet-50 v2 with keypoints, another company's storage": (
        net('type: "resnet_v2_50"', more=POSE)
        + train(
            128,
            250000,
            adam(cosine("1e-3", 250000, "2.5e-4", 5000)),
            (
                "random_horizontal_flip { keypoint_flip_permutation: 0 keypoint_flip_permutation: 2 }",
                CROP,
                *COLORS,
                PAD,
            ),
            f'{COMMON} fine_tune_checkpoint: "/cns/weights-1" fine_tune_checkpoint_type: "classification"',
        )
        + READERS % "num_keypoints: 17",
        {
            AUGMENT + "random_crop_image",
            AUGMENT + "random_absolute_pad_image",
            "train_config.fine_tune_checkpoint_type",
        },
        {"targets": {"min_overlap": 0.7, "keypoint_radius": 3}},
    ),
    "DeepMAC": (
        net(
            HOURGLASS,
            more="deepmac_mask_estimation { dim: 32 task_loss_weight: 5.0 allowed_masked_classes_ids: [ 1, 2 ] }",
        )
        + train(128, 50000, adam(cosine("1e-3", 50000, "2.5e-4", 5000)), (FLIP, *COLORS, SQUARE), DETECTION)
        + READERS % "load_instance_masks: true mask_type: PNG_MASKS",
        {NET + "deepmac_mask_estimation"},
        {"batch_size": 128},
    ),
    "a workshop's three classes": (
        net('type: "resnet_v1_50_fpn"', 3)
        + train(16, 10000, adam(cosine("1e-3", 10000, "2.5e-4", 1000)), (FLIP, HUE), DETECTION)
        + READERS % "",
        set(),
        {"augmentation": {"horizontal_flip": 0.5, "hue": 0.02}},
    ),
    "MobileNetV2 with keypoints, patches of noise": (
        net('type: "mobilenet_v2_fpn_sep_conv"', 1, more=f"use_depthwise: true {POSE}")
        + train(
            512,
            300000,
            adam(cosine("5e-3", 300000, "1e-4", 5000), ""),
            (FLIP, "random_patch_gaussian { }"),
            'max_number_of_boxes: 100 fine_tune_checkpoint_type: ""',
        )
        + READERS % "filenames_shuffle_buffer_size: 256 num_keypoints: 17",
        {AUGMENT + "random_patch_gaussian"},
        {"optimizer_options": {"epsilon": 1e-8}, "schedule": rise(0.02, 5000, 300000)},
    ),
    "momentum, for a SSD before": (
        net('type: "resnet_v1_101_fpn"', 20)
        + train(
            2,
            200000,
            momentum(cosine("0.01", 200000, "0.0", 5000)),
            (FLIP, *COLORS[:3], SQUARE),
            f"gradient_clipping_by_norm: 10.0 {DETECTION} from_detection_checkpoint: true",
        )
        + READERS % "",
        set(),
        {"optimizer": "sgd", "optimizer_options": {"momentum": 0.9}, "clip_norm": 10.0},
    ),
    "a published checkpoint by its folder": (
        net('type: "resnet_v1_50_fpn"', 4)
        + train(
            64,
            100000,
            adam(cosine("1e-3", 100000, "2.5e-4", 5000)),
            (FLIP,),
            f'{COMMON} fine_tune_checkpoint: "/root/{ZOO}/checkpoint/ckpt-0" fine_tune_checkpoint_type: "fine_tune"',
        )
        + READERS % "",
        set(),
        {"steps": 100000},
    ),
    "moving averages, exponential decay, RMSprop": (
        net('type: "resnet_v1_50_fpn"', 2)
        + train(
            24,
            20000,
            """optimizer { rms_prop_optimizer: { momentum_optimizer_value: 0.9 decay: 0.9 epsilon: 1.0 learning_rate: {
              exponential_decay_learning_rate {
                initial_learning_rate: 0.004 decay_steps: 800720 decay_factor: 0.95 } } } }""",
            (FLIP, "ssd_random_crop { }"),
        )
        + READERS % "",
        {AUGMENT + "ssd_random_crop"},
        {"optimizer": "rmsprop", "optimizer_options": {"rho": 0.9, "momentum": 0.9, "epsilon": 1.0}, "ema": 0.9995},
    ),
    "heads of other shapes, depth": (
        net(
            HOURGLASS,
            10,
            more="""keypoint_estimation_task { task_name: "human_pose" heatmap_bias_init: 2.14 predict_depth: true
              candidate_ranking_mode: "score_distance_ratio" peak_max_pool_kernel_size: 5
              heatmap_head_params { num_filters: 64 num_filters: 32 kernel_sizes: 5 kernel_sizes: 3 } }""",
        )
        + train(8, 10, adam("constant_learning_rate { learning_rate: 1e-4 }"))
        + READERS % "",
        {
            NET + f"keypoint_estimation_task.{name}"
            for name in (
                *("heatmap_bias_init", "predict_depth", "candidate_ranking_mode", "peak_max_pool_kernel_size"),
                "heatmap_head_params",
            )
        },
        {"learning_rate": 1e-4},
    ),
    "masks, tracks and frames": (
        net(
            HOURGLASS,
            more="""mask_estimation_task { task_loss_weight: 1.0 } temporal_offset_task { task_loss_weight: 1.0 }
              densepose_estimation_task { class_id: 0 num_parts: 24 }
              track_estimation_task { num_track_ids: 1000 reid_embed_size: 128 }""",
        )
        + train(8, 10, adam("constant_learning_rate { }"))
        + READERS % "",
        {
            NET + name
            for name in (
                "mask_estimation_task",
                "densepose_estimation_task",
                "track_estimation_task",
                "temporal_offset_task",
            )
        },
        {"learning_rate": 2e-3, "max_objects": 100},
    ),
    "quantization and frozen layers": (
        net('type: "mobilenet_v2_fpn"', 2)
        + train(8, 10, adam("constant_learning_rate { }"), more='freeze_variables: ".*FeatureExtractor.*" batch_sze: 4')
        + READERS % ""
        + "graph_rewriter { quantization { delay: 48000 } }",
        {"train_config.freeze_variables", "train_config.batch_sze", "graph_rewriter"},
        {"batch_size": 8},
    ),
    "several readers of records": (
        net('type: "hourglass_52"', 2, 256)
        + train(32, 100, adam("constant_learning_rate { learning_rate: 1e-4 }"))
        + READERS.replace(
            'input_path: "PATH_TO_BE_CONFIGURED/train2017-?????-of-00256.tfrecord"',
            'input_path: ["a.record", "b.record"]',
        )
        % "",
        set(),
        {"steps": 100},
    ),
}
