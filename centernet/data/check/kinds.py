"""The kinds of problems that checking a dataset can find."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

Level = Literal["fatal", "problem", "note"]


class Kind(NamedTuple):
    """A kind of problem: what one and what several are, what to do, and how bad it is if nothing else is said."""

    one: str
    many: str
    advice: str
    level: Level = "problem"


_AGAIN = "Training takes other images in their place. Get these again, or delete their annotations."
_LOST = "Training takes these objects for background. Correct or delete them."
_NAMES = "Compare the ids of the annotations with the list of names."
_KEYPOINTS = "Give each keypoint's place in pixels, and visibility 0 to those that nobody labeled."

KINDS: Mapping[str, Kind] = {
    "reading": Kind("remark of the reader", "remarks of the reader", "What it couldn't use is not part of the check."),
    "missing": Kind("image is missing", "images are missing", _AGAIN),
    "truncated": Kind("image ends too early", "images end too early", _AGAIN),
    "unreadable": Kind("image can't be read", "images can't be read", _AGAIN),
    "size": Kind(
        "image has another size than its annotation says",
        "images have another size than their annotations say",
        "If the image was resized or turned after it was annotated, its boxes are wrong.",
    ),
    "same image": Kind(
        "image is a copy of another, byte for byte",
        "images are copies of others, byte for byte",
        "Keep one of each, and none of those in a test split that are trained on.",
    ),
    "same id": Kind(
        "image has the id of another", "images have the id of another", "Results can't tell them apart: rename them."
    ),
    "no number": Kind("box has a side that is no number", "boxes have a side that is no number", _LOST),
    "reversed": Kind("box ends before it begins", "boxes end before they begin", _LOST),
    "empty": Kind("box has no width or no height", "boxes have no width or no height", _LOST),
    "outside": Kind("box lies outside of its image", "boxes lie outside of their images", _LOST),
    "over the edge": Kind(
        "box reaches over the edge of its image",
        "boxes reach over the edge of their images",
        "Training clips them there.",
    ),
    "below a pixel": Kind(
        "box is less than a pixel wide or high",
        "boxes are less than a pixel wide or high",
        "Nobody can see such objects. If they are large, parts of width and height were taken for pixels.",
    ),
    "twice": Kind(
        "object is there twice, with the same box and class",
        "objects are there twice, with the same box and class",
        "A detector finds it once, and misses the other. Delete it.",
    ),
    "nearly twice": Kind(
        "object has nearly the box of another of its class",
        "objects have nearly the boxes of others of their class",
        "If they were annotated twice, a detector finds one and misses the other. Look at them.",
    ),
    "misread": Kind("box is misread", "boxes are misread", "Write them as the format wants them.", "fatal"),
    "unknown class": Kind(
        "object has a class that the dataset doesn't name",
        "objects have a class that the dataset doesn't name",
        f"Training takes them for background. {_NAMES}",
    ),
    "class off by one": Kind("class id is off by one", "class ids are off by one", _NAMES, "fatal"),
    "class perhaps off by one": Kind("class id may be off by one", "class ids may be off by one", _NAMES),
    "class unused": Kind("class has no object", "classes have no object", "Nothing is learned of it.", "note"),
    "class rare": Kind("class has few objects", "classes have few objects", "Little is learned of it.", "note"),
    "background": Kind(
        "class stands for the background", "classes stand for the background", "Leave it out: none is needed.", "note"
    ),
    "classes alike": Kind(
        "name of a class is written in several ways",
        "names of classes are written in several ways",
        "Each way is a class of its own. Choose one.",
    ),
    "keypoint count": Kind(
        "image has another number of keypoints than the dataset",
        "images have another number of keypoints than the dataset",
        "Give every object the keypoints that dataset.keypoints names.",
        "fatal",
    ),
    "keypoint outside": Kind("keypoint lies outside of its image", "keypoints lie outside of their images", _KEYPOINTS),
    "keypoint at 0, 0": Kind("labeled keypoint lies at 0, 0", "labeled keypoints lie at 0, 0", _KEYPOINTS),
    "keypoint no number": Kind("keypoint is no number", "keypoints are no numbers", _KEYPOINTS),
    "visibility": Kind(
        "keypoint has a visibility other than 0, 1 and 2",
        "keypoints have a visibility other than 0, 1 and 2",
        "Above 0 counts as labeled.",
    ),
    "keypoint far": Kind(
        "keypoint lies farther from its box than it is searched",
        "keypoints lie farther from their boxes than they are searched",
        "Check that boxes and keypoints are of the same object.",
        "note",
    ),
    "keypoint unused": Kind(
        "keypoint is labeled nowhere", "keypoints are labeled nowhere", "Nothing is learned of it.", "note"
    ),
    "flip": Kind(
        "keypoint has no known counterpart in a mirrored image",
        "keypoints have no known counterparts in a mirrored image",
        "Say which is left and which is right: by names (left_eye), or by flip_idx.",
    ),
    "small": Kind(
        "object is smaller than a cell of the output",
        "objects are smaller than a cell of the output",
        "Train at a larger input size, or on parts of the images.",
        "note",
    ),
    "shared cell": Kind(
        "object has its center in the cell of another of its class",
        "objects have their centers in the cells of others of their class",
        "Objects as Points finds one of them. Train at a larger input size.",
        "note",
    ),
    "crowded": Kind(
        "object is more than a detector gives for an image",
        "objects are more than a detector gives for an image",
        "Raise max_detections of the decoder, or cut the images into parts.",
        "note",
    ),
    "no image": Kind("image at all", "images at all", "Check the path and the split.", "fatal"),
    "no class": Kind("class at all", "classes at all", "Annotate some objects, or name the classes.", "fatal"),
    "no readable image": Kind("image can be read", "images can be read", "Check the paths.", "fatal"),
    "no object": Kind("object can be learned", "objects can be learned", "See the problems below.", "fatal"),
}
