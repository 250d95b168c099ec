"""Training targets of Keypoint Triplets (Duan 2019, section 3; CornerNet, Law and Deng 2018, section 3)."""

from __future__ import annotations

from typing import Any

from keras import ops

from centernet.models.settings import TripletTargetSettings
from centernet.ops.gaussian import draw_gaussians, integer_radius
from centernet.ops.objects import cells_per_pixel, cells_within, ignore_cells, objects_inside, regression_targets

# Keypoint → standard deviations per diameter of its Gaussian; published constants.
DIAMETERS = {"top_left": 6, "bottom_right": 6, "center": 5}


def triplet_targets(
    boxes: Any,
    class_ids: Any,
    ignore: Any = None,
    *,
    input_size: tuple[int, int],
    output_size: tuple[int, int],
    num_classes: int,
    settings: TripletTargetSettings | None = None,
) -> dict[str, Any]:
    """Targets of a batch, computed on the device.

    Each box gives three keypoints in output cells: two corners and a center. Each is drawn into the heatmap of its
    kind as a Gaussian with value 1 at its cell. All three have the same radius (`gaussian_radius` of the box's sides
    in cells, rounded up), but the center's Gaussian is wider: σ is a fifth of the diameter, a corner's a sixth. (The
    reference also sets values below ε times the peak to 0; inside the radius a Gaussian never falls below e⁻⁹, so
    that changes nothing.)

    An ignored box (a crowd) is no object, and in all cells that it touches its class is neither positive nor
    negative; the reference trains on crowds as objects.

    Boxes are clipped to the input. A box without area, or of a class beyond `num_classes`, is dropped like padding. A
    keypoint on the right or bottom edge of the input belongs to the last cell, with an offset of 1 (the reference
    clips boxes one pixel earlier).

    Args:
        boxes: `x0 y0 x1 y1` in pixels of the network's input, float32 `(batch, n, 4)`.
        class_ids: Classes from 0, int32 `(batch, n)`; -1 is padding.
        ignore: Boxes to ignore, bool `(batch, n)`; None for none.
        input_size: Height and width of the network's input in pixels.
        output_size: Height and width of the head maps in cells.
        num_classes: Number of classes.
        settings: Numbers of the reference's training by default.

    Returns:
        For each keypoint of `top_left`, `bottom_right` and `center`: `{keypoint}`, its heatmap, float32
        `(batch, height, width, num_classes)`; `{keypoint}_offset`, from the cell's index to the position, `x y` in
        cells, float32 `(batch, n, 2)`; `{keypoint}_cell`, the cell's number `y·width + x` (CornerNet's "tag"), int32
        `(batch, n)`. And `mask`, the objects that count, bool `(batch, n)`; offsets and cells of the rest are 0. With
        an `offset_radius` in the settings, offsets have `d` cells per keypoint, float32 `(batch, n, d, 2)`, in
        `{keypoint}_offset_cell`, int32 `(batch, n, d)`; `{keypoint}_offset_mask`, bool, tells which of them count.

    Raises:
        ConfigError: If the shapes don't belong together.
    """
    settings = settings or TripletTargetSettings()
    objects = objects_inside(boxes, class_ids, input_size, num_classes, ignore)
    per_pixel, mask = cells_per_pixel(input_size, output_size), objects.mask
    boxes = ops.where(mask[..., None], objects.boxes, 0.0)
    sides = ops.ceil((boxes[..., 2:] - boxes[..., :2]) * per_pixel)
    radii = integer_radius(sides[..., 1], sides[..., 0], settings.min_overlap)
    diameters = ops.cast(2 * radii + 1, "float32")
    corners = {"top_left": boxes[..., :2], "bottom_right": boxes[..., 2:]}

    targets, cells = {"mask": mask}, {}
    for name, point in (corners | {"center": (boxes[..., :2] + boxes[..., 2:]) / 2}).items():
        cells[name], offsets = _offsets(name, point * per_pixel, mask, output_size, settings.offset_radius)
        targets |= offsets
    deviations = [diameters / DIAMETERS[name] for name in cells]
    centers = list(cells.values())
    heatmaps = draw_gaussians(centers, deviations, radii, objects.channels, output_size, num_classes)
    if ignore is not None:
        touched = objects.boxes * ops.tile(per_pixel, 2)
        touched = ops.concatenate([ops.floor(touched[..., :2]), ops.floor(touched[..., 2:]) + 1], axis=-1)
        ignored = objects.valid & ~mask
        heatmaps = [ignore_cells(heatmap, touched, ignored, class_ids) for heatmap in heatmaps]
    return targets | dict(zip(cells, heatmaps, strict=True))


def _offsets(
    name: str, position: Any, mask: Any, output_size: tuple[int, int], radius: int
) -> tuple[Any, dict[str, Any]]:
    """The cell `x y` of a keypoint at a position `x y` in cells, and the targets of its offset head."""
    last = ops.convert_to_tensor([output_size[1] - 1, output_size[0] - 1], dtype="float32")
    index = ops.minimum(ops.floor(position), last)
    cell = ops.cast(index, "int32")
    targets = {f"{name}_offset": position - index, f"{name}_cell": cell[..., 1] * output_size[1] + cell[..., 0]}
    if radius:
        around = ops.flip(cell, axis=-1)[:, :, None] + cells_within(radius)
        targets |= regression_targets(f"{name}_offset", around, ops.flip(position, axis=-1), mask, output_size)
        targets[f"{name}_offset"] = ops.flip(targets[f"{name}_offset"], axis=-1)  # this family's heads say x y
    return cell, targets
