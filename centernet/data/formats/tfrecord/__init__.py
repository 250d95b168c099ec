"""TFRecord: TF Examples in the schema of the Detection API, whole or in shards (`train.record-00000-of-00010`).

Features read: `image/encoded`, `image/height`, `image/width`, `image/source_id`, `image/filename`, and below
`image/object/`: `bbox/xmin ymin xmax ymax` (relative to width and height), `class/label` (from 1), `class/text`,
`is_crowd`, `difficult`, `group_of` (all three are `ignore`), `area`, `keypoint/x y visibility text`.

Classes are those of a `.pbtxt` label map beside the records, or one folder up; without one, those in any record of the
dataset, in the order of their labels. The split is in the file name (`train.record`, `coco_val.record-…`), or else in
the folder name. A path may be a folder, a file, the name without `-00000-of-00010`, or patterns with commas between.

Samples hold the encoded images, so the dataset must fit in memory.
"""

from __future__ import annotations

import dataclasses
import itertools
import logging
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from centernet.data.dataset import Dataset
from centernet.data.formats.label_map import LabelMap, label_map_of, read_label_map
from centernet.data.formats.shared import files_by_split, head_of, parts_of, split_folders
from centernet.data.formats.tfrecord.examples import IMAGE, Classes, Features, features_of, ids_of, sample_of
from centernet.data.image_files import PARSE_ERRORS, SkippedImages
from centernet.data.sample import Sample
from centernet.data.splits import ALL, disjoint
from centernet.errors import ConfigError

PER_SHARD = 1000
_NAME = re.compile(r"(?P<name>.+\.(?:tf)?records?(?:\.gz)?)(?:-(?P<shard>\d+)-of-(?P<shards>\d+))?", re.IGNORECASE)
_KINDS = {bytes: "bytes_list", int: "int64_list", float: "float_list"}
_LARGE = 2 << 30
logger = logging.getLogger("centernet")


def recognize(path: Path) -> bool:
    """Whether a path names record files, or is a folder with some."""
    return bool(parts(path))


def read(path: Path, splits: Sequence[str], label_map: str | os.PathLike[str] | None = None) -> list[Dataset]:
    """Read some splits; see `FormatModule.read`. `label_map` is preferred to one beside the records."""
    files = parts(path)
    folder = next(iter(files.values()))[0].parent
    classes = read_label_map(Path(label_map)) if label_map else _label_map(path, folder)
    return _read(path, splits, files, classes)


def _read(
    path: Path, splits: Sequence[str], files: Mapping[str, Sequence[Path]], label_map: LabelMap | None
) -> list[Dataset]:
    requested = {split: parts_of(split, files) for split in splits}
    wanted = set(itertools.chain(*requested.values()))
    # Without a label map the classes are those of all records, so that every split is read.
    names = [part for part in files if part in wanted or (not label_map and part in disjoint(files))]
    records = {part: _Part(files[part], f"{path.name} ({part})", images=part in wanted) for part in names}
    classes = Classes.of(label_map, [features for part in records.values() for features in part.features.values()])
    return [
        _dataset([records[part] for part in names], classes, f"{path.name} ({split})")
        for split, names in requested.items()
    ]


class _Part:
    """The readable records of some files; without their images if only the classes are needed."""

    def __init__(self, files: Sequence[Path], where: str, *, images: bool) -> None:
        self.skipped = SkippedImages(where, "records")
        self.features: dict[str, Features] = {}
        for file in files:
            try:
                for number, data in enumerate(_records(file)):
                    with self.skipped.skip_on_error(name := f"{file.name} record {number}"):
                        features = _features(data)
                        self.features[name] = features if images else {**features, IMAGE: []}
            except (*PARSE_ERRORS, EOFError) as error:  # the start of the next record is unknown
                self.skipped.add(f"{file.name} from its damage on", str(error))

    def samples(self, classes: Classes) -> list[tuple[Features, Sample]]:
        """The features and the sample of each record."""
        samples = []
        for name, features in self.features.items():
            with self.skipped.skip_on_error(name):
                samples.append((features, sample_of(features, classes)))
        self.skipped.report(len(samples))
        return samples


def _dataset(parts: Sequence[_Part], classes: Classes, where: str) -> Dataset:
    pairs = [pair for part in parts for pair in part.samples(classes)]
    ids = ids_of([features for features, _ in pairs])
    samples = [dataclasses.replace(sample, image_id=identity) for (_, sample), identity in zip(pairs, ids, strict=True)]
    size = sum(len(sample.source) for sample in samples if isinstance(sample.source, bytes))
    if size > _LARGE:
        logger.info("%s: %.1f GB of encoded images are held in memory.", where, size / 1e9)
    return Dataset(tuple(samples), classes.names, classes.ids, classes.keypoints, where, "tfrecord")


