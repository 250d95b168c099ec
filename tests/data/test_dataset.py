"""Samples and datasets."""

from __future__ import annotations

import numpy as np
import pytest

from centernet.data.batches.loader import Batches
from centernet.data.dataset import Dataset
from centernet.data.keypoints import KeypointTask
from centernet.data.sample import Sample
from centernet.errors import ConfigError, SourceError


def sample(index, count=1):
    image = np.full((4, 6, 3), index, np.uint8)
    return Sample(image, [[0, 0, 2, 3]] * count, [0] * count, index)


@pytest.fixture
def dataset():
    return Dataset([sample(index) for index in range(10)], ["a", "b"])


class TestSample:
    def test_annotations_become_arrays(self):
        found = Sample(b"", [[0, 0, 2, 3]], [1], "a", keypoints=[[1, 2, 2, 3, 4, 0]])
        assert (found.boxes.dtype, found.class_ids.dtype, found.ignore.dtype) == (np.float32, np.int32, bool)
        assert found.keypoints.shape == (1, 2, 3)
        assert found.areas.tolist() == [6]

    def test_an_image_without_objects(self):
        found = Sample(b"", [], [], "a")
        assert found.boxes.shape == (0, 4)
        assert found.class_ids.shape == found.ignore.shape == found.areas.shape == (0,)

    def test_other_numbers_of_classes_than_boxes_are_refused(self):
        with pytest.raises(ConfigError, match=r"as many class_ids as boxes \(1\) of image 'a'\. Received: 2"):
            Sample(b"", [[0, 0, 1, 1]], [0, 1], "a")

    def test_the_image_is_read_when_it_is_asked_for(self, tmp_path):
        found = Sample(tmp_path / "missing.jpg", [], [], 1)
        with pytest.raises(SourceError, match=r"missing\.jpg"):
            _ = found.image


class TestDataset:
    def test_indices_slices_and_masks(self, dataset):
        assert dataset[3].image_id == 3
        assert [found.image_id for found in dataset[2:4]] == [2, 3]
        assert [found.image_id for found in dataset[[5, 1]]] == [5, 1]
        assert [found.image_id for found in dataset[np.arange(10) % 5 == 0]] == [0, 5]
        assert dataset[:2].class_names == ("a", "b")

    def test_a_split_loses_nothing_and_is_the_same_for_a_seed(self, dataset):
        first, second = dataset.split(0.3)
        assert sorted(found.image_id for part in (first, second) for found in part) == list(range(10))
        assert len(second) == 3
        assert [found.image_id for found in dataset.split(0.3)[1]] == [found.image_id for found in second]
        assert [found.image_id for found in dataset.split(0.3, seed=1)[1]] != [found.image_id for found in second]

    @pytest.mark.parametrize("part", [0, 1, -0.5])
    def test_parts_that_split_nothing_are_refused(self, dataset, part):
        with pytest.raises(ConfigError, match="between 0 and 1"):
            dataset.split(part)

    def test_one_id_a_class(self):
        with pytest.raises(ConfigError, match=r"one dataset id per class \(2\)"):
            Dataset([], ["a", "b"], [1])


class TestRepr:
    def test_a_dataset_says_what_it_is_and_prints_no_arrays(self, dataset):
        assert repr(dataset) == "Dataset(10 images, 10 objects, classes=('a', 'b'), name='dataset')"
        task = KeypointTask("fingers", ("a", "b", "c", "d"))
        hands = Dataset([sample(1)], ["fingers"], keypoints=task, name="hands (train)")
        assert repr(hands) == "Dataset(1 image, 1 object, classes=('fingers',), keypoints=4, split='train')"
        assert repr(hands[[]]).startswith("Dataset(0 images, 0 objects, ")

    def test_many_classes_are_shortened(self):
        found = repr(Dataset([], [f"class_{number}" for number in range(80)]))
        assert "'class_7') and 72 more" in found
        assert "class_8" not in found

    def test_a_sample(self, tmp_path):
        assert repr(sample(3, 2)) == "Sample(3, 2 objects, source='ndarray', size=None)"
        path = tmp_path / "a.jpg"
        posed = Sample(path, [[0, 0, 2, 3]], [0], "a", keypoints=[[1, 2, 2, 3, 4, 0]], size=(4, 6))
        assert repr(posed) == f"Sample('a', 1 object, keypoints=2, source='{path}', size=(4, 6))"

    def test_a_check_report(self, dataset):
        found = repr(dataset.check())
        assert found == "CheckReport('dataset', 0 problems, 1 note, input_size=(512, 512), verdict='fine')"

    def test_batches(self, dataset):
        found = repr(Batches(dataset, (4, 6), 3))
        assert found == (
            "Batches('dataset', 3 per epoch, batch_size=3, canvas=(4, 6), max_objects=1, start=(0, 0), shuffle=True)"
        )
