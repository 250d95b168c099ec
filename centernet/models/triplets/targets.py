"""What the head maps of Keypoint Triplets should be (Duan 2019, section 3; CornerNet, Law and Deng 2018, section 3)."""

from __future__ import annotations

from typing import Any

from keras import ops

from centernet.models.triplets.settings import TargetSettings
from centernet.ops.gaussian import draw_gaussians, whole_radius
from centernet.ops.neighborhood import disc, named, seen_from
from centernet.ops.objects import objects_inside, spare_cells

# Keypoint → how many standard deviations its Gaussian's diameter has; published constants.
DIAMETERS = {"top_left": 6, "bottom_right": 6, "center": 5}


def triplet_targets(
    boxes: Any,
    class_ids: Any,
    ignore: Any = None,
    *,
    input_size: tuple[int, int],
    output_size: tuple[int, int],
    num_classes: int,
    settings: TargetSettings | None = None,
) -> dict[str, Any]:
    """Targets of a batch, on the device.

    Each box gives three keypoints in output cells: its corners and its center. Each is drawn into the heatmap of
    its kind as a Gaussian of value 1 at the cell that it lies in. All three have the same radius
    (`gaussian_radius` of the box's sides in cells, rounded up), but the center's is wider: σ is a fifth of the
    diameter, a corner's a sixth. (The reference also sets what is below ε times the peak to 0; inside the radius a
    Gaussian never falls below e⁻⁹, so nothing is.)

    What is to be ignored (a crowd) is no object, and in all cells that it touches its class is not wrong either; the
    reference takes crowds for objects.

    Boxes are clipped to the input; what has no area then, or a class beyond `num_classes`, is left out like
    padding. A keypoint on the right or bottom edge of the input belongs to the last cell, with an offset of 1 (the
    reference never has one: it clips boxes one pixel earlier).

    Args:
        boxes: `x0 y0 x1 y1` in pixels of the network's input, float32 `(batch, n, 4)`.
        class_ids: Classes from 0, int32 `(batch, n)`; -1 is padding.
        ignore: Which boxes are to be ignored, bool `(batch, n)`; None for none.
        input_size: Height and width of the network's input in pixels.
        output_size: Height and width of the head maps in cells.
        num_classes: Number of classes.
        settings: Numbers of the reference's training by default.

    Returns:
        For each keypoint of `top_left`, `bottom_right` and `center`: `{keypoint}`, its heatmap, float32
        `(batch, height, width, num_classes)`; `{keypoint}_offset`, what the cell's index lacks to the position,
        `x y` in cells, float32 `(batch, n, 2)`; `{keypoint}_cell`, the cell's number `y·width + x` (CornerNet's
        "tag"), int32 `(batch, n)`. And `mask`, bool `(batch, n)`: which objects count; offsets and cells of others
        are 0. With an `offset_radius` in the settings, offsets are of `d` cells around each keypoint, float32
        `(batch, n, d, 2)`; `{keypoint}_offset_cell`, int32 `(batch, n, d)`, and `{keypoint}_offset_mask`, bool, say
        of which.

    Raises:
        ConfigError: If the shapes don't belong together.
    """
    settings = settings or TargetSettings()
    boxes, known = objects_inside(boxes, class_ids, input_size, num_classes)
    mask = known if ignore is None else known & ~ops.cast(ignore, "bool")
    height, width = output_size
    cells_of_pixel = ops.convert_to_tensor([width / input_size[1], height / input_size[0]], dtype="float32")
    touched = boxes * ops.tile(cells_of_pixel, 2)
    boxes = ops.where(mask[..., None], boxes, 0.0)
    last = ops.convert_to_tensor([width - 1, height - 1], dtype="float32")
    sides = ops.ceil((boxes[..., 2:] - boxes[..., :2]) * cells_of_pixel)
    radii = whole_radius(sides[..., 1], sides[..., 0], settings.min_overlap)
    diameters = ops.cast(2 * radii + 1, "float32")
    corners = {"top_left": boxes[..., :2], "bottom_right": boxes[..., 2:]}

    targets: dict[str, Any] = {"mask": mask}
    cells = {}
    for name, point in (corners | {"center": (boxes[..., :2] + boxes[..., 2:]) / 2}).items():
        position = point * cells_of_pixel
        cell = ops.minimum(ops.floor(position), last)
        cells[name] = ops.cast(cell, "int32")
        targets[f"{name}_offset"] = position - cell
        targets[f"{name}_cell"] = cells[name][..., 1] * width + cells[name][..., 0]
        if settings.offset_radius:
            around = ops.flip(cells[name], axis=-1)[:, :, None] + disc(settings.offset_radius)
            vectors, *asked = seen_from(around, ops.flip(position, axis=-1), mask, output_size)
            targets |= named(f"{name}_offset", (ops.flip(vectors, axis=-1), *asked))
    deviations = [diameters / DIAMETERS[name] for name in cells]
    drawn = ops.where(mask, ops.cast(class_ids, "int32"), -1)
    heatmaps = draw_gaussians(list(cells.values()), deviations, radii, drawn, output_size, num_classes)
    if ignore is not None:
        touched = ops.concatenate([ops.floor(touched[..., :2]), ops.floor(touched[..., 2:]) + 1], axis=-1)
        heatmaps = [spare_cells(heatmap, touched, known & ~mask, class_ids) for heatmap in heatmaps]
    return targets | dict(zip(cells, heatmaps, strict=True))
