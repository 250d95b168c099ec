"""Training targets of Objects as Points, boxes and keypoints (Zhou 2019, sections 3 and 4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

from centernet.errors import ConfigError
from centernet.models.settings import PointTargetSettings
from centernet.ops.gaussian import draw_gaussians, integer_radius
from centernet.ops.objects import (
    cells_per_pixel,
    cells_within,
    covered_cells,
    ignore_cells,
    objects_inside,
    regression_targets,
)

DIAMETER = 6  # standard deviations per diameter of a Gaussian; a published constant


def point_targets(
    boxes: Any,
    class_ids: Any,
    ignore: Any = None,
    *,
    input_size: tuple[int, int],
    output_size: tuple[int, int],
    num_classes: int,
    image_sizes: Any = None,
    keypoints: Any = None,
    keypoint_class: int | None = None,
    deviations: Sequence[float] = (),
    settings: PointTargetSettings | None = None,
) -> dict[str, Any]:
    """Targets of a batch, computed on the device.

    Each object is drawn into the heatmap of its class as a Gaussian with value 1 at the cell of its center; that cell
    regresses its size and offset. The Gaussian's diameter is six standard deviations and comes from
    `gaussian_radius` of the box's sides in cells, not rounded up. As in the TensorFlow API the Gaussian is not cut at
    its radius (Zhou's code cuts it); it ends where it has fallen to e⁻¹⁸, which float32 can't tell from 0 in
    `1 - value`.

    Boxes are clipped to the input. A box without area, or of a class beyond `num_classes`, is dropped like padding
    (the reference draws a box without area as a point). Cells inside an ignored box are neither positive nor negative
    in the heatmap of its class, unless another object's center lies there (in the reference an object of weight 0
    is background).

    Args:
        boxes: `x0 y0 x1 y1` in pixels of the network's input, float32 `(batch, n, 4)`.
        class_ids: Classes from 0, int32 `(batch, n)`; -1 is padding.
        ignore: Boxes to ignore (crowds), bool `(batch, n)`; None for none.
        input_size: Height and width of the network's input in pixels.
        output_size: Height and width of the head maps in cells.
        num_classes: Number of classes.
        image_sizes: Height and width of each image on the network's input, without padding, in pixels, int32
            `(batch, 2)`: heatmaps count only inside. None: everywhere.
        keypoints: `x y` in pixels of the network's input and visibility (0: not labeled), float32
            `(batch, n, k, 3)`; None for boxes only.
        keypoint_class: Class whose objects have keypoints; needed with `keypoints`.
        deviations: See `KeypointTask`; empty: 1 for each keypoint.
        settings: Numbers of the reference's training by default.

    Returns:
        `heatmap`, float32 `(batch, height, width, num_classes)`; `mask`, the objects that count, bool `(batch, n)`;
        `cell`, the number `y·width + x` of the cell of their center, int32 `(batch, n)`; `size`, height and width in
        cells, float32 `(batch, n, 2)`; `offset`, from the cell's index to the center, `y x` in cells, same shape.
        All are 0 where `mask` is false. With `image_sizes`: `heatmap_mask`, cells where heatmaps count, bool
        `(batch, height, width, 1)`. With `keypoints`: also the targets of `keypoint_targets`. With an
        `object_radius` in the settings, `size` and `offset` have `d` cells per object, float32 `(batch, n, d, 2)`;
        `size_cell` and `offset_cell` are these cells, int32 `(batch, n, d)`; `size_mask` and `offset_mask` tell which
        of them count.

    Raises:
        ConfigError: If the shapes don't belong together.
    """
    settings = settings or PointTargetSettings()
    objects = objects_inside(boxes, class_ids, input_size, num_classes, ignore)
    per_pixel = cells_per_pixel(input_size, output_size)
    boxes, mask = objects.boxes * ops.tile(per_pixel, 2), objects.mask
    positives = ops.where(mask[..., None], boxes, 0.0)
    size = ops.flip(positives[..., 2:] - positives[..., :2], axis=-1)
    center = ops.flip((positives[..., :2] + positives[..., 2:]) / 2, axis=-1)
    last = ops.convert_to_tensor([side - 1 for side in output_size], dtype="float32")
    index = ops.minimum(ops.floor(center), last)
    cell = ops.cast(index, "int32")
    radii = integer_radius(size[..., 0], size[..., 1], settings.min_overlap)
    deviation = ops.cast(2 * radii + 1, "float32") / DIAMETER

    centers = [ops.flip(cell, axis=-1)]
    (heatmap,) = draw_gaussians(centers, [deviation], 2 * radii, objects.channels, output_size, num_classes)
    if ignore is not None:
        heatmap = ignore_cells(heatmap, boxes, objects.valid & ~mask, class_ids)
    targets = {"heatmap": heatmap, "mask": mask, "cell": cell[..., 0] * output_size[1] + cell[..., 1]}
    targets |= {"size": size, "offset": center - index}
    if settings.object_radius:
        targets |= _from_several_cells(cell, center, size, mask, output_size, settings.object_radius)
    if image_sizes is not None:
        targets["heatmap_mask"] = _inside_image(image_sizes, input_size, output_size)
    if keypoints is not None:
        is_kind = objects.valid & (class_ids == keypoint_class)
        targets |= keypoint_targets(
            ops.flip(ops.cast(keypoints[..., :2], "float32") * per_pixel, axis=-1),
            (mask & is_kind)[..., None] & (keypoints[..., 2] > 0),
            boxes,
            cell,
            deviation,
            has_keypoints=is_kind,
            deviations=deviations,
            size=output_size,
            settings=settings,
        )
    return targets


def _from_several_cells(
    cell: Any, center: Any, size: Any, mask: Any, output_size: tuple[int, int], radius: int
) -> dict[str, Any]:
    """Targets of size and offset that all cells within a radius of an object's center regress."""
    targets = regression_targets("offset", cell[:, :, None] + cells_within(radius), center, mask, output_size)
    cells, valid = targets["offset_cell"], targets["offset_mask"]
    sizes = ops.where(valid[..., None], size[:, :, None], 0.0)
    return targets | {"size": sizes, "size_cell": cells, "size_mask": valid}