def parts(path: Path) -> dict[str, list[Path]]:
    """Split in the names of files or folders → its files in order."""
    if path.is_dir():
        candidates = [file for folder in (path, *split_folders(path)) for file in sorted(folder.iterdir())]
    elif path.is_file():
        candidates = [path]
    else:
        candidates = [file for pattern in str(path).split(",") for file in _matching(Path(pattern.strip()))]
    files = files_by_split(path, [file for file in candidates if _NAME.fullmatch(file.name) and file.is_file()])
    for shards in files.values():
        _warn_of_missing_shards(shards)
    return files


def _matching(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    pattern = path.name if re.search(r"[*?\[]", path.name) else f"{path.name}-*-of-*"
    return sorted(path.parent.glob(pattern)) if path.name and path.parent.is_dir() else []


def _warn_of_missing_shards(files: Sequence[Path]) -> None:
    present: dict[tuple[str, int], set[int]] = defaultdict(set)
    for file in files:
        match = _NAME.fullmatch(file.name)
        if len(files) > 1 and match and match["shards"]:
            present[match["name"], int(match["shards"])].add(int(match["shard"]))
    for (name, count), shards in present.items():
        if missing := sorted(set(range(count)) - shards):
            logger.warning("%s: %d of %d shards are missing: %s", name, len(missing), count, missing[:10])


def _label_map(path: Path, records: Path) -> LabelMap | None:
    folders = [records, records.parent] if records != path else [records]
    files = [file for folder in folders for file in sorted(folder.glob("*.pbtxt"))]
    files = sorted(files or records.parent.glob("*label*map*.pbtxt"), key=lambda file: "label" not in file.name)
    if len(files) > 1:
        logger.info("Classes are those of %s, one of %d label maps.", files[0], len(files))
    return read_label_map(files[0]) if files else None


def _records(file: Path) -> Iterator[bytes]:
    """The records of a file, each verified by its checksums."""
    import tensorflow as tf

    options = tf.compat.v1.io.TFRecordOptions("GZIP" if head_of(file, 2) == b"\x1f\x8b" else "")
    # tf.data would do the same, but initializes every GPU first, which another backend may need.
    with _without_deprecations():
        records = tf.compat.v1.io.tf_record_iterator(str(file), options)
    try:
        yield from records
    except tf.errors.OpError as error:
        raise ConfigError(error.message) from error


@contextmanager
def _without_deprecations() -> Iterator[None]:
    tensorflow = logging.getLogger("tensorflow")
    level = tensorflow.level
    tensorflow.setLevel(logging.ERROR)
    try:
        yield
    finally:
        tensorflow.setLevel(level)


def _features(data: bytes) -> Features:
    """The features of a record."""
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    try:
        message = tf.train.Example.FromString(data).features.feature
    except DecodeError as error:
        raise ConfigError("no TF Example") from error
    kinds = {key: feature.WhichOneof("kind") for key, feature in message.items()}
    features = {key: list(getattr(message[key], kind).value) if kind else [] for key, kind in kinds.items()}
    if not features.get(IMAGE):
        raise ConfigError(f"no {IMAGE} among its features {sorted(features)[:6]}")
    return features


def write(parts: Mapping[str, Dataset], folder: Path) -> None:
    """Write `SPLIT.record-00000-of-00003`, `PER_SHARD` images each (without a split `data.record-…`), and a label map.

    A missing image can't be written: it is skipped, and named. An image that is neither JPEG nor PNG becomes PNG.
    """
    (folder / "label_map.pbtxt").write_text(label_map_of(next(iter(parts.values()))), encoding="utf-8")
    for split, dataset in parts.items():
        name = "data" if split == ALL else split
        shards = max(-(-len(dataset) // PER_SHARD), 1)
        skipped, written = SkippedImages(dataset.name, "images"), 0
        for shard in range(shards):
            target = folder / f"{name}.record-{shard:05d}-of-{shards:05d}"
            written += _write_shard(dataset[shard * PER_SHARD : (shard + 1) * PER_SHARD], target, skipped)
        skipped.report(written)


def _write_shard(dataset: Dataset, target: Path, skipped: SkippedImages) -> int:
    import tensorflow as tf

    written = 0
    with tf.io.TFRecordWriter(str(target)) as writer:
        for sample in dataset:
            with skipped.skip_on_error(sample.name):
                writer.write(_example(features_of(sample, dataset)))
                written += 1
    return written


def _example(features: Features) -> bytes:
    import tensorflow as tf

    kinds = {key: _KINDS.get(type(values[0]) if values else float, "float_list") for key, values in features.items()}
    message = {key: tf.train.Feature(**{kind: {"value": features[key]}}) for key, kind in kinds.items()}
    return bytes(tf.train.Example(features={"feature": message}).SerializeToString())
