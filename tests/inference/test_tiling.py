"""Detecting in tiles: which pixels they have, and what becomes of objects at their borders."""

from __future__ import annotations

import dataclasses
import logging
from itertools import pairwise
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small import picture, small_detector
from small_triplets import small_triplets

import centernet
from centernet import TestTime
from centernet.data import synthetic
from centernet.errors import ConfigError
from centernet.inference.tiling import MOST_TILES, Span, tiles_of
from centernet.models.config import ModelConfig
from centernet.models.settings import PointDecoderSettings
from centernet.ops.boxes import box_overlaps
from centernet.ops.nms import SuppressionSettings
from centernet.ops.preprocessing import Preprocessing
from centernet.results.detections import Detections

TILES = TestTime(tiles=(256, 256))
FIELDS = ("boxes", "scores", "class_ids", "keypoints", "keypoint_scores")
on_tensorflow = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="exports on TensorFlow only")


@pytest.fixture(scope="module")
def shapes() -> Any:
    return centernet.load("shapes", runtime="onnx")


@pytest.fixture(scope="module")
def scene() -> Any:
    """Shapes of 40 to 50 pixels in a scene of 500×700."""
    (sample,) = synthetic.shapes(
        1, (500, 700), seed=3, min_objects=25, max_objects=25, keypoints=True, radius=(0.045, 0.05), max_overlap=0
    )
    return sample


def equal(found: Detections, expected: Detections, atol: float = 0.0) -> None:
    assert len(found) == len(expected) > 0
    for name in FIELDS:
        here, there = getattr(found, name), getattr(expected, name)
        assert (here is None) == (there is None)
        if here is not None:
            np.testing.assert_allclose(here, there, atol=atol, rtol=0)


class TestTiles:
    @given(
        st.tuples(*[st.integers(1, 3000)] * 2),
        st.tuples(*[st.integers(32, 900)] * 2),
        st.floats(0, 0.9, allow_subnormal=False),
    )
    def test_they_cover_every_pixel_have_the_size_and_overlap_at_least_as_asked(self, size, tiles, overlap):
        try:
            found = tiles_of(size, TestTime(tiles=tiles, overlap=overlap))
        except ConfigError:
            return
        for axis in (0, 1):
            spans = sorted({tile[axis] for tile in found})
            side, tile = size[axis], min(size[axis], tiles[axis])
            assert (spans[0].start, spans[-1].end) == (0, side)
            assert all(span.end - span.start == tile for span in spans)
            for one, other in pairwise(spans):
                assert one.start < other.start <= one.end - tile * overlap + 1e-6
                assert (one.after, other.before) == (other.start, one.end)
            assert (spans[0].before, spans[-1].after) == (-np.inf, np.inf)
        assert len(found) == len({tile.rows for tile in found}) * len({tile.columns for tile in found})

    def test_too_many_are_refused(self):
        message = rf"at most {MOST_TILES}.*tiles=\(32, 32\), overlap=0.9, which are .* of 4000×3000 pixels. Choose"
        with pytest.raises(ConfigError, match=message):
            tiles_of((4000, 3000), TestTime(tiles=(32, 32), overlap=0.9))

    @pytest.mark.parametrize(
        ("box", "cut"),
        [
            ((150, 200), True),  # touches the end; the next tile begins at 140
            ((150, 194), False),  # 6 pixels from it: whole
            ((130, 200), False),  # larger than the overlap: no tile may have all of it
            ((100, 130), True),  # touches the start; the tile before ends at 160
            ((100, 160), False),
            ((106, 130), False),
        ],
    )
    def test_a_box_is_cut_where_a_neighbor_has_all_of_it(self, box, cut):
        span = Span(100, 200, before=160, after=140)
        assert span.cuts(*np.float32(box)[:, None]).tolist() == [cut]

    def test_the_image_s_own_border_cuts_nothing(self):
        assert not Span(0, 100, -np.inf, np.inf).cuts(np.float32([0, 0, 50]), np.float32([100, 20, 100])).any()

    @pytest.mark.parametrize(
        "options",
        [
            {"tiles": 640},
            {"tiles": (640,)},
            {"tiles": (640.5, 640)},
            {"tiles": (31, 640)},
            {"tiles": (640, 2**15 + 1)},
            {"overlap": -0.1},
            {"overlap": 0.95},
            {"overlap": float("nan")},
            {"whole": 1},
        ],
        ids=str,
    )
    def test_what_can_t_be_is_refused(self, options):
        with pytest.raises(ConfigError):
            TestTime(**options)