def _inside_image(image_sizes: Any, input_size: tuple[int, int], output_size: tuple[int, int]) -> Any:
    """Cells that the image covers at least in part, bool `(batch, height, width, 1)`."""
    inputs, outputs = (ops.convert_to_tensor(size, dtype="int32") for size in (input_size, output_size))
    ends = (ops.cast(image_sizes, "int32") * outputs + inputs - 1) // inputs  # rounded up
    rows, columns = (ops.arange(side, dtype="int32") < ends[:, axis, None] for axis, side in enumerate(output_size))
    return (rows[:, :, None] & columns[:, None])[..., None]


def keypoint_targets(
    positions: Any,
    labeled: Any,
    boxes: Any,
    centers: Any,
    object_deviations: Any,
    *,
    has_keypoints: Any,
    deviations: Sequence[float],
    size: tuple[int, int],
    settings: PointTargetSettings,
) -> dict[str, Any]:
    """Targets of the keypoints of a batch.

    A keypoint is drawn like an object's center, with the object's σ times its own deviation. Every cell of a disc
    around it regresses its offset. Every cell of a disc around the object's center regresses its position. Where
    discs overlap, a cell regresses several points.

    Args:
        positions: `y x` in cells, float32 `(batch, n, k, 2)`.
        labeled: Keypoints that count, bool `(batch, n, k)`.
        boxes: `x0 y0 x1 y1` in cells, float32 `(batch, n, 4)`; without area for padding.
        centers: Row and column of each object's center, int32 `(batch, n, 2)`.
        object_deviations: Standard deviation of each object's own Gaussian in cells, float32 `(batch, n)`.
        has_keypoints: Boxes of the class with keypoints, ignored ones included, bool `(batch, n)`.
        deviations: Deviation of each keypoint; empty: 1 for each.
        size: Height and width of the maps in cells.
        settings: Radius of the discs, and the rule for areas without labels.

    Returns:
        `keypoint_heatmap`, float32 `(batch, height, width, k)`; `keypoint_heatmap_mask`, cells that count, bool, same
        shape; `keypoint_mask`, the labeled keypoints, bool `(batch, n, k)`. And for `keypoint_offset` and
        `keypoint_regression`, with `d` cells in a disc: the targets, `y x` in cells, float32 `(batch, n, k, d, 2)`;
        `{name}_cell`, the cell numbers `y·width + x`, int32 `(batch, n, k, d)`; `{name}_mask`, targets that
        count, bool, same shape. Cells and targets that don't count are 0.

    Raises:
        ConfigError: If the number of deviations differs from the number of keypoints.
    """
    spread = _deviations(deviations, positions.shape[2])
    labeled = labeled & ops.all(positions == positions, axis=-1)  # NaN is no position
    positions = ops.where(labeled[..., None], positions, 0.0)
    around = cells_within(settings.keypoint_radius)
    own = ops.cast(ops.floor(positions), "int32")
    return {
        "keypoint_heatmap": _heatmap(own, object_deviations[..., None] * spread, labeled, size),
        "keypoint_heatmap_mask": ~_unlabeled_area(boxes, labeled, has_keypoints, size, settings.keypoint_mask),
        "keypoint_mask": labeled,
        **regression_targets("keypoint_offset", own[..., None, :] + around, positions, labeled, size),
        **regression_targets("keypoint_regression", centers[:, :, None, None] + around, positions, labeled, size),
    }


def _deviations(deviations: Sequence[float], count: int) -> Any:
    if len(deviations) not in (0, count):
        raise ConfigError(f"Expected a deviation for each of {count} keypoints. Received: {len(deviations)}")
    return ops.convert_to_tensor(list(deviations) or [1.0] * count, dtype="float32")


def _heatmap(cells: Any, deviations: Any, labeled: Any, size: tuple[int, int]) -> Any:
    """Gaussians of all keypoints, drawn like objects whose class is the keypoint's index."""
    batch, count, kinds = ops.shape(labeled)
    objects = (batch, count * kinds)
    radii = ops.cast(ops.ceil(6 * deviations), "int32") - 1  # cut like an object's Gaussian, at six deviations
    drawn = ops.where(labeled, ops.arange(kinds, dtype="int32"), -1)
    deviations, radii, drawn = (ops.reshape(value, objects) for value in (deviations, radii, drawn))
    centers = ops.reshape(ops.flip(cells, axis=-1), (*objects, 2))
    (heatmap,) = draw_gaussians([centers], [deviations], radii, drawn, size, kinds)
    return heatmap


def _unlabeled_area(boxes: Any, labeled: Any, has_keypoints: Any, size: tuple[int, int], rule: str) -> Any:
    """Cells that may have unlabeled keypoints, bool `(batch, height, width, k)`; see `PointTargetSettings`."""
    if rule == "2021-07":
        return covered_cells(boxes, ~labeled, size)
    none = has_keypoints & ~ops.any(labeled, axis=-1)
    hidden = covered_cells(boxes, none[..., None], size)
    return ops.broadcast_to(hidden, (*ops.shape(hidden)[:-1], labeled.shape[-1]))
