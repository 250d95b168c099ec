import re

import pytest

import centernet
from centernet.data import synthetic

RECIPE = """
model: {model}
data: {{path: photos}}
training: {{epochs: 1, batch_size: 4, augmentation: {{horizontal_flip: 0.5}}}}
"""


@pytest.fixture
def recipe(tmp_path, tiny):
    options = {"size": (48, 64), "classes": ("circle",), "max_objects": 2}
    scenes = synthetic.shapes(8, **options), synthetic.shapes(2, seed=1, **options)
    centernet.data.write(scenes, tmp_path / "photos", format="voc")
    (tmp_path / "mine.yaml").write_text(RECIPE.format(model=tiny))
    return "mine.yaml"


def test_from_a_recipe_to_a_detector_that_goes_on_learning(run, recipe, tmp_path):
    done = run("train", recipe)
    assert done.code == 0
    assert "photos (train): 8 images" in done.err
    assert "0 kept by name (none), 1 new (circle), 2 dropped" in done.err
    assert "Best epoch: 1, AP " in done.out
    assert " on photos (val)." in done.out
    assert "centernet detect PHOTO --model runs/mine/best" in done.out
    assert centernet.load(tmp_path / "runs/mine/best").class_names == ("circle",)

    refused = run("train", recipe)
    assert refused.code == 2
    assert "runs/mine exists and is not empty. It holds a training: resume=True (--resume)" in refused.err

    resumed = run("train", recipe, "--resume", "--set", "epochs=2")
    assert resumed.code == 0
    assert "Epoch 2/2" in resumed.out + resumed.err
    assert "Epoch 1/2" not in resumed.out + resumed.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "epoch=3"], "Unknown key 'epoch'.*Did you mean 'epochs'"),
        (["--set", "data.path=elsewhere"], "Expected a dataset. elsewhere"),
        (["--resume"], "Expected the state of a training in runs/mine. Received: none"),
        (["--set", "batch_size=9"], "at least 9 images in photos .train., one batch. Received: 8"),
        (["--set", "freeze=all"], "freeze to be 'backbone'"),
    ],
)
def test_mistakes_are_one_line(run, recipe, arguments, message):
    done = run("train", recipe, *arguments)
    assert done.code in (1, 2)
    assert re.search(message, done.err.splitlines()[-1])


def test_an_interrupted_training_says_how_it_goes_on(run, recipe, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("centernet.training.fit._fit_from", interrupted)
    stopped = run("train", recipe)
    assert stopped.code == 130
    assert "Stopped. To resume, repeat the command with --out runs/mine --resume" in stopped.err