@pytest.mark.parametrize("make", [small_detector, small_triplets])
@pytest.mark.parametrize("fit", ["canvas", "original"])
class TestBothFamilies:
    def test_an_image_that_is_not_larger_than_a_tile_is_detected_as_without_tiles(self, make, fit):
        detector = make(preprocessing=Preprocessing((64, 64), fit=fit, step=16), image_size=None)
        for image in (picture(64, 64), picture(40, 60)):
            equal(
                detector.detect(image, min_score=0, test_time=TestTime(tiles=(64, 64))),
                detector.detect(image, min_score=0),
            )
            options = {"flip": True, "suppression": SuppressionSettings("linear")}
            equal(
                detector.detect(image, min_score=0, test_time=TestTime(tiles=(64, 64), **options)),
                detector.detect(image, min_score=0, test_time=TestTime(**options)),
            )

    def test_each_tile_is_detected_like_an_image_whatever_the_batch(self, make, fit):
        detector = make(preprocessing=Preprocessing((64, 64), fit=fit, step=16), image_size=None)
        image = picture(64, 120)
        tiles = TestTime(tiles=(64, 64), overlap=0, whole=False, suppression=SuppressionSettings("hard"))
        alone = detector.detect(image, min_score=0, test_time=tiles)
        together = detector.detect(image, min_score=0, test_time=tiles, batch_size=3)
        equal(together, alone, atol=1e-3)
        parts = [detector.detect(part, min_score=0) for part in (image[:, :64], image[:, 56:])]
        boxes = np.concatenate([parts[0].boxes, parts[1].boxes + np.float32([56, 0, 56, 0])])
        scores = np.concatenate([part.scores for part in parts])
        for box, score in zip(alone.boxes, alone.scores, strict=True):
            assert (np.abs(boxes - box).max(axis=1) + np.abs(scores - score)).min() < 1e-3


