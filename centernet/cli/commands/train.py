"""`centernet train`: from a recipe to a trained, evaluated, saved detector."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from centernet.cli import arguments, console
from centernet.cli.fields import show_fields
from centernet.cli.recipe import read_recipe
from centernet.data.dataset import Dataset

RECIPE_HELP = "A YAML such as those in configs/recipes, a pipeline.config, or an experiment of Model Garden."


def train(
    recipe: Annotated[Path, Argument(metavar="RECIPE", help=RECIPE_HELP)],
    changes: Annotated[
        list[str] | None, Option("--set", metavar="KEY=VALUE", help="Override a recipe's value, as in epochs=30.")
    ] = None,
    out: Annotated[
        Path | None, Option("--out", "-o", help="Folder for detector and state.", show_default="runs/RECIPE")
    ] = None,
    resume: Annotated[bool, Option("--resume", help="Resume the training in --out.")] = False,
    overfit: Annotated[int | None, Option(min=1, help="Only test whether N images can be overfitted.")] = None,
    tensorboard: Annotated[bool, Option("--tensorboard", help="Log losses, AP and images for TensorBoard.")] = False,
    ignore: arguments.Ignore = None,
    verbose: arguments.Verbose = False,
) -> None:
    """Train a detector on your own images, as described by a recipe.

    The recipe names the model, the dataset and the training settings. So do a pipeline.config of the Detection API and
    an experiment of Model Garden; a table shows what becomes of each of their fields.
    """
    console.show_log(verbose)
    show_fields(recipe, ignore or [])
    plan = read_recipe(recipe, changes or [], ignore or [])
    training, validation = plan.data.load()
    _describe(training, validation)
    from centernet.training.callbacks import BEST, best_of, tensorboard_callbacks
    from centernet.training.checks import check_folder
    from centernet.training.fit import MODEL
    from centernet.training.overfit import overfit as overfit_images

    folder = out or Path("runs") / recipe.stem
    if overfit is None:
        check_folder(folder, resume)  # before the model is loaded
    detector = plan.build(training)
    if detector.report:
        console.stderr().out(str(detector.report))
    if overfit is not None:
        ap = overfit_images(detector, training, overfit, plan.training)
        console.stdout().out(f"AP {ap:.3f} on {overfit} images: the detector can learn this dataset.")
        return
    callbacks = tensorboard_callbacks(folder / "tensorboard", validation) if tensorboard else []
    try:
        detector.fit(training, validation, settings=plan.training, out=folder, resume=resume, callbacks=callbacks)
    except KeyboardInterrupt:
        console.stderr().out(f"\nStopped. To resume, repeat the command with --out {folder} --resume")
        raise
    saved = folder / BEST if (folder / BEST).is_dir() else folder / MODEL
    if best := best_of(folder):
        console.stdout().out(f"Best epoch: {best.epoch}, AP {best.ap:.3f} on {validation.name}.")
    console.stdout().out(f"Trained: {saved}. Try it: centernet detect PHOTO --model {saved}")


def _describe(*datasets: Dataset) -> None:
    for dataset in datasets:
        boxes = sum(len(sample.boxes) for sample in dataset)
        names = ", ".join(dataset.class_names)
        console.stderr().out(f"{dataset.name}: {len(dataset)} images, {boxes} objects ({names})")
