"""The large published network of Keypoint Triplets, from a file of the authors' form to detections and gradients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
from backends import Tolerance, forward
from goldens.compare import nearest_rows
from goldens.decoding import decoding
from goldens.merging import arrays, group, scales
from goldens.network import CLASS_STEP, features, norms, raw_maps, training_input
from goldens.training import losses, sample_boxes
from keras import ops
from published_triplets import check_report, image_of_chains, loaded

from centernet.checkpoints.pytorch.loading import triplet_source
from centernet.checkpoints.pytorch.names import layer_source
from centernet.data.batches.fitting import pad_objects
from centernet.models.test_time import TestTime
from centernet.models.triplets import passes
from centernet.models.triplets.decode import decode_pairs
from centernet.models.triplets.passes import Pass, merge

pytestmark = pytest.mark.heavy

PARTS = {"loss": "total", "focal": "focal", "pull": "pull", "push": "push", "offset": "regr"}
SINGLE, MULTI = "hg104_chain_single", "hg104_chain_multi"
SMALLEST = 0.6
# In training mode, single precision moves single gradients of the reference itself by up to 1.3e-3: ten times that.
GRADIENT_NOISE = 1.3e-2
MEDIAN_NOISE = 1e-3
# Pull squares the difference of nearly equal embeddings of size 1, whose last digit depends on the processor: relative
# to 0.002, 2e-7 off with AVX2, 1e-6 with one thread, 1.7e-5 with AVX-512.
EMBEDDING_NOISE = 1e-7


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with loaded("hg104", tmp_path_factory.mktemp("pytorch")) as detector:
        yield detector


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(decoding()["hg52/x"], 1, -1))


@pytest.fixture(scope="module")
def maps(published: Any, x: np.ndarray) -> dict[str, list[np.ndarray]]:
    return forward(published, x)


class Seen:
    """What the detector found in the reference's image at scale 1 and at the smallest, and the passes before."""

    def __init__(self, detector: Any) -> None:
        self.passes: dict[float, list[Pass]] = {}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(passes, "merge", self._merge)
            self.found = detector.detect(image_of_chains(), min_score=0, exact=True)
            smallest = TestTime(flip=True, scales=(SMALLEST, 1.0))
            detector.detect(image_of_chains(), min_score=0, exact=True, test_time=smallest)

    def _merge(self, found: list[Pass], *arguments: Any, **options: Any) -> Any:
        self.passes |= {scale: [one for one in found if one.canvas.scale == scale] for scale in (SMALLEST, 1.0)}
        return merge(found, *arguments, **options)


@pytest.fixture(scope="module")
def seen(published: Any) -> Seen:
    return Seen(published)


def rows_of(found: Any) -> np.ndarray:
    return np.column_stack([found.boxes, found.scores, found.class_ids + 1])


def test_every_tensor_of_the_file_is_taken_but_counters(published: Any) -> None:
    check_report(published, "hg104")


def test_features_on_the_way_are_those_of_the_reference(published: Any, x: np.ndarray, tolerance: Tolerance) -> None:
    """In the order of computation: the first that differs says where it goes wrong."""
    expected = features()
    trunk = published.backbone
    inside = {layer.name: layer.output for layer in trunk.layers if layer.name in expected}
    behind = {layer.name: layer.output for layer in published.layers if layer.name in expected}
    found = forward(keras.Model(trunk.input, inside), x) | forward(keras.Model(published.input, behind), x)
    assert found.keys() == expected.keys()
    for name, (values, channels, cells) in expected.items():
        some = found[name][:, ::cells, ::cells, ::channels]
        np.testing.assert_allclose(some, values, atol=tolerance.heads, rtol=0, err_msg=name)


def test_raw_heads_of_all_stacks_are_those_of_the_reference(
    published: Any, maps: dict[str, list[np.ndarray]], tolerance: Tolerance
) -> None:
    expected = raw_maps()
    assert expected.keys() == maps.keys()
    for name, stacks in maps.items():
        for stack, found in enumerate(stacks):
            found = found[..., ::CLASS_STEP] if found.shape[-1] == len(published.class_names) else found
            np.testing.assert_allclose(
                found, expected[name][stack], atol=tolerance.heads, rtol=0, err_msg=f"{name} of stack {stack}"
            )


def test_pairs_from_its_own_maps_are_those_of_the_reference(
    published: Any, maps: dict[str, list[np.ndarray]], tolerance: Tolerance
) -> None:
    last = {name: ops.convert_to_tensor(stacks[-1]) for name, stacks in maps.items()}
    boxes, *columns = (ops.convert_to_numpy(field)[0] for field in decode_pairs(last, published.config.decoder)[0])
    found = np.column_stack([boxes, *columns])[columns[0] > -1]
    expected = decoding()["hg104/dets"]
    np.testing.assert_allclose(nearest_rows(found, expected), expected, atol=tolerance.heads)


