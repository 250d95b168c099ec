"""The models that are known by name, and the YAML files that describe them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from centernet import list_models, load
from centernet.checkpoints.locate import read_model
from centernet.errors import ConfigError
from centernet.files.environment import cache_dir
from centernet.models import presets
from centernet.models.backbones import BACKBONES
from centernet.models.config import ModelConfig

PARAMS = Path(__file__).parents[1] / "goldens" / "model_garden" / "params.yaml"
PUBLISHED = {  # as the tables of the zoo have it: box AP, keypoint AP on COCO val2017
    "centernet_hg104_512x512_coco17_tpu-8": (41.9, None),
    "centernet_hg104_512x512_kpts_coco17_tpu-32": (40.0, 61.4),
    "centernet_hg104_1024x1024_coco17_tpu-32": (44.5, None),
    "centernet_hg104_1024x1024_kpts_coco17_tpu-32": (42.8, 64.5),
    "centernet_resnet50_v1_fpn_512x512_coco17_tpu-8": (31.2, None),
    "centernet_resnet50_v1_fpn_512x512_kpts_coco17_tpu-8": (29.3, 50.7),
    "centernet_resnet101_v1_fpn_512x512_coco17_tpu-8": (34.2, None),
    "centernet_resnet50_v2_512x512_coco17_tpu-8": (29.5, None),
    "centernet_resnet50_v2_512x512_kpts_coco17_tpu-8": (27.6, 48.2),
    "centernet_mobilenetv2fpn_512x512_coco17_od": (23.4, None),
    "centernet_mobilenetv2fpn_512x512_coco17_kpts": (None, 41.7),
}


@pytest.fixture
def write(tmp_path):
    def write(data, name="mine.yaml"):
        path = tmp_path / name
        path.write_text(data if isinstance(data, str) else yaml.safe_dump(data))
        return path

    return write


def small(**changes):
    base = {"name": "mine", "backbone": {"name": "hourglass52"}, "preprocessing": {"size": [128, 128]}, "classes": 3}
    return base | changes


def test_the_eleven_published_models_are_there_with_their_figures():
    found = {m.name: (m.published.box_ap, m.published.keypoint_ap) for m in list_models()}
    assert {name: found.get(name) for name in PUBLISHED} == PUBLISHED


@pytest.mark.parametrize("model", list_models(), ids=lambda m: m.name)
def test_every_model_of_the_table_can_be_described_and_found(model):
    assert ModelConfig.from_dict(model.to_dict()) == model
    assert presets.find_model(model.name) == model
    assert model.backbone["name"] in BACKBONES
    assert not model.archive.bundled or (presets.configs_dir() / model.archive.bundled).is_file()


@pytest.mark.parametrize("model", [m for m in list_models() if m.name in PUBLISHED], ids=lambda m: m.name)
def test_a_preset_says_what_its_name_says(model):
    size = int(re.search(r"_(\d+)x\1_", model.name)[1])
    assert model.preprocessing.size == (size, size)
    # These two archives alone were described as finding persons; the others have the 90 slots of COCO.
    assert len(model.classes) == (1 if model.name.endswith("coco17_kpts") else 90)
    assert (model.keypoints is not None) == ("kpts" in model.name)
    assert model.archive.url.endswith(f"/{model.name}.tar.gz")
    assert model.archive.url.startswith("https://")
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in model.archive.sha256.values())


def test_ids_of_coco_have_gaps_that_no_name_hides():
    model = presets.find_model("centernet_hg104_512x512_coco17_tpu-8")
    assert model.dataset_ids == tuple(range(1, 91))
    assert (model.classes[0], model.classes[11], model.classes[89]) == ("person", "unused_12", "toothbrush")
    assert sum(name.startswith("unused_") for name in model.classes) == 10


def test_a_yaml_that_is_not_there_is_missing_and_has_neighbors(write, tmp_path):
    write(small())
    with pytest.raises(ConfigError, match=r"mein\.yaml: no such file\. Did you mean mine\.yaml\?"):
        load(tmp_path / "mein.yaml")


@pytest.mark.parametrize("name", ["BCCD", "Bcdc"])
def test_a_name_in_capitals_has_the_nearest_names_too(name):
    with pytest.raises(ConfigError, match=rf"Received: '{name}'\. Did you mean 'bccd'"):
        load(name)


def test_the_list_prints_as_a_table_of_one_line_a_model():
    lines = repr(list_models()).splitlines()
    assert lines[0].split() == ["name", "network", "task", "size", "box", "AP", "keypoint", "AP", "ms"]
    assert len(lines) == 1 + len(list_models())
    row = next(line for line in lines if line.startswith("centernet_hg104_512x512_kpts"))
    assert row.split()[1:] == ["hourglass104", "boxes+keypoints", "512x512", "40", "61.4", "76"]


def test_reading_the_list_neither_writes_nor_fetches():
    list_models.cache_clear()
    before = set(cache_dir().rglob("*")) if cache_dir().exists() else set()
    list_models()
    assert (set(cache_dir().rglob("*")) if cache_dir().exists() else set()) == before


def test_a_misspelt_name_gets_the_nearest_ones():
    with pytest.raises(ConfigError, match="Did you mean 'centernet_hg104_512x512_coco17_tpu-8'"):
        presets.find_model("centernet_hg104_512x512_coco17_tpu8")


def test_a_name_like_no_other_gets_the_command_that_lists_them():
    with pytest.raises(ConfigError, match=r"Received: 'zzz'\. `centernet models` lists all"):
        presets.find_model("zzz")


def test_a_yaml_of_ones_own_is_read_with_the_tables_it_names(write):
    model = read_model(write(small(classes="coco90", keypoints="coco17", task="boxes+keypoints")))
    assert (len(model.classes), len(model.keypoints.names), model.keypoint_class) == (90, 17, 0)


def test_a_twelfth_model_is_a_yaml_more(write, monkeypatch):
    folder = write(small()).parent
    monkeypatch.setattr(presets, "configs_dir", lambda: folder)
    presets.list_models.cache_clear()
    try:
        assert presets.list_models().names == ["mine"]
        assert presets.find_model("mine").classes == ("class_0", "class_1", "class_2")
    finally:
        monkeypatch.undo()
        presets.list_models.cache_clear()


def test_a_table_that_is_not_there_is_named_with_those_that_are(write):
    with pytest.raises(ConfigError, match=r"mine\.yaml .*'coco90'.* Received: 'coco91'"):
        read_model(write(small(classes="coco91")))


def test_an_experiment_of_model_garden_is_recognized():
    model = read_model(PARAMS)
    assert (model.backbone["name"], len(model.classes)) == ("hourglass104", 90)
    assert model.preprocessing.sampling == "half_pixel"


def test_an_unknown_key_is_an_error_with_the_file(write):
    path = write(small(decoder={"max_detection": 5}))
    with pytest.raises(ConfigError, match="Did you mean 'max_detections'") as caught:
        read_model(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "- a\n- b",
        "just words",
        "a: [1, 2",
        "a: b: c",
        "\tname: x",
        "when: 2021-13-45",
        "name: !!python/object/apply:os.system ['true']",
        "name: !!int many",
        "[" * 2000,
        "{a: &x [*x]}",
        "? [a]\n: b",
    ],
    ids=lambda text: text[:20],
)
def test_a_file_that_describes_nothing_is_a_config_error_with_its_path(write, text):
    path = write(text)
    with pytest.raises(ConfigError) as caught:
        read_model(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"\x00\x01", b"name: \x80"])
def test_bytes_that_are_no_text_are_a_config_error(tmp_path, content):
    path = tmp_path / "bytes.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"bytes\.yaml"):
        read_model(path)


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_path_that_cannot_be_read_is_a_config_error(tmp_path, name):
    with pytest.raises(ConfigError, match="Expected a YAML file"):
        read_model(tmp_path / name)
