import json

import pytest

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


@pytest.mark.parametrize(("width", "columns"), [(30, 3), (60, 3), (66, 3), (75, 4), (80, 5)])
def test_in_a_narrow_terminal_columns_are_left_out_and_the_others_are_whole(run, monkeypatch, width, columns):
    monkeypatch.setenv("COLUMNS", str(width))
    lines = run("models").out.splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in "".join(lines)
    title, *rows = (line.split() for line in lines[1:2] + lines[3:])
    assert title[:2] == ["name", "size"]
    assert len(title) == columns
    # A name that is too long goes on in a line of its own.
    names, sizes, box_aps = [], [], []
    for first, *figures in rows:
        if figures:
            names.append(first)
            sizes.append(figures[0])
            box_aps.append(None if figures[1] == "–" else float(figures[1]))
        else:
            names[-1] += first
    assert names == list_models().names
    assert sizes == ["{}x{}".format(*model.preprocessing.size) for model in list_models()]
    assert box_aps == [model.published.box_ap for model in list_models()]


def test_a_table_follows_the_width_of_the_terminal_and_is_never_cut_in_a_pipe(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    narrow = run("models").out.splitlines()
    monkeypatch.delenv("COLUMNS")
    piped = run("models").out.splitlines()
    assert "network" not in narrow[1]
    assert max(map(len, narrow)) <= 80
    assert "network" in piped[1]
    assert [line.split()[0] for line in narrow[3:]] == [line.split()[0] for line in piped[3:]] == list_models().names
