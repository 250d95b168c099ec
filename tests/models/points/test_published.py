"""Each of the eleven published detectors, from a checkpoint of its own form to its detections."""

from __future__ import annotations

import dataclasses
import gc
import shutil
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from backends import Tolerance, forward
from goldens import images
from goldens.checkpoints import write_saved_model, write_training
from goldens.compare import check, reference_form
from goldens.reference import HEADS, MODELS, facts, group, manifests, outputs
from keras import ops

import centernet
from centernet.models.points.decode import decode
from centernet.models.presets import find_model

NOT_OURS = {"detection_multiclass_scores", "detection_boxes_strided"}
EXPORTED = (
    "centernet_mobilenetv2fpn_512x512_coco17_kpts",
    "centernet_resnet50_v1_fpn_512x512_coco17_tpu-8",
    "centernet_resnet50_v2_512x512_kpts_coco17_tpu-8",
    "centernet_hg104_512x512_coco17_tpu-8",
)


def marked(models: tuple[str, ...]) -> list[Any]:
    """The Hourglass detectors have 191 million parameters."""
    return [pytest.param(name, marks=pytest.mark.heavy if "hg104" in name else ()) for name in models]


@dataclass
class Published:
    """A detector with stand-in weights, and what it makes of the small canvas."""

    name: str
    detector: Any
    features: list[np.ndarray]
    maps: dict[str, list[np.ndarray]]

    @property
    def last(self) -> dict[str, Any]:
        return {head: ops.convert_to_tensor(stacks[-1]) for head, stacks in self.maps.items()}

    def eras(self, kind: str) -> list[str]:
        """Groups of the reference of a kind that exist for this model; those of the last rules come last."""
        names = (f"{kind}_published", f"{kind}_published_on_tf215", f"{kind}_2021")
        found = [name for name in names if group(self.name, name)]
        # Only the keypoints of 2020 depend on the runtime.
        assert (names[1] in found) == (self.rules("published") == "2020-07" and "kpts" in self.name)
        return found

    def rules(self, era: str) -> str:
        return "2021-07" if era.endswith("_2021") else self.detector.config.decoder.rules

    def ties(self, era: str) -> list[list[int]]:
        """Ranks that may swap; what ran elsewhere has those of its code."""
        return facts(self.name)["near_ties"].get(era.removesuffix("_on_tf215"), [])


