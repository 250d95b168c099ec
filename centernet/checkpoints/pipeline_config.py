"""The `pipeline.config` of the Detection API, read without protoc: its text form is names, braces and values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from centernet.errors import ConfigError

_TOKEN = re.compile(
    r"""\s+|\#[^\n]*|(?P<brace>[{}<>\[\],;])|(?P<colon>:)|
    (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<word>[^\s{}<>\[\],;:\#"']+)""",
    re.VERBOSE,
)

# Type of the feature extractor → our backbone and its arguments.
EXTRACTORS: Mapping[str, dict[str, Any]] = {
    "hourglass_52": {"name": "hourglass52", "momentum": 0.1},
    "hourglass_104": {"name": "hourglass104", "momentum": 0.1},
    "resnet_v1_50_fpn": {"name": "resnet50_v1_fpn"},
    "resnet_v1_101_fpn": {"name": "resnet101_v1_fpn"},
    "resnet_v2_50": {"name": "resnet50_v2"},
    "resnet_v2_101": {"name": "resnet101_v2"},
    "mobilenet_v2_fpn": {"name": "mobilenetv2_fpn", "separable": False},
    "mobilenet_v2_fpn_sep_conv": {"name": "mobilenetv2_fpn", "separable": True},
}


def read_pipeline_config(path: Path) -> dict[str, Any]:
    """Describe the CenterNet of a `pipeline.config` as a YAML of `configs/` would.

    Args:
        path: The file.

    Returns:
        Keys of `ModelConfig`. Class names are not in the file: they are `class_0` and so on.

    Raises:
        ConfigError: If it can't be read, or describes something else than a CenterNet that we have.
    """
    model = parse_text_proto(path.read_text(encoding="utf-8", errors="replace"), str(path))
    model = model.get("model", model)
    if "center_net" not in model:
        kinds = ", ".join(model) or "nothing"
        raise ConfigError(f"Expected a CenterNet (model {{ center_net {{ ... }} }}) in {path}. Received: {kinds}")
    return _describe(model["center_net"], path)


def _describe(net: dict[str, Any], path: Path) -> dict[str, Any]:
    from centernet.backbones import default_preprocessing

    extractor = net.get("feature_extractor", {})
    kind = extractor.get("type")
    if kind not in EXTRACTORS:
        raise ConfigError(f"Expected a feature extractor of {sorted(EXTRACTORS)} in {path}. Received: {kind!r}")
    backbone = dict(EXTRACTORS[kind])
    if "depth_multiplier" in extractor and backbone["name"] == "mobilenetv2_fpn":
        backbone["alpha"] = float(extractor["depth_multiplier"])
    if extractor.get("use_separable_conv") == "true":
        backbone["separable"] = True
    standard = default_preprocessing(backbone["name"], None, _canvas(net, path))
    centers = net.get("object_center_params", {})
    return {
        "name": path.parent.name or "centernet",
        "family": "points",
        "task": "boxes",
        "backbone": backbone,
        "heads": {"separable": net.get("use_depthwise") == "true"},
        "preprocessing": standard,
        "decoder": {"max_detections": int(centers.get("max_box_predictions", 100)), "rules": "2021-07"},
        "classes": int(net.get("num_classes", 0)),
    }


def _canvas(net: dict[str, Any], path: Path) -> tuple[int, int]:
    resizer = net.get("image_resizer", {})
    keep = resizer.get("keep_aspect_ratio_resizer")
    if keep is None or keep.get("min_dimension") != keep.get("max_dimension"):
        raise ConfigError(
            f"Expected a keep_aspect_ratio_resizer with equal min_dimension and max_dimension in {path}. "
            f"Received: {resizer}"
        )
    return (int(keep["max_dimension"]),) * 2


def parse_text_proto(text: str, where: str) -> dict[str, Any]:
    """Parse the text form of a protocol buffer.

    Args:
        text: The text.
        where: What to call it in errors.

    Returns:
        Field → string value, dict of a message, or list of these where a field is repeated.

    Raises:
        ConfigError: If braces or values don't match.
    """
    tokens = _tokens(text, where)
    return _message(tokens, where, closing=None)


def _tokens(text: str, where: str) -> Iterator[str]:
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if not match:
            line = text.count("\n", 0, position) + 1
            raise ConfigError(f"Can't read {where}, line {line}: {text[position : position + 30]!r}")
        position = match.end()
        if match.lastgroup:
            yield match.group()


def _message(tokens: Iterator[str], where: str, closing: str | None) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name in tokens:
        if name == closing:
            return fields
        if name in ",;":
            continue
        token = next(tokens, None)
        if token == ":":
            token = next(tokens, None)
        if token in ("{", "<"):
            value: Any = _message(tokens, where, closing={"{": "}", "<": ">"}[token])
        elif token == "[":
            value = _list(tokens, where)
        elif token is None or token in "}>],;:":
            raise ConfigError(f"Expected a value of {name!r} in {where}. Received: {token!r}")
        else:
            value = token[1:-1] if token[0] in "\"'" else token
        if name in fields:
            earlier = fields[name] if isinstance(fields[name], list) else [fields[name]]
            value = [*earlier, *(value if isinstance(value, list) else [value])]
        fields[name] = value
    if closing:
        raise ConfigError(f"Expected {closing!r} before the end of {where}; it is cut short.")
    return fields


def _list(tokens: Iterator[str], where: str) -> list[Any]:
    values: list[Any] = []
    for token in tokens:
        if token == "]":
            return values
        if token == "{":
            values.append(_message(tokens, where, closing="}"))
        elif token != ",":
            values.append(token.strip("\"'"))
    raise ConfigError(f"Expected ']' before the end of {where}; it is cut short.")
