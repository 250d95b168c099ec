"""What Zhou's PyTorch implementation makes of an image and of head maps: canvas, decoding, the mirrored pass."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from goldens.merging import arrays as drawn
from goldens.pytorch_points import DEMO, HEADS, PIXEL_STEP, as_ours, group
from keras import ops
from small import picture, small_detector

from centernet.errors import ConfigError
from centernet.models.points.decode import decode
from centernet.models.points.passes import _average
from centernet.models.presets import find_model
from centernet.models.settings import PointDecoderSettings
from centernet.models.test_time import TestTime
from centernet.ops.constants import STRIDE
from centernet.ops.preprocessing import Preprocessing, collate
from centernet.ops.resize import resize_like_opencv

HOURGLASS, POSE = "objects_as_points_hourglass104", "objects_as_points_hourglass104_pose"
MARGIN = 1000  # cells: boxes that reach out of the grid are not clipped to an image that is larger by as much
ORIGINAL = Preprocessing((128, 128), fit="original", sampling="half_pixel", step=16)


@pytest.mark.parametrize(
    ("case", "model", "scale"),
    [
        ("keep_hg", HOURGLASS, 1),
        ("keep_res", "objects_as_points_resnet18", 1),
        ("keep_res", "objects_as_points_resnet101", 1),
        ("keep_hg_0.75", POSE, 0.75),
    ],
)
def test_the_input_is_that_of_the_reference(case: str, model: str, scale: float) -> None:
    expected = group(f"pre_process/{case}/")
    mean, std = (tuple(255 * value for value in DEMO[key]) for key in ("mean", "std"))
    preprocessing = dataclasses.replace(find_model(model).preprocessing, mean=mean, std=std)
    image = np.ascontiguousarray(drawn("canvas")["image"][..., ::-1])
    image = resize_like_opencv(image, tuple(int(side * scale) for side in image.shape[:2]))
    batch, sizes = collate([image])
    canvas = preprocessing.canvas(sizes)
    assert canvas == tuple(expected["shape"][2:])
    found = preprocessing(ops.convert_to_tensor(batch), ops.convert_to_tensor(sizes), canvas)
    found = ops.convert_to_numpy(found)[:, ::PIXEL_STEP, ::PIXEL_STEP]
    np.testing.assert_allclose(np.moveaxis(found, -1, 1), expected["image"], atol=1e-5)


def decoded(prefix: str, model: str, count: int) -> dict[str, np.ndarray]:
    """What the decoder of a preset makes of the reference's maps, in cells."""
    theirs = group(f"{prefix}/")
    maps = {}
    for ours, name in {**HEADS, "heatmap": "heat"}.items():
        if name in theirs:
            values = as_ours(name, theirs[name]).astype(np.float64)
            # The reference's are probabilities already.
            maps[ours] = np.log(values) - np.log1p(-values) if ours.endswith("heatmap") else values
    settings = dataclasses.replace(find_model(model).decoder, max_detections=count, candidates=count)
    batch, height, width, _ = maps["heatmap"].shape
    size = np.array([[height + 2 * MARGIN, width + 2 * MARGIN]] * batch, np.int32) * STRIDE
    found = decode(
        {name: ops.convert_to_tensor(value.astype(np.float32)) for name, value in maps.items()},
        ops.convert_to_tensor(size),
        settings,
        offsets=ops.convert_to_tensor(np.full_like(size, -MARGIN * STRIDE)),
        keypoint_class=0,
    )
    arrays = {name: ops.convert_to_numpy(value) for name, value in found.items()}
    cells = size[0, ::-1] / STRIDE
    for name in {"boxes", "keypoints"} & arrays.keys():
        arrays[name] = arrays[name] * np.tile(cells, arrays[name].shape[-1] // 2) - MARGIN
    return arrays


def test_boxes_are_decoded_as_in_the_reference() -> None:
    expected = group("ctdet_decode/plain/")["dets"]
    found = decoded("ctdet_decode/plain", HOURGLASS, expected.shape[1])
    np.testing.assert_allclose(found["boxes"], expected[..., :4], atol=1e-3)
    np.testing.assert_allclose(found["scores"], expected[..., 4], atol=1e-5)
    np.testing.assert_array_equal(found["class_ids"], expected[..., 5])


def test_keypoints_are_decoded_as_in_the_reference() -> None:
    expected = group("multi_pose_decode/")["full"]
    found = decoded("multi_pose_decode", POSE, expected.shape[1])
    np.testing.assert_allclose(found["boxes"], expected[..., :4], atol=1e-3)
    np.testing.assert_allclose(found["scores"], expected[..., 4], atol=1e-5)
    keypoints = expected[..., 5:-1].reshape(found["keypoints"].shape)
    np.testing.assert_allclose(found["keypoints"], keypoints, atol=1e-3)
    # Some were snapped to a peak, some stayed where they were regressed.
    assert 0 < (found["keypoint_scores"] > 0.1).mean() < 1


def test_vectors_to_keypoints_in_the_mirror_are_the_reference_s() -> None:
    unit = group("flip/")
    maps = as_ours("hps", unit["in34"])
    both = np.concatenate([np.zeros_like(maps), maps])
    detector = SimpleNamespace(config=find_model(POSE))
    found = _average("keypoint_regression", ops.convert_to_tensor(both), detector)
    np.testing.assert_allclose(ops.convert_to_numpy(found) * 2, as_ours("hps", unit["flip_lr_off"]), atol=1e-6)


class TestImagesOfTheirOwnSize:
    @pytest.fixture(scope="class")
    def detector(self) -> Any:
        decoder = PointDecoderSettings(max_detections=20, rules="2019-04")
        return small_detector(preprocessing=ORIGINAL, image_size=None, decoder=decoder)

    def test_boxes_are_relative_to_where_the_image_lies(self, detector: Any) -> None:
        image = picture(40, 70)
        batch, _ = detector.preprocess(image)
        maps = {name: stacks[-1] for name, stacks in detector(batch, training=False).items()}
        height, width = batch.shape[1:3]
        assert (height, width) == (64, 80)
        whole = decode(maps, ops.convert_to_tensor([[height, width]]), detector.config.decoder)
        canvas, limits = (np.tile(np.float32(size), 2) for size in ((width, height), (70, 40)))
        boxes = ops.convert_to_numpy(whole["boxes"])[0] * canvas
        inside = ((boxes > 0) & (boxes < canvas)).all(axis=1)
        assert inside.sum() > 3
        expected = (boxes - np.tile([width // 2 - 35, height // 2 - 20], 2)).clip(0, limits)
        found = detector.infer([image])["boxes"][0]
        np.testing.assert_allclose(found[inside], expected[inside], atol=1e-2)
        assert ((found >= 0) & (found <= limits)).all()

    def test_one_scale_unmirrored_is_the_plain_detection(self, detector: Any) -> None:
        image = picture(41, 67)
        found, plain = (detector.detect(image, min_score=0, **more) for more in ({"test_time": TestTime()}, {}))
        np.testing.assert_allclose(found.boxes, plain.boxes, atol=1e-3)
        np.testing.assert_allclose(found.scores, plain.scores, atol=1e-5)

    def test_a_scaled_image_gives_pixels_of_the_original(self, detector: Any) -> None:
        image = picture(41, 67)
        found = detector.infer_passes([image], TestTime(scales=(1.5,)))[0]
        larger = detector.infer([resize_like_opencv(image, (61, 100))])
        np.testing.assert_allclose(found["boxes"], larger["boxes"][0] / 1.5, atol=1e-3)
        np.testing.assert_allclose(found["scores"], larger["scores"][0], atol=1e-5)
        assert found["class_ids"].dtype == np.int32

    @pytest.mark.parametrize("size", [(1, 1), (15, 200), (64, 64)])
    def test_small_and_thin_images_have_room_for_all_detections(self, detector: Any, size: tuple[int, int]) -> None:
        found = detector.infer([picture(*size)])
        assert found["boxes"].shape == (1, 20, 4)
        assert np.isfinite(found["boxes"]).all()

    @pytest.mark.parametrize("wrong", [{"step": 24}, {"step": 0}, {"size": (128, 127)}, {"size": (100, 128)}])
    def test_impossible_steps_are_refused(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(ConfigError, match="of preprocessing"):
            dataclasses.replace(ORIGINAL, **wrong)

    def test_steps_that_the_network_does_not_take_are_refused(self) -> None:
        with pytest.raises(ConfigError, match=r"step is a multiple of 8\. Received: step=4"):
            small_detector(preprocessing=dataclasses.replace(ORIGINAL, step=4), image_size=None)

    def test_more_detections_than_the_smallest_input_has_cells_are_refused(self) -> None:
        with pytest.raises(ConfigError, match=r"at most 256 .* an input of 64×64 pixels"):
            small_detector(preprocessing=ORIGINAL, image_size=None, decoder=PointDecoderSettings(max_detections=257))
