"""A data.yaml that describes no dataset: what is wrong with it is said."""

from __future__ import annotations

import pytest

from centernet.data import Dataset, Sample, load, write
from centernet.data.formats.yolo.data_yaml import flaw_of
from centernet.errors import ConfigError

SPLITS = "train: images/train\nval: images/val\n"
FLAWS = {
    "a list that doesn't end": (SPLITS + "names: [cat, dog\n", r"no YAML: line 4: expected .*flow sequence of line 3"),
    "a tab": (SPLITS + "names:\n\t0: cat\n", r"no YAML: line 4: .*'\\t'"),
    "two colons": (SPLITS + "names: cat: dog\n", "no YAML: line 3: mapping values are not allowed"),
    "a number of classes": (SPLITS + "nc: 2\n", "nc: 2 in line 3, but no names"),
    "no names": (SPLITS, r"has no names\. Give each class a name there"),
    "no splits": ("names: [cat]\n", "has names, but neither train nor val"),
    "no value": ("train:\nval:\nnames: [cat]\n", "has names, but neither train nor val"),
}


@pytest.mark.parametrize("flaw", FLAWS)
@pytest.mark.parametrize("name", ["data.yaml", "cells.yml"])
def test_flaws_are_reported_for_files_and_folders(tmp_path, flaw, name):
    text, message = FLAWS[flaw]
    (tmp_path / name).write_text(text)
    for path, format in ((tmp_path, "auto"), (tmp_path, "yolo"), (tmp_path / name, "auto"), (tmp_path / name, "yolo")):
        with pytest.raises(ConfigError, match=rf"{name} [^/]*{message}"):
            load(path, format)


def test_binary_content_is_reported(tmp_path):
    (tmp_path / "data.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"data\.yaml can't be read as one"):
        load(tmp_path)


def test_a_given_file_of_something_else(tmp_path):
    (tmp_path / "list.yaml").write_text("- a\n")
    with pytest.raises(ConfigError, match=r"list\.yaml has no names and no train or val"):
        load(tmp_path / "list.yaml")


@pytest.mark.parametrize("text", ["learning_rate: 1\n", "- a\n", "", "names: [cat]\ntrain: images\n"])
def test_yaml_of_something_else_or_without_flaw_in_a_folder_is_passed_over(tmp_path, text):
    (tmp_path / "config.yaml").write_text(text)
    assert flaw_of(tmp_path) == ""


def test_a_flaw_does_not_matter_where_another_format_fits(tmp_path):
    (tmp_path / "data").mkdir()
    path = write(Dataset([Sample(b"", [[0, 0, 1, 1]], [0], 1, size=(4, 4))], ["cat"]), tmp_path / "data", "csv")
    (path / "data.yaml").write_text("names: [cat\n")
    assert load(path, split="all").format == "csv"
