"""Comparing detections with the reference's, in the form of the published SavedModels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

# Our name of what a decoder gives → the reference's.
NAMES = {
    "boxes": "detection_boxes",
    "scores": "detection_scores",
    "class_ids": "detection_classes",
    "keypoints": "detection_keypoints",
    "keypoint_scores": "detection_keypoint_scores",
}
POSITIONS = ("detection_boxes", "detection_keypoints")


def reference_form(found: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What `decode` gave (fractions of the image), with the reference's names and y before x."""
    order = {"boxes": [1, 0, 3, 2], "keypoints": [1, 0]}
    arrays = {
        theirs: found[ours][..., order[ours]] if ours in order else found[ours]
        for ours, theirs in NAMES.items()
        if ours in found
    }
    return arrays | {"num_detections": (found["scores"] > 0).sum(axis=1)}


def check(
    found: Mapping[str, np.ndarray],
    expected: Mapping[str, np.ndarray],
    *,
    size: tuple[int, int],
    pixels: float,
    score: float,
    ties: Iterable[Sequence[int]] = (),
) -> None:
    """Hold detections of one image to the reference's.

    Args:
        found: Ours, in the reference's form.
        expected: The reference's; only what it holds is compared.
        size: Height and width of the image in pixels.
        pixels: Largest error of positions.
        score: Largest error of scores.
        ties: Pairs of ranks that may have changed places, because the reference's scores hardly differ.
    """
    ranks = ranks_of(found, expected, ties) if ties else np.arange(len(found["detection_scores"][0]))
    for name, values in expected.items():
        got = found[name] if name == "num_detections" else found[name][:, ranks]
        assert got.shape == values.shape, name
        if name in POSITIONS:
            scale = np.tile(np.float32(size), values.shape[-1] // 2)
            np.testing.assert_allclose(got * scale, values * scale, atol=pixels, rtol=0, err_msg=name)
        elif name.endswith("scores"):
            np.testing.assert_allclose(got, values, atol=score, rtol=0, err_msg=name)
        else:
            np.testing.assert_array_equal(got, values, err_msg=name)


def ranks_of(
    found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray], ties: Iterable[Sequence[int]]
) -> np.ndarray:
    """Our rank of each of the reference's detections; different only among neighbours in `ties`."""
    ranks = np.arange(len(found["detection_scores"][0]))
    for group in joined(ties):
        left = list(group)
        for rank in group:
            distances = [distance(found, ours, expected, rank) for ours in left]
            ranks[rank] = left.pop(int(np.argmin(distances)))
    return ranks


def joined(pairs: Iterable[Sequence[int]]) -> list[list[int]]:
    """Runs of neighbouring ranks: (3, 4), (4, 5), (8, 9) are 3–5 and 8–9."""
    runs: list[list[int]] = []
    for first, second in sorted(map(tuple, pairs)):
        if runs and runs[-1][-1] == first:
            runs[-1].append(second)
        else:
            runs.append([first, second])
    return runs


def distance(found: Mapping[str, np.ndarray], ours: int, expected: Mapping[str, np.ndarray], theirs: int) -> float:
    """How different two detections are."""
    if "detection_boxes" not in expected:
        return float(np.abs(found["detection_keypoints"][0, ours] - expected["detection_keypoints"][0, theirs]).max())
    boxes = np.abs(found["detection_boxes"][0, ours] - expected["detection_boxes"][0, theirs]).max()
    return float(boxes + (found["detection_classes"][0, ours] != expected["detection_classes"][0, theirs]))


def nearest_rows(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """The found rows in the order of the expected ones, whose nearest they are; each is taken once."""
    assert found.shape == expected.shape
    left, taken = np.arange(len(found)), []
    for row in expected:
        nearest = np.abs(found[left] - row).max(axis=1).argmin()
        taken.append(left[nearest])
        left = np.delete(left, nearest)
    return found[taken]
