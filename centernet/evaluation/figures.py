"""COCO's figures, by name."""

from __future__ import annotations

from dataclasses import dataclass

from centernet.evaluation.coco import Counted


@dataclass(frozen=True)
class BoxFigures:
    """Of boxes, 0–1; NaN where there is no object (of that size).

    Attributes:
        ap: Average precision, mean of the overlaps 0.50, 0.55 … 0.95 and of the classes that have objects.
        ap50: At an overlap of 0.5.
        ap75: At an overlap of 0.75.
        ap_small: Of objects with an area below 32² pixels.
        ap_medium: Of objects with an area of 32² to 96² pixels.
        ap_large: Of objects with an area above 96² pixels.
        ar1: Average recall of the best detection of each image and class.
        ar10: Of the 10 best.
        ar100: Of the 100 best.
        ar_small: Of the 100 best, objects below 32² pixels.
        ar_medium: Of the 100 best, objects of 32² to 96² pixels.
        ar_large: Of the 100 best, objects above 96² pixels.
    """

    ap: float
    ap50: float
    ap75: float
    ap_small: float
    ap_medium: float
    ap_large: float
    ar1: float
    ar10: float
    ar100: float
    ar_small: float
    ar_medium: float
    ar_large: float


@dataclass(frozen=True)
class KeypointFigures:
    """Of keypoints, where their similarity (OKS) takes the place of overlap, 0–1; NaN where there is no object.

    Attributes:
        ap: Average precision, mean of the similarities 0.50, 0.55 … 0.95.
        ap50: At a similarity of 0.5.
        ap75: At a similarity of 0.75.
        ap_medium: Of objects with an area of 32² to 96² pixels.
        ap_large: Of objects with an area above 96² pixels.
        ar: Average recall of the 20 best detections of each image.
        ar50: At a similarity of 0.5.
        ar75: At a similarity of 0.75.
        ar_medium: Of objects with an area of 32² to 96² pixels.
        ar_large: Of objects with an area above 96² pixels.
        class_name: Class that has the keypoints.
        objects: Number of objects with labeled keypoints that were asked for.
        sigmas: COCO's σ of each keypoint, by name.
    """

    ap: float
    ap50: float
    ap75: float
    ap_medium: float
    ap_large: float
    ar: float
    ar50: float
    ar75: float
    ar_medium: float
    ar_large: float
    class_name: str
    objects: int
    sigmas: dict[str, float]


@dataclass(frozen=True)
class ClassFigures:
    """Of the boxes of one class, 0–1; NaN where there is no object.

    Attributes:
        name: The class.
        objects: Number of objects that were asked for.
        detections: Number of detections at or above the least score.
        ap: Average precision, mean of the overlaps 0.50, 0.55 … 0.95.
        ap50: At an overlap of 0.5.
        ap75: At an overlap of 0.75.
        ar100: Average recall of the 100 best detections of each image.
        precision: Part of the detections at or above the least score that found an object, at an overlap of 0.5.
        recall: Part of the objects that they found.
    """

    name: str
    objects: int
    detections: int
    ap: float
    ap50: float
    ap75: float
    ar100: float
    precision: float
    recall: float


def box_figures(counted: Counted) -> BoxFigures:
    """The twelve figures that COCO's own evaluation prints."""
    sizes = {f"ap_{name}": counted.ap(size=size) for size, name in enumerate(("small", "medium", "large"), 1)}
    recalls = {f"ar_{name}": counted.ar(size=size) for size, name in enumerate(("small", "medium", "large"), 1)}
    limits = {f"ar{limit}": counted.ar(index) for index, limit in enumerate((1, 10, 100))}
    return BoxFigures(counted.ap(), counted.ap(0.5), counted.ap(0.75), **sizes, **limits, **recalls)


def keypoint_figures(counted: Counted, class_name: str, objects: int, sigmas: dict[str, float]) -> KeypointFigures:
    """The ten figures that COCO's own evaluation prints."""
    return KeypointFigures(
        ap=counted.ap(),
        ap50=counted.ap(0.5),
        ap75=counted.ap(0.75),
        ap_medium=counted.ap(size=1),
        ap_large=counted.ap(size=2),
        ar=counted.ar(),
        ar50=counted.ar(overlap=0.5),
        ar75=counted.ar(overlap=0.75),
        ar_medium=counted.ar(size=1),
        ar_large=counted.ar(size=2),
        class_name=class_name,
        objects=objects,
        sigmas=sigmas,
    )
