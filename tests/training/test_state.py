"""The state of a training on disk: whole or as it was before, whatever happens while it is written."""

from __future__ import annotations

import numpy as np
import pytest
from small import TINY, small_detector, state

from centernet.errors import CheckpointError, WriteError
from centernet.training.settings import TrainingSettings
from centernet.training.state import Position, find_state, restore_state, save_state
from centernet.training.training_model import make_training_model


@pytest.fixture
def training_model():
    return make_training_model(small_detector(backbone=TINY), TrainingSettings(), 10)


def test_a_full_disk_leaves_the_state_that_was_there(training_model, tmp_path, monkeypatch):
    save_state(training_model, tmp_path, Position(1, 2))
    before = state(training_model.detector)

    def full(file, **values):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    training_model.detector.set_weights([value + 1 for value in before])
    with pytest.raises(WriteError, match="No space left on device"):
        save_state(training_model, tmp_path, Position(3, 4))
    assert [file.name for file in tmp_path.iterdir()] == ["state"]
    assert restore_state(training_model, tmp_path) == Position(1, 2)
    assert all(np.array_equal(a, b) for a, b in zip(state(training_model.detector), before, strict=True))


def test_a_process_that_is_killed_between_two_renames_leaves_the_previous_state(training_model, tmp_path):
    save_state(training_model, tmp_path, Position(1))
    (tmp_path / "state").rename(tmp_path / "state.previous")
    assert restore_state(training_model, tmp_path) == Position(1)
    save_state(training_model, tmp_path, Position(2))
    assert find_state(tmp_path) == tmp_path / "state"
    assert restore_state(training_model, tmp_path) == Position(2)
    assert not (tmp_path / "state.previous").exists()


def test_a_state_without_what_the_training_was_begun_with_is_of_an_earlier_version(training_model, tmp_path):
    save_state(training_model, tmp_path, Position(1))
    (tmp_path / "state" / "training.json").unlink()
    with pytest.raises(CheckpointError, match="is of an earlier version and can't be resumed"):
        restore_state(training_model, tmp_path)


def test_a_damaged_state_and_one_of_another_training_are_refused(training_model, tmp_path):
    save_state(training_model, tmp_path, Position(1))
    other = make_training_model(small_detector(("a", "b", "c"), backbone=TINY), TrainingSettings(), 10)
    with pytest.raises(CheckpointError, match="belongs to another model"):
        restore_state(other, tmp_path)
    values = tmp_path / "state" / "values.npz"
    values.write_bytes(values.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="damaged"):
        restore_state(training_model, tmp_path)