@pytest.mark.parametrize(("chain", "scale"), [(SINGLE, 1.0), (MULTI, 1.0), (MULTI, SMALLEST)])
def test_every_pass_decodes_to_what_the_reference_decoded(seen: Seen, chain: str, scale: float) -> None:
    name = f"{chain}/scale{scale:g}/"
    crop = group("chains", f"{name}crop/")
    for number, one in enumerate(seen.passes[scale]):
        assert one.canvas.size == tuple(crop["inp_size"])
        assert one.canvas.border == tuple(crop["border"][[0, 2]])
        pairs, centers = (arrays("chains")[f"{name}decoded/{kind}"][number] for kind in ("dets", "center"))
        pairs, found = (rows[rows[:, 4] > -1] for rows in (pairs, one.pairs))
        np.testing.assert_allclose(nearest_rows(found, pairs), pairs, atol=1e-3)
        np.testing.assert_allclose(nearest_rows(one.centers, centers), centers, atol=1e-3)


def test_one_scale_finds_what_the_reference_found(seen: Seen) -> None:
    found, expected = rows_of(seen.found), group("chains", f"{SINGLE}/")["final"]
    assert found.shape == (100, 6)
    np.testing.assert_allclose(nearest_rows(found, expected), expected, atol=1e-3)


def test_several_scales_find_what_the_reference_found(published: Any, seen: Seen) -> None:
    """The two smaller scales through the network; the others, which take minutes, from the reference's pairs."""
    every = []
    for scale in map(float, scales(MULTI)):
        if scale in seen.passes:
            every += seen.passes[scale]
            continue
        canvas = passes.fit_canvas(published.config.preprocessing, image_of_chains().shape[:2], scale)
        decoded = group("chains", f"{MULTI}/scale{scale:g}/decoded/")
        every += [Pass(canvas, decoded["dets"][number], decoded["center"][number], number == 1) for number in range(2)]
    joining = published.config.test_time.joining(vote=True)
    found, expected = rows_of(merge(every, None, joining, exact=True)), group("chains", f"{MULTI}/")["final"]
    assert found.shape == expected.shape == (100, 6)
    # Boxes are weighted with the tenth power of scores.
    np.testing.assert_allclose(nearest_rows(found, expected), expected, atol=5e-3)


@pytest.mark.skipif("keras.backend.backend() != 'tensorflow'", reason="gradients are taken with TensorFlow's tape")
class TestTraining:
    @pytest.fixture(scope="class")
    def step(self, published: Any) -> Iterator[tuple[dict[str, float], dict[str, float]]]:
        """Losses of a batch in training mode, and the norm of each gradient."""
        import tensorflow as tf

        boxes, class_ids = sample_boxes("hg104")
        y = pad_objects(8, boxes=boxes, class_ids=class_ids)

        @tf.function(autograph=False)
        def backward(x: Any, y: Any) -> Any:
            with tf.GradientTape() as tape:
                found = published.training_losses(published(x, training=True), y, tuple(x.shape[1:3]))
            slopes = tape.gradient(found["loss"], published.trainable_variables)
            return found, [tf.norm(tf.cast(slope, "float64")) for slope in slopes]

        moving = [variable.numpy() for variable in published.non_trainable_variables]
        x = tf.constant(training_input())
        found, slopes = backward(x, {name: tf.constant(value) for name, value in y.items()})
        keys = self.keys(published, published.trainable_variables)
        yield {name: float(value) for name, value in found.items()}, dict(zip(keys, map(float, slopes), strict=True))
        for variable, value in zip(published.non_trainable_variables, moving, strict=True):
            variable.assign(value)

    @staticmethod
    def keys(published: Any, variables: list[Any]) -> list[str]:
        """The reference's names of variables."""
        trunk = {id(variable): layer.name for layer in published.backbone.layers for variable in layer.weights}
        sources = [
            layer_source(trunk[id(variable)], variable.name)
            if id(variable) in trunk
            else triplet_source(variable.path.partition("/")[0], variable.path)
            for variable in variables
        ]
        return [source.key for source in sources]

    def test_losses_are_those_of_the_reference(self, step: Any) -> None:
        expected = losses()["hg104/bn_train"]
        for name, value in step[0].items():
            atol = EMBEDDING_NOISE if name == "pull" else 0
            np.testing.assert_allclose(value, expected[PARTS[name]], rtol=1e-5, atol=atol, err_msg=name)

    def test_gradients_have_the_norms_of_the_reference(self, step: Any) -> None:
        expected = norms()["gradient_norms"]
        assert step[1].keys() == expected.keys()
        for key, value in step[1].items():
            np.testing.assert_allclose(value, expected[key], rtol=GRADIENT_NOISE, err_msg=key)
        found = np.array([step[1][key] / expected[key] for key in expected])
        assert np.median(np.abs(found - 1)) < MEDIAN_NOISE

    def test_moving_averages_are_those_of_the_reference(self, published: Any, step: Any) -> None:
        expected = norms()["moving_norms"]
        variables = published.non_trainable_variables
        found = {
            key: np.linalg.norm(np.float64(variable.numpy()))
            for key, variable in zip(self.keys(published, variables), variables, strict=True)
        }
        assert found.keys() == expected.keys()
        for key, value in found.items():
            np.testing.assert_allclose(value, expected[key], rtol=1e-5, err_msg=key)
