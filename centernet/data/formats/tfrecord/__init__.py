"""TFRecord: TF Examples in the schema of the Detection API, whole or in shards (`train.record-00000-of-00010`).

Of an Example are read: `image/encoded`, `image/height`, `image/width`, `image/source_id`, `image/filename`, and of
`image/object/`: `bbox/xmin ymin xmax ymax` (parts of width and height), `class/label` (from 1), `class/text`,
`is_crowd`, `difficult`, `group_of` (all three are `ignore`), `area`, `keypoint/x y visibility text`.

Classes are those of a `.pbtxt` label map beside the records, or one folder up; without one, those that occur in any of
the dataset's records, in the order of their labels. The name of a file (`train.record`, `coco_val.record-…`), or of its
folder, says its split. A path may be a folder, a file, the name without `-00000-of-00010`, or a pattern.

Samples hold the encoded images in memory: a dataset has to fit there.
"""

from __future__ import annotations

import dataclasses
import logging
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from centernet.data.dataset import Dataset
from centernet.data.formats.label_map import LabelMap, label_map_of, read_label_map
from centernet.data.formats.tfrecord.examples import IMAGE, Features, Labels, features_of, ids_of, sample_of
from centernet.data.sample import Sample
from centernet.data.skipped_images import PARSE_ERRORS, SkippedImages
from centernet.data.splits import ALL, disjoint, split_in
from centernet.errors import ConfigError

PER_SHARD = 1000
_NAME = re.compile(r"(?P<name>.+\.(?:tf)?records?(?:\.gz)?)(?:-(?P<shard>\d+)-of-(?P<shards>\d+))?", re.IGNORECASE)
_LARGE = 2 << 30
logger = logging.getLogger("centernet")


def recognize(path: Path) -> bool:
    """Whether a path names records, or is a folder with some."""
    return bool(_files(path))


def splits(path: Path) -> tuple[str, ...]:
    """The splits that the names of files and folders say."""
    return tuple(split for split in _files(path) if split != ALL)


def read(path: Path, splits: Sequence[str]) -> list[Dataset]:
    """Read some splits; see `FormatModule.read`."""
    files = _files(path)
    label_map = _label_map(path, next(iter(files.values()))[0].parent)
    parts = {split: disjoint(files) if split == ALL else [split] for split in splits}
    wanted = dict.fromkeys(part for names in parts.values() for part in names)
    # Without a label map, only all records together say which classes there are.
    others = [] if label_map else [part for part in disjoint(files) if part not in wanted]
    read = {part: _Part(files[part], f"{path.name} ({part})", images=part in wanted) for part in (*wanted, *others)}
    labels = Labels.of(label_map, [features for part in read.values() for features in part.features.values()])
    return [
        _dataset([read[part] for part in names], labels, f"{path.name} ({split})") for split, names in parts.items()
    ]


class _Part:
    """The readable records of some files, and what was skipped."""

    def __init__(self, files: Sequence[Path], where: str, *, images: bool) -> None:
        self.skipped = SkippedImages(where, "records")
        self.features: dict[str, Features] = {}
        for file in files:
            for number, data in enumerate(self._records(file)):
                name = f"{file.name} record {number}"
                with self.skipped.skip_on_error(name):
                    found = _features(data)
                    self.features[name] = found if images else {**found, IMAGE: []}

    def _records(self, file: Path) -> Iterator[bytes]:
        try:
            yield from _records(file)
        except (*PARSE_ERRORS, EOFError) as error:  # after a damaged one nobody knows where the next begins
            self.skipped.add(f"{file.name} from its damage on", str(error))

    def samples(self, labels: Labels) -> list[tuple[Features, Sample]]:
        """The samples of the records, numbered."""
        found = []
        for name, features in self.features.items():
            with self.skipped.skip_on_error(name):
                found.append((features, sample_of(features, labels)))
        self.skipped.report(len(found))
        return found


