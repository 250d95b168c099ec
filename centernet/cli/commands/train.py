"""`centernet train`: from a recipe to a trained, evaluated, saved detector."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from centernet.data.dataset import Dataset


def train(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="YAML, such as those in configs/recipes.")],
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Instead of what the recipe says.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for the detector and its state [runs/RECIPE].")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the training in --out.")] = False,
    overfit: Annotated[
        int | None, typer.Option(min=1, help="Only see whether so many photos can be learned by heart.")
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write losses, AP and drawn photos for TensorBoard.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more.")] = False,
) -> None:
    """Train a detector on your own photos: a recipe says on which and how, --set changes it."""
    from centernet.cli import console
    from centernet.cli.recipe import read_recipe

    console.show_log(verbose)
    plan = read_recipe(recipe, changes or [])
    training, validation = plan.data.load()
    _describe(training, validation)
    from centernet.training.best import BEST, best_of
    from centernet.training.checks import check_folder
    from centernet.training.fit import MODEL, fit

    folder = out or Path("runs") / recipe.stem
    if overfit is None:
        check_folder(folder, resume)  # before anyone has waited for a model
    detector = plan.build(training)
    if detector.report:
        console.stderr().print(str(detector.report), soft_wrap=True)
    if overfit is not None:
        _overfit(detector, training, overfit, plan.training)
        return
    callbacks: list[Any] = []
    if tensorboard:
        from centernet.training.tensorboard import tensorboard_callbacks

        callbacks = tensorboard_callbacks(folder / "tensorboard", validation)
    try:
        fit(detector, training, validation, plan.training, out=folder, resume=resume, callbacks=callbacks)
    except KeyboardInterrupt:
        console.stderr().print(f"\nStopped. To go on: the same command with --out {folder} --resume", soft_wrap=True)
        raise
    best = folder / BEST if (folder / BEST).is_dir() else folder / MODEL
    reached = best_of(folder)
    if reached:
        said = f"AP {reached.ap:.3f} on {validation.name} after epoch {reached.epoch} was the best."
        console.stdout().print(said, soft_wrap=True)
    console.stdout().print(f"Trained: {best}. Try it: centernet detect PHOTO --model {best}", soft_wrap=True)


def _describe(*datasets: Dataset) -> None:
    from centernet.cli import console

    for dataset in datasets:
        boxes = sum(len(sample.boxes) for sample in dataset)
        names = ", ".join(dataset.class_names)
        console.stderr().print(f"{dataset.name}: {len(dataset)} images, {boxes} objects ({names})", soft_wrap=True)


def _overfit(detector: Any, dataset: Dataset, count: int, settings: Any) -> None:
    from centernet.cli import console
    from centernet.training.overfit import overfit

    ap = overfit(detector, dataset, count, settings)
    console.stdout().print(f"AP {ap:.3f} on {count} photos: the detector can learn this data.", soft_wrap=True)
