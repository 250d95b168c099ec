"""The fields of a `pipeline.config` of the Detection API, and what becomes of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from centernet.checkpoints.fields import Rule, left_out, taken, unsupported

NO, YES, ZERO = ("false",), ("true",), ("0",)
NET = "model.center_net."
TASK = NET + "keypoint_estimation_task."
TRAIN = "train_config."
AUGMENTATION = TRAIN + "data_augmentation_options."
READERS = ("train_input_reader.", "eval_input_reader.")
FOCAL = "loss.penalty_reduced_logistic_focal_loss."
SCHEDULES: Mapping[str, tuple[str, ...]] = {
    "constant": ("learning_rate",),
    "exponential_decay": (
        *("initial_learning_rate", "decay_steps", "decay_factor", "staircase"),
        *("burnin_learning_rate", "burnin_steps", "min_learning_rate"),
    ),
    "manual_step": ("initial_learning_rate", "schedule.step", "schedule.learning_rate", "warmup"),
    "cosine_decay": (
        *("learning_rate_base", "total_steps", "warmup_learning_rate", "warmup_steps", "hold_base_rate_steps"),
    ),
}


def _all(prefix: str, *names: str) -> list[str]:
    return [prefix + name for name in names]


MODEL: list[Rule] = [
    *taken("classes", NET + "num_classes"),
    *taken("backbone", *_all(NET + "feature_extractor.", "type", "depth_multiplier", "use_separable_conv")),
    *taken("preprocessing", *_all(NET + "feature_extractor.", "channel_means", "channel_stds", "bgr_ordering")),
    *taken("backbone", NET + "feature_extractor.upsampling_interpolation", values=("nearest",)),
    *left_out("the extractors here have none", NET + "feature_extractor.use_depthwise", values=NO),
    *taken("preprocessing.size", *_all(NET + "image_resizer.keep_aspect_ratio_resizer.", "min_dimension")),
    *taken("preprocessing.size", *_all(NET + "image_resizer.keep_aspect_ratio_resizer.", "max_dimension")),
    *left_out("images are always padded", NET + "image_resizer.keep_aspect_ratio_resizer.pad_to_max_dimension"),
    *taken("preprocessing", NET + "image_resizer.keep_aspect_ratio_resizer.resize_method", values=("BILINEAR",)),
    *left_out("off, as here", NET + "image_resizer.keep_aspect_ratio_resizer.convert_to_grayscale", values=NO),
    *taken(
        "padding",
        NET + "image_resizer.keep_aspect_ratio_resizer.per_channel_pad_value",
        values=("0", "[0, 0, 0]", "[0.0, 0.0, 0.0]"),
    ),
    *unsupported("images keep their aspect ratio", NET + "image_resizer.fixed_shape_resizer*"),
    *taken("heads.separable", NET + "use_depthwise"),
    *left_out("another way to the same heatmap", NET + "compute_heatmap_sparse"),
    *taken("heads.filters", NET + "*_head_params.num_filters", values=("256",)),
    *taken("heads.kernel_size", NET + "*_head_params.kernel_sizes", values=("3",)),
    *taken("loss_weights", *_all(NET + "object_detection_task.", "*_loss_weight")),
    *taken("loss_weights.heatmap", NET + "object_center_params.object_center_loss_weight"),
    *taken("the loss", NET + "*localization_loss.l1_localization_loss"),
    *taken("the loss", f"{NET}*{FOCAL}alpha", values=("2",)),
    *taken("the loss", f"{NET}*{FOCAL}beta", values=("4",)),
    *taken("bias of heatmaps", NET + "*heatmap_bias_init", values=("-2.19",)),
    *taken("targets.min_overlap", NET + "object_center_params.min_box_overlap_iou"),
    *taken("decoder.max_detections", NET + "object_center_params.max_box_predictions"),
    *left_out("off, as here", NET + "object_center_params.use_labeled_classes", values=NO),
    *taken("decoder", NET + "*peak_max_pool_kernel_size", values=("3",)),
    *taken("data.label_map", NET + "keypoint_label_map_path"),
    *left_out("only a name", TASK + "task_name"),
    *taken("loss_weights", TASK + "task_loss_weight", TASK + "keypoint_regression_loss_weight"),
    *taken("loss_weights", TASK + "keypoint_heatmap_loss_weight", TASK + "keypoint_offset_loss_weight"),
    *taken("keypoints.class_name", TASK + "keypoint_class_name"),
    *taken("keypoints.deviations", TASK + "keypoint_label_to_std.*"),
    *taken("decoder", *_all(TASK, "keypoint_candidate_score_threshold", "num_candidates_per_keypoint")),
    *taken("decoder", *_all(TASK, "unmatched_keypoint_score", "box_scale", "candidate_search_scale")),
    *taken("decoder", TASK + "candidate_ranking_mode", values=("min_distance",)),
    *left_out(
        "of other ranking modes",
        *_all(TASK, "score_distance_*", "std_dev_multiplier", "gaussian_denom_ratio", "rescoring_threshold"),
    ),
    *taken("targets.keypoint_radius", TASK + "offset_peak_radius"),
    *taken("heads", TASK + "per_keypoint_offset", values=YES),
    *left_out("off, as here", *_all(TASK, "clip_out_of_frame_keypoints", "rescore_instances"), values=NO),
    *left_out("off, as here", *_all(TASK, "predict_depth", "argmax_postprocessing"), values=NO),
    *left_out("no depth", *_all(TASK, "per_keypoint_depth", "keypoint_depth_loss_weight")),
    *unsupported("instance masks", NET + "mask_estimation_task*", NET + "deepmac_mask_estimation*"),
    *unsupported("DensePose", NET + "densepose_estimation_task*"),
    *unsupported("tracking", NET + "track_estimation_task*"),
    *unsupported("offsets between frames", NET + "temporal_offset_task*"),
    *unsupported("suppression after decoding; see TestTime", NET + "post_processing*"),
    *left_out("only another output", NET + "output_prediction_dict"),
]

TRAINING: list[Rule] = [
    *taken("training.batch_size", TRAIN + "batch_size"),
    *taken("training.steps", TRAIN + "num_steps"),
    *taken("training.clip_norm", TRAIN + "gradient_clipping_by_norm"),
    *taken("training.max_objects", TRAIN + "max_number_of_boxes"),
    *taken("weights; heads that fit are kept, too", TRAIN + "fine_tune_checkpoint"),
    *taken("weights", TRAIN + "fine_tune_checkpoint_type", values=("detection", "full", "fine_tune", "")),
    *left_out("the form is recognized", TRAIN + "fine_tune_checkpoint_version", values=("V2", "2")),
    *left_out(
        "the form is recognized", *_all(TRAIN, "from_detection_checkpoint", "load_all_detection_checkpoint_vars")
    ),
    *taken("augmentation.horizontal_flip", AUGMENTATION + "random_horizontal_flip"),
    *taken("augmentation.horizontal_flip", AUGMENTATION + "random_horizontal_flip.probability"),
    *taken("keypoints.flip", AUGMENTATION + "random_horizontal_flip.keypoint_flip_permutation"),
    *taken("augmentation.vertical_flip", AUGMENTATION + "random_vertical_flip"),
    *taken("augmentation.vertical_flip", AUGMENTATION + "random_vertical_flip.probability"),
    *(
        rule
        for name in ("hue", "contrast", "saturation", "brightness")
        for rule in taken(f"augmentation.{name}", *_all(f"{AUGMENTATION}random_adjust_{name}", "", ".m*_delta"))
    ),
    *taken("augmentation.crop and shift", *_all(AUGMENTATION + "random_square_crop_by_scale", "", ".scale_*")),
    *taken("augmentation.shift", AUGMENTATION + "random_square_crop_by_scale.max_border", values=("128",)),
    *left_out("any scale between", AUGMENTATION + "random_square_crop_by_scale.num_scales"),
    *unsupported("nearest: augmentation.crop and shift", AUGMENTATION + "*crop*", AUGMENTATION + "*pad_image*"),
    *unsupported("nearest: augmentation.crop", AUGMENTATION + "random_image_scale*"),
    *unsupported("nearest: augmentation.transpose", AUGMENTATION + "random_rotation90*"),
    *unsupported("no such augmentation", AUGMENTATION + "*"),
    *taken(
        "training.optimizer_options",
        *_all(TRAIN + "optimizer.*_optimizer.", "momentum_optimizer_value", "epsilon"),
    ),
    *taken("training.optimizer_options.rho", TRAIN + "optimizer.rms_prop_optimizer.decay"),
    *taken(
        "training.ema, over a tenth of the training at most",
        *_all(TRAIN + "optimizer.", "use_moving_average", "moving_average_decay"),
    ),
    *taken(
        "training.schedule",
        *(
            f"{TRAIN}optimizer.*_optimizer.learning_rate.{kind}_learning_rate{name}"
            for kind, names in SCHEDULES.items()
            for name in ("", *(f".{name}" for name in names))
        ),
    ),
    *unsupported("see training.freeze", *_all(TRAIN, "freeze_variables", "update_trainable_variables")),
    *left_out("off, as here", TRAIN + "bias_grad_multiplier", values=ZERO),
    *left_out("off, as here", *_all(TRAIN, "merge_multiple_label_boxes", "use_multiclass_scores"), values=NO),
    *left_out("CenterNet has no regularization", TRAIN + "add_regularization_loss"),
    *left_out("trained in float32", TRAIN + "use_bfloat16"),
    *left_out(
        "of the original's own machinery",
        *_all(TRAIN, "sync_replicas", "startup_delay_steps", "replicas_to_aggregate", "*_queue_*", "unpad_*"),
        *_all(TRAIN, "keep_checkpoint_*", "summarize_gradients", "retain_original_images", "run_fine_tune_*"),
    ),
]

READING: list[Rule] = [
    rule
    for reader in READERS
    for rule in (
        *taken("data.label_map", reader + "label_map_path"),
        *taken("data", reader + "tf_record_input_reader.input_path"),
        *taken("keypoints of the label map", reader + "num_keypoints"),
        *left_out("all images are read", reader + "sample_1_of_n_examples", values=("1",)),
        *left_out("off, as here", *_all(reader, "num_additional_channels"), values=ZERO),
        *left_out("display_name is preferred", reader + "use_display_name"),
        *left_out("neither masks nor parts are read", *_all(reader, "load_*", "mask_type")),
        *left_out(
            "of the original's own reader",
            *_all(reader, "name", "*shuffle*", "num_epochs", "num_readers", "*prefetch*", "num_parallel_*"),
            *_all(reader, "queue_capacity", "min_after_dequeue", "read_block_length", "drop_remainder"),
            *_all(reader, "max_number_of_boxes", "include_source_id", "use_keypoint_label_map"),
        ),
        *left_out("TF Examples are read", reader + "input_type", values=("TF_EXAMPLE", "INPUT_DEFAULT")),
        *unsupported("only TFRecord files", reader + "external_input_reader*"),
    )
]

EVALUATION: list[Rule] = [
    *taken("keypoints.skeleton", *_all("eval_config.keypoint_edge.", "start", "end")),
    *left_out("COCO's metrics are computed", "eval_config.*"),
    *unsupported("training for quantization", "graph_rewriter*"),
]

# Of all extractors but hourglasses, whose normalization is that of Keras's applications.
BUILT_IN: list[Rule] = [
    *taken("preprocessing", NET + "feature_extractor.channel_means", values=("[0, 0, 0]", "[0.0, 0.0, 0.0]")),
    *taken("preprocessing", NET + "feature_extractor.channel_stds", values=("[1, 1, 1]", "[1.0, 1.0, 1.0]")),
    *taken("preprocessing", NET + "feature_extractor.bgr_ordering", values=NO),
]


def rules_of(model: Mapping[str, Any]) -> list[Rule]:
    """The rules for the fields of a `pipeline.config`, whose `model` decides about some."""
    hourglass = "hourglass" in str(model.get("center_net"))
    return [*([] if hourglass else BUILT_IN), *MODEL, *TRAINING, *READING, *EVALUATION]
