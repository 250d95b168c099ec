"""The files of the page: its own, the model, and ONNX Runtime's for browsers."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from centernet.checkpoints.saved.saving import put_in_place
from centernet.errors import ConfigError, DownloadError
from centernet.files.download import download
from centernet.files.environment import cache_dir, package_version
from centernet.loading.exported import ExportedDetector
from centernet.results.draw import LEFT, MIDDLE, RIGHT
from centernet.results.draw_labels import Color, class_color, contrast_color

Site = Mapping[str, bytes | Path]  # place below the page's address → content, or the file that has it

PAGE = Path(__file__).with_name("page")
INDEX = "index.html"
RUNTIME = "onnxruntime-web"
VERSION = "1.30.0"
ADDRESS = f"https://cdn.jsdelivr.net/npm/{RUNTIME}@{VERSION}/dist"
# The module for WebGPU and WebAssembly, and its program: name → size in bytes and sha256.
RUNTIME_FILES = {
    "ort.webgpu.bundle.min.mjs": (117732, "0730816731ce2cdfb06f273da065d4a1c7091eb9d1756a83b2916c8a89d015e2"),
    "ort-wasm-simd-threaded.asyncify.wasm": (
        26781914,
        "39f9f0894d478800487ed9f7dbe92618498db320cf55c8e3d89adff8dce658da",
    ),
}
# The page loads files from its own address only.
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; "
    "style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'"
)
# In ONNX's protobuf, the entry `location` of a tensor whose values are in another file; the byte is the length of the
# file's name, which follows.
EXTERNAL = re.compile(rb"\n\x08location\x12([\x01-\x7f])", re.DOTALL)


def build(detector: ExportedDetector, runtime: Mapping[str, Path], min_score: float) -> Site:
    """The page for a detector.

    Args:
        detector: The detector, of an ONNX file.
        runtime: What `runtime_files` returns.
        min_score: Where the slider of the page starts.

    Raises:
        ConfigError: If the file takes images of one size, or its weights are not beside it.
    """
    if any(side is not None for side in detector.input_shape[:3]):
        raise ConfigError(
            f"Expected an ONNX file for batches and images of any size. Received: {detector.path}, for images of shape "
            f"{detector.input_shape}. Export it without image_size and batch_size."
        )
    external = external_files(detector.path)
    files = {f"weights-{number}.bin": path for number, path in enumerate(external.values())}
    settings = _settings(detector, min_score) | {
        "external": [{"path": name, "data": file} for name, file in zip(external, files, strict=True)]
    }
    page = Template((PAGE / INDEX).read_text(encoding="utf-8")).substitute(policy=POLICY, version=package_version())
    return {
        INDEX: page.encode(),
        **{name: PAGE / name for name in ("style.css", "page.js", "draw.js", "worker.js")},
        "model.json": json.dumps(settings, indent=1).encode(),
        "model.onnx": detector.path,
        **files,
        **{f"{RUNTIME}/{name}": path for name, path in runtime.items()},
    }


def _settings(detector: ExportedDetector, min_score: float) -> dict[str, Any]:
    """What the page needs to know of a model; `result` are the fields of `Detections.to_dict` that it sets."""
    config = detector.config
    task = config.keypoints
    colors = [class_color(number) for number in range(len(config.classes))]
    sides = {"left": LEFT, "right": RIGHT}
    return {
        "name": config.name,
        "min_score": min_score,
        "colors": [{"fill": _css(color), "text": _css(contrast_color(color))} for color in colors],
        "middle_color": _css(MIDDLE),
        "keypoint_colors": [
            _css(next((color for side, color in sides.items() if name.lower().startswith(side)), MIDDLE))
            for name in (task.names if task else ())
        ],
        "result": {
            "class_names": config.classes,
            "dataset_ids": config.dataset_ids,
            "keypoint_names": task.names if task else None,
            "skeleton": task.skeleton if task else None,
            "max_detections": config.decoder.max_detections,
            "num_keypoints": len(task.names) if task else None,
        },
    }


def _css(color: Color) -> str:
    return "#" + bytes(color).hex()


def external_files(path: Path) -> dict[str, Path]:
    """Files that hold weights of an ONNX file: name inside it → path.

    Raises:
        ConfigError: If one is not beside it.
    """
    data = path.read_bytes()
    places = {data[match.end() : match.end() + match[1][0]] for match in EXTERNAL.finditer(data)}
    names = sorted(place.decode("utf-8", "replace") for place in places)
    missing = [name for name in names if Path(name).name != name or not path.with_name(name).is_file()]
    if missing:
        raise ConfigError(f"Expected the weights of {path} in files beside it. Missing: {', '.join(missing)}")
    return {name: path.with_name(name) for name in names}


def runtime_files(folder: Path | None) -> dict[str, Path]:
    """The files of onnxruntime-web: downloaded once and verified, or those of an npm package.

    Args:
        folder: An npm package or its `dist`; None to download.

    Raises:
        ConfigError: If a file is missing in the folder.
        DownloadError: If a file can't be fetched, or is not the expected one.
    """
    if folder is not None:
        dist = folder / "dist" if (folder / "dist").is_dir() else folder
        missing = [name for name in RUNTIME_FILES if not (dist / name).is_file()]
        if missing:
            raise ConfigError(
                f"--{RUNTIME} expected a folder of `npm install {RUNTIME}@{VERSION}`, as in node_modules/{RUNTIME}. "
                f"Received: {folder}, without {' and '.join(missing)}."
            )
        return {name: dist / name for name in RUNTIME_FILES}
    cache = cache_dir() / RUNTIME / VERSION
    try:
        return {
            name: download(f"{ADDRESS}/{name}", cache / name, size=size, sha256=sha256)
            for name, (size, sha256) in RUNTIME_FILES.items()
        }
    except DownloadError as error:
        raise DownloadError(
            f"{error} The page needs {' and '.join(RUNTIME_FILES)} of {RUNTIME} {VERSION}: --{RUNTIME} FOLDER takes "
            f"them from an npm package (npm install {RUNTIME}@{VERSION})."
        ) from error


def check_folder(folder: Path, overwrite: bool) -> None:
    """Refuse a folder for the site that holds something.

    Raises:
        ConfigError: If it does and `overwrite` is not set, or if it is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"--out expected a folder. Received: {folder}, a file. Choose another path.")
    if folder.is_dir() and any(folder.iterdir()) and not overwrite:
        raise ConfigError(
            f"--out expected a new or empty folder. Received: {folder}, which holds files. Choose another, or add "
            "--overwrite, which replaces the files of the page and leaves others alone."
        )


def write(site: Site, folder: Path) -> None:
    """Write a site to a folder: all files, or none if one can't be written.

    Raises:
        OSError: If a file can't be written.
    """
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".site.") as temporary:
        new = Path(temporary) / "new"
        for name, content in site.items():
            target = new / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Path):
                shutil.copyfile(content, target)
            else:
                target.write_bytes(content)
        for name in site:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
        put_in_place({folder / name: new / name for name in site}, Path(temporary) / "replaced")