def _dataset(parts: Sequence[_Part], labels: Labels, where: str) -> Dataset:
    found = [pair for part in parts for pair in part.samples(labels)]
    ids = ids_of([features for features, _ in found])
    samples = [dataclasses.replace(sample, image_id=identity) for (_, sample), identity in zip(found, ids, strict=True)]
    held = sum(len(sample.source) for sample in samples if isinstance(sample.source, bytes))
    if held > _LARGE:
        logger.info("%s: %.1f GB of encoded images are held in memory.", where, held / 1e9)
    return Dataset(tuple(samples), labels.names, labels.ids, labels.keypoints, where, "tfrecord")


def _files(path: Path) -> dict[str, list[Path]]:
    """Split → its files in order."""
    if path.is_dir():
        folders = [folder for folder in sorted(path.glob("*/")) if split_in(folder.name)]
        found = [file for folder in (path, *folders) for file in sorted(folder.iterdir())]
    elif path.is_file():
        found = [path]
    else:
        pattern = path.name if re.search(r"[*?\[]", path.name) else f"{path.name}-*-of-*"
        found = sorted(path.parent.glob(pattern)) if path.parent.is_dir() else []
    files: dict[str, list[Path]] = defaultdict(list)
    for file in found:
        if (match := _NAME.fullmatch(file.name)) and file.is_file():
            inside = file.parent.name if path.is_dir() and file.parent != path else ""
            files[split_in(match["name"]) or split_in(inside) or ALL].append(file)
    if len(files) > 1:
        files.pop(ALL, None)
    for shards in files.values():
        _check_shards(shards)
    return dict(files)


def _check_shards(files: Sequence[Path]) -> None:
    """Warn about shards that are missing."""
    there: dict[tuple[str, int], set[int]] = defaultdict(set)
    for file in files:
        match = _NAME.fullmatch(file.name)
        if len(files) > 1 and match and match["shards"]:
            there[match["name"], int(match["shards"])].add(int(match["shard"]))
    for (name, count), shards in there.items():
        if missing := sorted(set(range(count)) - shards):
            logger.warning("%s: %d of %d shards are missing: %s", name, len(missing), count, missing[:10])


def _label_map(path: Path, records: Path) -> LabelMap | None:
    folders = [records, records.parent] if records != path else [records]
    found = [file for folder in folders for file in sorted(folder.glob("*.pbtxt"))] or sorted(
        records.parent.glob("*label*map*.pbtxt")
    )
    found.sort(key=lambda file: "label" not in file.name)
    if not found:
        return None
    if len(found) > 1:
        logger.info("Classes are those of %s, of %d label maps.", found[0], len(found))
    return read_label_map(found[0])


def _records(file: Path) -> Iterator[bytes]:
    """The records of a file, each checked against its sums."""
    import tensorflow as tf

    with file.open("rb") as head:
        zipped = head.read(2) == b"\x1f\x8b"
    options = tf.compat.v1.io.TFRecordOptions("GZIP" if zipped else "")
    # tf.data would do the same, but takes hold of every GPU first, which another backend may need.
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
    """What a record says."""
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    try:
        features = tf.train.Example.FromString(data).features.feature
    except DecodeError as error:
        raise ConfigError("no TF Example") from error
    found = {}
    for key, feature in features.items():
        kind = feature.WhichOneof("kind")
        found[key] = list(getattr(feature, kind).value) if kind else []
    if not found.get(IMAGE):
        raise ConfigError(f"no {IMAGE} among its features {sorted(found)[:6]}")
    return found


def write(parts: Mapping[str, Dataset], folder: Path) -> None:
    """Write `SPLIT.record-00000-of-00003`, `PER_SHARD` images each (without a split `data.record-…`), and a label map.

    An image that is missing can't be written: it is skipped, and named. One that is neither JPEG nor PNG becomes PNG.
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

    def feature(values: Sequence[Any]) -> Any:
        if values and isinstance(values[0], bytes):
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
        if values and isinstance(values[0], int):
            return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))

    message = tf.train.Example(
        features=tf.train.Features(feature={key: feature(values) for key, values in features.items()})
    )
    return bytes(message.SerializeToString())
