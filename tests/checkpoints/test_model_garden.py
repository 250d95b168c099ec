import gzip
import json
from pathlib import Path

import pytest

from centernet.checkpoints.model_garden.object_graph import leftover_reason, looks_like_model_garden, zoo_names
from centernet.errors import CheckpointError

GOLDEN = Path(__file__).parents[1] / "goldens" / "model_garden" / "names.json.gz"
SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"


@pytest.fixture(scope="module")
def golden():
    """Names and shapes in checkpoints that Model Garden's own code wrote; see `generate.py` beside them."""
    return json.loads(gzip.decompress(GOLDEN.read_bytes()))


def network(names):
    return {name: shape for name, shape in names.items() if name.startswith("model/")}


def test_every_variable_of_hourglass_104_gets_a_zoo_name_of_the_same_shape(golden):
    shapes = golden["hourglass104"]
    zoo = network(golden["zoo_hourglass104"])
    translated = zoo_names(shapes)
    assert {target: shapes[name] for name, target in translated.items()} == zoo
    assert len(translated) == len(zoo) == 824


@pytest.mark.parametrize("form", ["trainer", "model", "weights"])
def test_the_ways_of_saving_a_model_give_the_same_zoo_names(golden, form):
    prefix = {"trainer": "", "model": "model/_", "weights": "_"}[form]
    plain = [name for name in golden["hourglass104"] if name.startswith(("backbone/", "head/"))]
    renamed = [prefix + name.removesuffix(SUFFIX) for name in plain]
    assert list(zoo_names(renamed).values()) == list(zoo_names(plain).values())


@pytest.mark.parametrize("stacks", [1, 2, 3])
def test_smaller_networks_and_other_numbers_of_stacks_are_translated_completely(golden, stacks):
    names = golden[f"hourglass20_{stacks}_stacks"]
    translated = zoo_names(names)
    assert set(names) - set(translated) == {"_CHECKPOINTABLE_OBJECT_GRAPH", "save_counter" + SUFFIX}
    heads = {name.split("/")[3] for name in translated.values() if "_prediction_head_dict" in name}
    assert heads == {str(stack) for stack in range(stacks)}


def test_heads_are_the_center_the_offset_and_the_size_of_each_stack(golden):
    found = zoo_names(golden["hourglass20_2_stacks"])
    targets = [found[f"model/_head/layer_with_weights-{i}/conv2/bias{SUFFIX}"].split("/")[2:4] for i in range(6)]
    assert targets == [
        ["object_center", "0"],
        ["object_center", "1"],
        ["box.Soffset", "0"],
        ["box.Soffset", "1"],
        ["box.Sscale", "0"],
        ["box.Sscale", "1"],
    ]


def test_heads_of_fewer_levels_than_stacks_belong_to_the_last_stack(golden):
    names = [name for name in golden["hourglass104"] if name.startswith("backbone/")]
    heads = [f"head/layer_with_weights-{i}/conv1/kernel" for i in range(3)]
    translated = zoo_names(names + heads)
    assert [translated[head].split("/")[3] for head in heads] == ["1", "1", "1"]


def test_the_innermost_level_is_numbered_where_the_zoo_numbers_it():
    inside = "backbone/layer_with_weights-7/" + "inner_hg/" * 5 + "blocks/layer_with_weights-3/_norm2/gamma"
    expected = "model/_feature_extractor/_network/hourglass_network/1/" + "inner_block/0/" * 4
    assert zoo_names([inside]) == {inside: expected + "inner_block/3/norm/gamma"}


@pytest.mark.parametrize("checkpoint", ["trainer_adam", "trainer_moving_average"])
def test_whatever_else_a_trainer_saves_has_a_reason_and_the_network_has_none(golden, checkpoint):
    names = golden[checkpoint]
    translated = zoo_names(names)
    left = set(names) - set(translated)
    assert {target: names[name] for name, target in translated.items()} == {
        target: golden["hourglass20_3_stacks"][name]
        for name, target in zoo_names(golden["hourglass20_3_stacks"]).items()
    }
    assert all(leftover_reason(name) for name in left)
    assert not any(leftover_reason(name) for name in translated)


def test_moving_averages_are_told_from_other_slots(golden):
    slots = [name for name in golden["trainer_moving_average"] if "OPTIMIZER_SLOT" in name]
    assert {leftover_reason(name) for name in slots} == {
        "moving average of the weights, kept by the optimizer",
        "optimizer slot",
    }


def test_only_its_own_checkpoints_are_recognized(golden):
    recognized = {name for name, variables in golden.items() if looks_like_model_garden(variables)}
    assert set(golden) - recognized == {"zoo_hourglass104"}
    assert not looks_like_model_garden(["backbone/layer_with_weights-2/_conv1/kernel"])  # its RetinaNet


def test_names_of_another_architecture_are_not_translated(golden):
    zoo = golden["zoo_hourglass104"]
    assert zoo_names(zoo) == {}
    assert zoo_names(["backbone/layer_with_weights-2/_conv1/kernel"]) == {}
    assert leftover_reason("backbone/layer_with_weights-2/inner_hg/surprise/kernel") is None


def test_a_missing_head_is_an_error_that_shows_the_numbers(golden):
    names = [name for name in golden["hourglass104"] if "head/layer_with_weights-2/" not in name]
    with pytest.raises(CheckpointError, match=r"Received: numbers \[0, 1, 3, 4, 5\]"):
        zoo_names(names)


def test_two_models_in_one_checkpoint_are_an_error(golden):
    name = "layer_with_weights-0/_conv0/kernel"
    with pytest.raises(CheckpointError, match=r"_backbone/layer_with_weights-0/_conv0/kernel"):
        zoo_names([f"backbone/{name}", f"model/_backbone/{name}"])
