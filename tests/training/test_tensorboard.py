"""What TensorBoard shows of a training."""

from __future__ import annotations

from small import SIZE, TINY, small_detector
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from centernet.data import synthetic
from centernet.training.callbacks import IMAGES, tensorboard_callbacks


def counts(folder):
    """Name → number of entries, of all files below a folder."""
    found = {}
    for path in folder.rglob("events.*"):
        events = EventAccumulator(str(path)).Reload()
        found |= {name: len(events.Tensors(name)) for name in events.Tags()["tensors"]}
    return found


def test_losses_ap_and_drawn_photos_of_each_epoch_are_in_the_folder_of_the_training(tmp_path):
    scenes = synthetic.shapes(IMAGES + 1, SIZE, classes=("circle",))
    out = tmp_path / "run"
    shown = tensorboard_callbacks(out / "tensorboard", scenes)
    options = {"epochs": 2, "batch_size": 4, "evaluate_every": 1, "verbose": 0}
    small_detector(("circle",), backbone=TINY).fit(scenes, validation_data=scenes, out=out, callbacks=shown, **options)
    found = counts(out / "tensorboard")
    names = {"epoch_loss", "epoch_heatmap", "epoch_size", "epoch_offset", "epoch_ap"}
    photos = {f"found/{number}" for number in range(IMAGES)}
    assert {name: found.get(name) for name in names | photos} == dict.fromkeys(names | photos, 2)
    assert f"found/{IMAGES}" not in found
