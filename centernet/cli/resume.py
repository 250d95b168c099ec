"""What `centernet detect --resume` knows of an earlier run: its settings, and the images that are done.

Every run on images keeps a journal beside its outputs, and removes it at its end unless it had `--resume`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import centernet
from centernet.cli.console import STDOUT
from centernet.errors import ConfigError
from centernet.files.validation import check_types, dataclass_from, to_plain

NAME = ".centernet-detect.jsonl"


@dataclass(frozen=True)
class Done:
    """An image whose outputs are written.

    Attributes:
        source: Its name.
        position: Its number among the images of the run, from 1.
        pictures: Names of the files with its drawings.
        image_id: Id in its COCO rows.
        coco_rows: Their number.
    """

    source: str
    position: int
    pictures: tuple[str, ...]
    image_id: int
    coco_rows: int

    def __post_init__(self) -> None:
        """Check the types."""
        check_types(self)


class Journal:
    """A file beside the outputs: a line with the settings, and one for each image after its outputs are written.

    Attributes:
        done: The images that an earlier run has done, by name.
        positions: Highest position of an image that is done.
        rows: How many rows of them the JSON file and the COCO file have.
    """

    def __init__(self, out: Path | None, json_file: Path | None, coco_file: Path | None) -> None:
        """Find its place.

        Args:
            out: Folder of the drawings; None without drawings.
            json_file: File of `--json`, or None.
            coco_file: File of `--coco`, or None.

        Raises:
            ConfigError: If there is no output, or one that can't be continued.
        """
        files = [file for file in (json_file, coco_file) if file]
        streams = [str(file) for file in files if file == STDOUT or (file.exists() and not file.is_file())]
        if streams or not (out or files):
            raise ConfigError(
                "Expected outputs in files to --resume: drawn images, --json FILE or --coco FILE. Received: "
                f"{', '.join(streams) or '--no-draw alone'}."
            )
        self.path = out / NAME if out else files[0].with_name(f".{files[0].name}{NAME}")
        folder = self.path.parent
        if folder.exists() and not os.access(folder, os.W_OK):
            raise ConfigError(f"Expected a writable folder to --resume, for {NAME}. Received: {folder}")
        self.done: dict[str, Done] = {}
        self.positions = 0
        self.rows = (0, 0)
        self._out, self._json_file, self._coco_file = out, json_file, coco_file
        self._file: IO[str] | None = None

    def start(self, settings: Mapping[str, Any], *, resume: bool) -> None:
        """Begin anew, or find what an earlier run has done, and leave that alone in the files.

        An image is done if it has a line here, its pictures, and its rows in each file.

        Args:
            settings: Those of this run; see `settings_of`.
            resume: Whether there may be an earlier run.

        Raises:
            ConfigError: If the earlier run had other settings, or a file is not one that it wrote.
        """
        settings = json.loads(json.dumps(settings))
        if resume:
            self._find_done(settings)
        lines = [{"settings": settings}, *(asdict(one) for one in self.done.values())]
        _replace(self.path, (json.dumps(line) + "\n" for line in lines))
        self._file = self.path.open("a", encoding="utf-8")

    def _find_done(self, settings: Mapping[str, Any]) -> None:
        if self.path.exists():
            self._read(settings)
        elif written := [str(file) for file in (self._json_file, self._coco_file) if file and file.exists()]:
            raise ConfigError(
                f"Expected files of a run that was stopped, or had --resume, and has left {self.path}. Received: "
                f"{', '.join(written)} without it. Remove them, or choose others."
            )
        self.positions = max((one.position for one in self.done.values()), default=0)
        image_ids = {one.image_id for one in self.done.values()}
        self.rows = (
            _keep_rows(self._json_file, "source", self.done.keys()),
            _keep_rows(self._coco_file, "image_id", image_ids),
        )

    def _read(self, settings: Mapping[str, Any]) -> None:
        lines = [line for line, _ in _complete_lines(self.path)]
        try:
            earlier = dict(lines[0]["settings"]) if lines else settings
            written = [dataclass_from(Done, line, str(self.path)) for line in lines[1:]]
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"Expected the file of a run with --resume at {self.path}. {error}") from error
        changed = [
            f"{name}={settings.get(name)!r} instead of {earlier.get(name)!r}"
            for name in dict.fromkeys([*earlier, *settings])
            if settings.get(name) != earlier.get(name)
        ]
        if changed:
            raise ConfigError(
                f"Expected the settings of the earlier run, which {self.path} has. Received: {', '.join(changed)}. "
                "Repeat them, or choose other outputs."
            )
        rows, coco_rows = (
            Counter(key for key, _ in _rows(file, name)) if file else None
            for file, name in ((self._json_file, "source"), (self._coco_file, "image_id"))
        )
        expected: Counter[int] = Counter()  # two images may have one id
        for one in written:
            expected[one.image_id] += one.coco_rows
        self.done = {
            one.source: one
            for one in written
            if (rows is None or rows[one.source] == 1)
            and (coco_rows is None or coco_rows[one.image_id] == expected[one.image_id])
            and all(self._out and (self._out / name).is_file() for name in one.pictures)
        }

    def add(self, done: Done) -> None:
        """Note that the outputs of an image are written."""
        if self._file:
            self._file.write(json.dumps(asdict(done)) + "\n")
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()

    def remove(self) -> None:
        """Remove the file after a run that came to its end; a later one begins anew."""
        if self._file:
            self.path.unlink(missing_ok=True)


def settings_of(
    detector: centernet.Detector | centernet.ExportedDetector, model: str, options: Mapping[str, Any], **outputs: Any
) -> dict[str, Any]:
    """What an earlier run must have in common with this one.

    Args:
        detector: The detector.
        model: Its name or path.
        options: Those of `detect_frames`.
        **outputs: What is written, and where to.
    """
    passes = options["test_time"] or detector.config.test_time
    content = hashlib.sha256(json.dumps(detector.config.to_dict(), sort_keys=True).encode())
    if isinstance(detector, centernet.ExportedDetector):
        path = detector.path
        for file in [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file()):
            content.update(file.read_bytes())
        runtime = detector.runtime
    else:
        for value in detector.get_weights():
            content.update(value.tobytes())
        runtime = "keras"
    settings = {"model": model, "weights": content.hexdigest()[:16], "runtime": runtime, **options}
    settings["test_time"] = to_plain(asdict(passes)) if passes else None
    places = {name: str(value.resolve()) if isinstance(value, Path) else value for name, value in outputs.items()}
    return {**settings, "folder": str(Path.cwd()), **places}


def _keep_rows(path: Path | None, key: str, keys: Iterable[Any]) -> int:
    """Leave rows of some keys in an unfinished array, and count them."""
    if path is None or not path.exists():
        return 0
    kept = [line for found, line in _rows(path, key) if found in keys]
    _replace(path, ["[\n", ",\n".join(kept)])
    return len(kept)


def _rows(path: Path, key: str) -> Iterator[tuple[Any, str]]:
    """Key and text of each row of an array that `JsonArray` wrote; rows of images that failed are left out."""
    if not path.exists():
        return
    for row, line in _complete_lines(path, array=True):
        if not isinstance(row.get(key), str | int):
            raise ConfigError(f"Expected rows with {key} in {path}, as centernet detect writes. Received: {line[:80]}")
        if "error" not in row:
            yield row[key], line


def _complete_lines(path: Path, *, array: bool = False) -> Iterator[tuple[dict[str, Any], str]]:
    """Objects of a file with one in each line, and their text; a last line that is not complete is left out.

    Raises:
        ConfigError: If another line is something else.
    """
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, text in enumerate(file):
            line = text.rstrip("\n").removesuffix(",") if array else text.rstrip("\n")
            if array and (line, bool(number)) in (("[", False), ("[]", False), ("]", True)):
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            if isinstance(row, dict) and (number or not array):
                yield row, line
            elif row is not None or not number or file.readline():
                raise ConfigError(
                    f"Expected {path} as centernet detect --resume writes it, an object in each line. Received in line "
                    f"{number + 1}: {line[:80]!r}. Remove the file, or choose another."
                )


def _replace(path: Path, parts: Iterable[str]) -> None:
    """Write a file beside another, and put it in its place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.part")
    with new.open("w", encoding="utf-8") as file:
        file.writelines(parts)
    os.replace(new, path)