class TestObjects:
    @pytest.fixture(scope="class")
    def found(self, shapes, scene) -> Detections:
        return shapes.detect(scene.image, test_time=TILES)

    @pytest.mark.parametrize("whole", [True, False])
    def test_every_object_comes_out_once_with_its_full_box(self, shapes, scene, whole):
        found = shapes.detect(scene.image, test_time=dataclasses.replace(TILES, whole=whole))
        overlaps = box_overlaps(found.boxes, scene.boxes)
        assert ((overlaps > 0.75) & (found.class_ids[:, None] == scene.class_ids)).sum(axis=0).tolist() == [1] * 25
        assert len(found) == 25 or whole  # the whole image has groups of shapes that look like one

    def test_there_are_objects_at_borders(self, scene):
        borders = np.unique([[span.start, span.end] for span in {t.columns for t in tiles_of((500, 700), TILES)}])[1:-1]
        crossed = (scene.boxes[:, [0]] < borders) & (scene.boxes[:, [2]] > borders)
        assert crossed.any(axis=1).sum() > 3

    def test_boxes_below_the_minimum_score_vote(self, shapes, scene):
        votes = TestTime(tiles=(256, 256), vote=True, suppression=SuppressionSettings())
        every = shapes.detect(scene.image, test_time=votes, min_score=0)
        equal(shapes.detect(scene.image, test_time=votes, min_score=0.5), every[every.scores >= 0.5])

    def test_keypoints_are_those_of_their_figure(self, found, scene):
        figure = scene.class_ids == 4
        assert figure.sum() > 3
        for box, points in zip(scene.boxes[figure], scene.keypoints[figure], strict=True):
            row = box_overlaps(found.boxes, box[None])[:, 0].argmax()
            assert np.abs(found.keypoints[row] - points[:, :2]).max() < 8

    def test_small_objects_are_missed_without_tiles(self, shapes, scene):
        assert len(shapes.detect(scene.image)) < 20

    def test_a_large_object_is_found_in_the_whole_image(self, shapes):
        (sample,) = synthetic.shapes(1, (600, 600), seed=1, min_objects=1, max_objects=1, radius=(0.2, 0.2))
        overlaps = [
            box_overlaps(shapes.detect(sample.image, test_time=one).boxes, sample.boxes).max(initial=0)
            for one in (TILES, dataclasses.replace(TILES, whole=False))
        ]
        assert overlaps[0] > 0.8 > overlaps[1]

    def test_the_decoder_s_limit_is_that_of_a_tile(self, scene):
        few = centernet.load("shapes")
        few.config = dataclasses.replace(few.config, decoder=dataclasses.replace(few.config.decoder, max_detections=9))
        few.refresh()
        found = few.detect(scene.image, test_time=TILES)
        assert len(found) > 20
        assert found.to_tf()["detection_scores"].shape == (1, len(found))
        best = few.detect(scene.image, test_time=TILES, max_detections=12)
        equal(best, found[:12])

    def test_keras_and_an_exported_file_agree(self, shapes, scene, found):
        equal(centernet.load("shapes").detect(scene.image, test_time=TILES, batch_size=4), found, atol=0.01)

    def test_passes_of_the_file_are_those_of_each_tile(self):
        image = np.tile(centernet.images.reading.read_image("examples/blood_cells.png").image[:320, :320], (2, 2, 1))
        keras_model, exported = centernet.load("bccd"), centernet.load("bccd", runtime="onnx")
        tiled = dataclasses.replace(exported.config.test_time, tiles=(320, 320))
        found = exported.detect(image, test_time=tiled)
        assert len(found) > 20
        equal(keras_model.detect(image, test_time=tiled), found, atol=0.01)
        with pytest.raises(ConfigError, match=r"Expected the passes that bccd\.onnx computes"):
            exported.detect(image, test_time=dataclasses.replace(tiled, flip=False))

    def test_damaged_weights_are_not_an_empty_scene(self, scene):
        detector = small_detector()
        detector.get_layer("heatmap_0").bias.assign([np.nan, 0])
        with pytest.raises(centernet.CenterNetError, match="NaN"):
            detector.detect(scene.image, test_time=TILES)


class TestDescriptions:
    @on_tensorflow
    def test_a_model_may_have_tiles_and_so_has_its_file(self, tmp_path: Path, caplog: pytest.LogCaptureFixture):
        detector = small_detector(decoder=PointDecoderSettings(max_detections=30))
        plain = detector.detect(picture(100, 120))
        own = TestTime(tiles=(64, 64), suppression=SuppressionSettings("hard"))
        detector.config = dataclasses.replace(detector.config, test_time=own)
        expected = detector.detect(picture(100, 120))
        assert len(expected) != len(plain)
        detector.save(tmp_path / "saved")
        equal(centernet.load(tmp_path / "saved").detect(picture(100, 120)), expected)
        with caplog.at_level(logging.WARNING, "centernet"):
            detector.export(tmp_path / "exported")
        assert "tiles of 64×64 pixels" in caplog.text
        exported = centernet.load(tmp_path / "exported")
        assert exported.config.test_time == own
        equal(exported.detect(picture(100, 120)), expected, atol=1e-3)

    def test_descriptions_without_tiles_are_read(self):
        config = dataclasses.replace(small_detector(lively=False).config, test_time=TestTime(flip=True))
        data = config.to_dict()
        for name in ("tiles", "overlap", "whole"):
            del data["test_time"][name]
        assert ModelConfig.from_dict(data) == config
