"""`centernet check`: problems and statistics of a dataset, and a contact sheet."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from PIL import Image
from typer import Argument, Option

from centernet.checkpoints.locate import describe
from centernet.cli import arguments, console
from centernet.cli.recipe import Recipe, read_recipe
from centernet.data.check import INPUT_SIZE, check_dataset
from centernet.data.check.report import SHEET, CheckReport, collected_warnings, with_reader_warnings
from centernet.data.check.sheet import compose, draw_tile
from centernet.data.dataset import Dataset
from centernet.data.reading import load
from centernet.data.sample import Sample
from centernet.errors import ConfigError
from centernet.files.formatting import pluralize
from centernet.files.validation import dataclass_from
from centernet.ops.preprocessing import Preprocessing
from centernet.training.settings import AugmentationSettings, TrainingSettings

QUALITY = 90
# Augmentation of the published models with the highest resolution.
PUBLISHED = AugmentationSettings(
    horizontal_flip=0.5,
    crop=(0.6, 1.3),
    shift=0.3,
    brightness=0.2,
    contrast=(0.8, 1.25),
    saturation=(0.8, 1.25),
    hue=0.02,
)


def check(
    data: arguments.Data,
    recipe: Annotated[
        Path | None, Argument(metavar="RECIPE", help="Recipe with input size, classes and augmentation.")
    ] = None,
    format: arguments.Format = "auto",
    voc_origin: arguments.VocOrigin = 0,
    label_map: arguments.LabelMap = None,
    split: Annotated[str, Option(help="Dataset split, or all.")] = "all",
    size: Annotated[
        str | None,
        Option(help="Input size: 512, or height x width as in 384x512.", show_default="that of RECIPE, or 512"),
    ] = None,
    out: Annotated[Path, Option("--out", "-o", help="File for the contact sheet.")] = Path("contact_sheet.jpg"),
    augmented: Annotated[
        bool, Option("--augmented", help="Draw augmented images: as in RECIPE, or as published.")
    ] = False,
    json_file: arguments.Json = None,
    images: Annotated[
        bool, Option("--images/--no-images", help="Read all images, which takes most of the time.")
    ] = True,
    verbose: arguments.Verbose = False,
) -> None:
    """Check a dataset for everything that would spoil training.

    The exit code is 1 if no detector can be trained on the dataset.
    """
    console.show_log(verbose)
    plan = read_recipe(recipe) if recipe else None
    input_size = _size(size) or (_preprocessing(plan).size if plan else INPUT_SIZE)
    _ensure_image_name(out)
    arguments.ensure_writable_file(out, "--out")
    arguments.ensure_writable_file(json_file, "--json")
    with collected_warnings() as warnings:
        classes, origin = (plan.data.classes, voc_origin or plan.data.voc_origin) if plan else (None, voc_origin)
        labels = label_map or (plan.data.label_map if plan else None)
        dataset = load(data, format, split, classes=classes, voc_origin=origin, label_map=labels)
    _ensure_not_in(dataset, out)
    with console.progress("Checking", len(dataset)) as advance:
        report = check_dataset(dataset, input_size=input_size, images=images, progress=advance)
    report = with_reader_warnings(report, warnings)
    tables = console.beside(json_file)
    tables.out(str(report))
    console.write_json(report.to_dict(), json_file)
    sheet = _augmented_sheet(report, plan) if augmented else report.draw()
    if sheet:
        sheet.save(out, quality=QUALITY)
        tables.out(f"Contact sheet: {out}")
    if not report.trainable:
        raise typer.Exit(1)
    tables.out(f"Train in Python:\n{_training_line(dataset, data, format, voc_origin, labels)}")


def _training_line(dataset: Dataset, data: Path, format: str, voc_origin: int, label_map: Path | str | None) -> str:
    """The line of code that trains on the dataset."""
    options = "" if format == "auto" else f", format={format!r}"
    options += f", voc_origin={voc_origin}" if voc_origin else ""
    options += f", label_map={str(label_map)!r}" if label_map else ""
    model, keypoints = ("kpts", ", keypoints=train.keypoints") if dataset.keypoints else ("od", "")
    return (
        f"train, validation = centernet.data.load({str(data)!r}{options}); "
        f'centernet.load("centernet_mobilenetv2fpn_512x512_coco17_{model}", classes=train.class_names{keypoints})'
        f'.fit(train, validation_data=validation, epochs=30, out="runs/{data.stem}")'
    )


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d+)(?:[x×](\d+))?", text.strip())
    if not match or min(size := (int(match[1]), int(match[2] or match[1]))) < 1:
        raise ConfigError(f"--size expected pixels as in 512, or height x width as in 384x512. Received: {text!r}")
    return size


def _ensure_image_name(path: Path) -> None:
    if Image.registered_extensions().get(path.suffix.lower()) not in Image.SAVE:
        raise ConfigError(f"--out expected the name of an image file, such as sheet.jpg. Received: {str(path)!r}")


def _ensure_not_in(dataset: Dataset, out: Path) -> None:
    sources = {one.source.resolve() for one in dataset if isinstance(one.source, Path)} if out.exists() else ()
    if out.resolve() in sources:
        raise ConfigError(f"--out expected a file that is not an image of the dataset. Received: {str(out)!r}")


def _preprocessing(plan: Recipe) -> Preprocessing:
    """Preprocessing of the detector that a recipe trains."""
    if isinstance(plan.model, str):
        return describe(plan.model).preprocessing
    preprocessing: Preprocessing = dataclass_from(Preprocessing, plan.model.get("preprocessing"), "preprocessing")
    return preprocessing


def _augmented_sheet(report: CheckReport[Dataset], plan: Recipe | None) -> Image.Image | None:
    """A contact sheet of the first batch of a training run, or None if no image can be read."""
    import keras

    from centernet.data.batches.loader import Batches
    from centernet.training.augmentation.augmentation import Augmentation

    dataset, size = report.readable, report.input_size
    if not len(dataset):
        return None
    settings = plan.training if plan else TrainingSettings(augmentation=_published(dataset))
    sampling: Any = _preprocessing(plan).sampling if plan else "legacy"
    count, canvas = min(SHEET, len(dataset)), settings.load_size or size
    options = {"seed": settings.seed, "sampling": sampling, "max_objects": settings.max_objects}
    batches = Batches(dataset, canvas, count, **options)
    flip = dataset.keypoints.flip if dataset.keypoints else ()
    augment = Augmentation(settings.augmentation, size, flip, sampling)
    tensors = augment(batches[0], keras.random.SeedGenerator(settings.seed))
    batch = {name: keras.ops.convert_to_numpy(values) for name, values in tensors.items()}
    names = [str(dataset[index].image_id) for index in batches.order(0)]
    return compose([_tile(batch, row, dataset, names[row]) for row in range(count)])


def _published(dataset: Dataset) -> AugmentationSettings:
    """The augmentation of the published models; without flips if the dataset doesn't say which keypoints they swap."""
    task = dataset.keypoints
    can_flip = task is None or sorted(task.flip) == list(range(len(task.names)))
    return PUBLISHED if can_flip else dataclasses.replace(PUBLISHED, horizontal_flip=0)


def _tile(batch: Mapping[str, np.ndarray], row: int, dataset: Dataset, name: str) -> Image.Image:
    valid = batch["class_ids"][row] >= 0
    boxes, class_ids, ignore = (batch[key][row][valid] for key in ("boxes", "class_ids", "ignore"))
    keypoints = batch["keypoints"][row][valid] if "keypoints" in batch else None
    image = np.rint(batch["images"][row].clip(0, 255)).astype(np.uint8)
    caption = f"{name} · {pluralize(len(boxes), 'object')} · {image.shape[1]}x{image.shape[0]}"
    return draw_tile(image, Sample(image, boxes, class_ids, name, keypoints, ignore), dataset, caption)