@pytest.fixture(scope="module", params=marked(MODELS))
def published(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    folder = tmp_path_factory.mktemp("checkpoint")
    detector = centernet.load(request.param, weights=write_training(request.param, folder / "ckpt-0"))
    shutil.rmtree(folder)
    canvas = dataclasses.replace(detector.config.preprocessing, size=images.small_canvas().shape[:2])
    whole = ops.convert_to_tensor([canvas.size])
    batch = canvas(ops.convert_to_tensor(images.small_canvas()[None]), whole)
    yield Published(request.param, detector, forward(detector.backbone, batch), forward(detector, batch))
    del detector
    keras.backend.clear_session()
    gc.collect()


def test_features_of_every_stack(published: Published, tolerance: Tolerance) -> None:
    expected = group(published.name, "features_stride4")
    assert len(published.features) == len(expected)
    for stack, found in enumerate(published.features):
        np.testing.assert_allclose(found[:, ::4, ::4], expected[str(stack)], atol=tolerance.heads, rtol=0)


def test_raw_heads_of_every_stack(published: Published, tolerance: Tolerance) -> None:
    arrays = outputs(published.name)
    compared = 0
    for head, stacks in published.maps.items():
        for stack, found in enumerate(stacks):
            for name, step in (("heads", 1), ("heads_stride2", 2)):
                expected = arrays.get(f"{name}/{HEADS[head]}/{stack}")
                if expected is not None:
                    part = found[:, ::step, ::step]
                    np.testing.assert_allclose(part, expected, atol=tolerance.heads, rtol=0, err_msg=head)
                    compared += 1
    # Nothing of the reference was left out, and nothing of ours.
    assert compared == sum(name.startswith(("heads/", "heads_stride2/")) for name in arrays)
    assert compared == sum(len(stacks) for stacks in published.maps.values())


def test_detections_on_the_small_canvas(published: Published, tolerance: Tolerance) -> None:
    limits = {"size": images.SMALL_SIZE, "pixels": tolerance.pixels, "score": tolerance.score}
    for era in published.eras("post"):
        found = decode(
            published.last,
            ops.convert_to_tensor([images.SMALL_SIZE]),
            dataclasses.replace(published.detector.config.decoder, rules=published.rules(era)),
            keypoint_class=published.detector.config.keypoint_class,
            exact=era.endswith("_on_tf215"),
        )
        check(to_reference(found), group(published.name, era), ties=published.ties(era), **limits)


def test_the_report_names_what_the_published_file_holds_besides(published: Published) -> None:
    report, manifest = published.detector.report, manifests()[published.name]
    extra = {key.partition("/.")[0]: reason for key, reason in report.left_over.items()}
    assert report.form == "TensorFlow training checkpoint"
    assert not report.new
    assert len(report.taken) == len(set(report.taken)) == len(published.detector.variables)
    assert len(report.taken) + len(extra) == len(manifest["training"]) + len(manifest["published_extra"]) + 1
    assert extra["save_counter"] == "counter"
    for name in manifest["published_extra"]:
        assert "ImageNet classifier" in extra[name]
    unused = [name for name, reason in extra.items() if "normalization behind" in reason]
    assert len(unused) == (4 if "resnet50_v2" in published.name else 0)


def test_detections_of_a_whole_image_are_those_of_the_export(published: Published, tolerance: Tolerance) -> None:
    if "1024" in published.name:
        pytest.skip("the reference has no export of the published rules at 1024")
    signature = facts(published.name)["signatures"]["published"]
    for era in published.eras("serving")[:-1]:
        exact = era.endswith("_on_tf215")
        found = published.detector.detect(images.landscape(), min_score=0, exact=exact).to_tf()
        check_whole(published, found, era, tolerance)
        described = {name: [str(value.shape), str(value.dtype)] for name, value in found.items()}
        assert described == {name: kind for name, kind in signature.items() if name not in NOT_OURS}


def test_detections_of_a_whole_image_under_the_last_rules(published: Published, tolerance: Tolerance) -> None:
    if "1024" in published.name:
        pytest.skip("the same network as at 512, four times as slow")
    image, config = images.landscape(), published.detector.config
    batch, sizes = published.detector.preprocess(image)
    np.testing.assert_array_equal(sizes, [image.shape[:2]])
    maps = forward(published.detector, batch)
    fitted = group(published.name, "preprocess_landscape")["true_image_shapes"][:, :2]
    found = decode(
        {head: ops.convert_to_tensor(stacks[-1]) for head, stacks in maps.items()},
        ops.convert_to_tensor(fitted),
        dataclasses.replace(config.decoder, rules="2021-07"),
        keypoint_class=config.keypoint_class,
    )
    arrays = to_reference(found)
    arrays["detection_classes"] = arrays["detection_classes"] + 1
    check_whole(published, arrays, "serving_2021", tolerance)


def to_reference(found: dict[str, Any]) -> dict[str, np.ndarray]:
    return reference_form({name: ops.convert_to_numpy(value) for name, value in found.items()})


def check_whole(published: Published, found: dict[str, np.ndarray], era: str, tolerance: Tolerance) -> None:
    expected = group(published.name, era)
    limits = {"pixels": tolerance.pixels, "score": tolerance.score}
    check(found, expected, size=images.landscape().shape[:2], ties=published.ties(era), **limits)


@pytest.mark.parametrize("name", marked(EXPORTED))
def test_the_exported_form_sets_the_same_weights(name: str, tmp_path: Path) -> None:
    def checksums(weights: Path, form: str) -> list[int]:
        detector = centernet.load(name, weights=weights)
        shutil.rmtree(weights if weights.is_dir() else weights.parent)
        assert detector.report.form == form
        return [zlib.crc32(ops.convert_to_numpy(variable).tobytes()) for variable in detector.variables]

    trained = checksums(write_training(name, tmp_path / "ckpt" / "ckpt-0"), "TensorFlow training checkpoint")
    gc.collect()  # two Hourglasses at once are 1.5 GB
    exported = checksums(write_saved_model(name, tmp_path / "saved_model"), "TensorFlow SavedModel variables")
    assert exported == trained


def test_every_published_model_is_held_to_the_reference() -> None:
    listed = [name for name in centernet.list_models().names if find_model(name).archive.url]
    assert sorted(listed) == sorted(MODELS)
