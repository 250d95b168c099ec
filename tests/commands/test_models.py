import json

from centernet import list_models


def test_models_are_listed_with_their_figures(run):
    done = run("models")
    assert done.code == 0
    line = next(line for line in done.out.splitlines() if "hg104_1024x1024_kpts" in line)
    assert line.split() == [
        "centernet_hg104_1024x1024_kpts_coco17_tpu-32", "hourglass104", "boxes+keypoints", "1024x1024",
        "42.8", "64.5", "211",
    ]  # fmt: skip


def test_models_as_names_and_as_json(run):
    assert run("models", "--names").out.split() == list_models().names
    described = json.loads(run("models", "--json").out)
    assert [model["name"] for model in described] == list_models().names
    kept = next(model for model in described if model["name"] == "centernet_mobilenetv2fpn_512x512_coco17_od")
    assert kept["image_size"] == [512, 512]
    assert kept["box_ap"] == 23.4


def test_a_table_follows_the_width_of_the_terminal_and_is_never_cut_in_a_pipe(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    narrow = run("models").out.splitlines()
    monkeypatch.delenv("COLUMNS")
    piped = run("models").out.splitlines()
    assert "network" not in narrow[1]
    assert max(map(len, narrow)) <= 80
    assert "network" in piped[1]
    assert [line.split()[0] for line in narrow[3:]] == [line.split()[0] for line in piped[3:]] == list_models().names
