"""The note of when a training was best."""

from __future__ import annotations

import pytest

from centernet.errors import CheckpointError
from centernet.training.callbacks import Best, best_of


def test_it_is_read(tmp_path):
    assert best_of(tmp_path) is None
    (tmp_path / "best.json").write_text('{"epoch": 3, "val_ap": 0.25}')
    assert best_of(tmp_path) == Best(3, 0.25)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"epoch": 1}', '{"epoch": 1, "val_ap": null}'])
def test_a_damaged_one_is_told(tmp_path, content):
    (tmp_path / "best.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"best\.json\. It is damaged; remove it"):
        best_of(tmp_path)
