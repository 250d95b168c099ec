"""Label maps."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from centernet.data.dataset import Dataset
from centernet.data.formats.label_map import label_map_of, read_label_map
from centernet.errors import ConfigError


def test_octal_bytes_of_protoc(tmp_path):
    (tmp_path / "map.pbtxt").write_text(r'item { id: 1 name: "K\303\244se \"gro\303\237\"" }')
    assert read_label_map(tmp_path / "map.pbtxt").names == {1: 'Käse "groß"'}


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), min_size=1, unique=True))
def test_any_name_comes_back(tmp_path_factory, names):
    path = tmp_path_factory.mktemp("map") / "map.pbtxt"
    path.write_text(label_map_of(Dataset([], names)), encoding="utf-8")
    assert read_label_map(path).names == dict(enumerate(names, 1))


@pytest.mark.parametrize(
    "text", ["", "item {", "item { id: 1 }", "item { name: 'a' }", "item { id: 1 name: 'a' } " * 2]
)
def test_invalid_label_maps_are_refused(tmp_path, text):
    (tmp_path / "map.pbtxt").write_text(text)
    with pytest.raises(ConfigError, match=r"map\.pbtxt"):
        read_label_map(tmp_path / "map.pbtxt")
