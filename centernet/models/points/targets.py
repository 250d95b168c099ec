"""What the head maps of Objects as Points should be (Zhou 2019, sections 3 and 4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

from centernet.models.points.keypoint_targets import keypoint_targets
from centernet.models.points.settings import TargetSettings
from centernet.ops.gaussian import draw_gaussians, whole_radius
from centernet.ops.neighborhood import disc, named, seen_from
from centernet.ops.objects import objects_inside, spare_cells

DIAMETER = 6  # standard deviations that the diameter of a Gaussian has; a published constant


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
    settings: TargetSettings | None = None,
) -> dict[str, Any]:
    """Targets of a batch, on the device.

    Each object is drawn into the heatmap of its class as a Gaussian of value 1 at the cell that its center lies in;
    its size and offset are asked of that cell. The Gaussian's diameter, six standard deviations, comes from
    `gaussian_radius` of the box's sides in cells, not rounded up. As in the TensorFlow API (Zhou's code cuts it off
    at its radius) it goes on beyond that; it is left out where it has fallen to e⁻¹⁸, which single precision can't
    tell from 0 in `1 - value`.

    Boxes are clipped to the input; what has no area then, or a class beyond `num_classes`, is left out like padding
    (the reference draws a box without area as a point). Cells inside an ignored box are neither asked for nor wrong
    in the heatmap of its class, unless another object's center is there (in the reference an object of weight 0 is
    background).

    Args:
        boxes: `x0 y0 x1 y1` in pixels of the network's input, float32 `(batch, n, 4)`.
        class_ids: Classes from 0, int32 `(batch, n)`; -1 is padding.
        ignore: Which boxes are ignored (crowds), bool `(batch, n)`; none if it is None.
        input_size: Height and width of the network's input in pixels.
        output_size: Height and width of the head maps in cells.
        num_classes: Number of classes.
        image_sizes: Height and width of each image on the network's input, without padding, in pixels, int32
            `(batch, 2)`: heatmaps count only there. Everywhere if it is None.
        keypoints: `x y` in pixels of the network's input and visibility (0: not labeled), float32
            `(batch, n, k, 3)`; None for boxes only.
        keypoint_class: Class whose objects have keypoints; needed with `keypoints`.
        deviations: See `KeypointTask`; 1 for each keypoint if it is empty.
        settings: Numbers of the reference's training by default.

    Returns:
        `heatmap`, float32 `(batch, height, width, num_classes)`; `mask`, which objects count, bool `(batch, n)`;
        `cell`, the number `y·width + x` of the cell of their center, int32 `(batch, n)`; `size`, height and width in
        cells, float32 `(batch, n, 2)`; `offset`, what the cell's index lacks to the center, `y x` in cells, likewise.
        Of what doesn't count, all are 0. With `image_sizes`, `heatmap_mask`, where heatmaps count, bool
        `(batch, height, width, 1)`. With `keypoints`, also what `keypoint_targets` gives. With an `object_radius` in
        the settings, `size` and `offset` are of `d` cells an object, float32 `(batch, n, d, 2)`; `size_cell` and
        `offset_cell` are these cells, int32 `(batch, n, d)`, and `size_mask` and `offset_mask` which of them count.

    Raises:
        ConfigError: If the shapes don't belong together.
    """
    settings = settings or TargetSettings()
    boxes, known = objects_inside(boxes, class_ids, input_size, num_classes)
    mask = known if ignore is None else known & ~ops.cast(ignore, "bool")
    height, width = output_size
    cells_of_pixel = ops.convert_to_tensor([width / input_size[1], height / input_size[0]], dtype="float32")
    boxes = boxes * ops.tile(cells_of_pixel, 2)
    counted = ops.where(mask[..., None], boxes, 0.0)
    size = ops.flip(counted[..., 2:] - counted[..., :2], axis=-1)
    center = ops.flip((counted[..., :2] + counted[..., 2:]) / 2, axis=-1)
    index = ops.minimum(ops.floor(center), ops.convert_to_tensor([height - 1, width - 1], dtype="float32"))
    cell = ops.cast(index, "int32")
    radii = whole_radius(size[..., 0], size[..., 1], settings.min_overlap)
    deviation = ops.cast(2 * radii + 1, "float32") / DIAMETER

    drawn = ops.where(mask, ops.cast(class_ids, "int32"), -1)
    centers = [ops.flip(cell, axis=-1)]
    (heatmap,) = draw_gaussians(centers, [deviation], 2 * radii, drawn, output_size, num_classes)
    if ignore is not None:
        heatmap = spare_cells(heatmap, boxes, known & ~mask, class_ids)
    targets = {"heatmap": heatmap, "mask": mask, "cell": cell[..., 0] * width + cell[..., 1]}
    targets |= {"size": size, "offset": center - index}
    if settings.object_radius:
        vectors, *asked = seen_from(cell[:, :, None] + disc(settings.object_radius), center, mask, output_size)
        sizes = ops.where(asked[1][..., None], size[:, :, None], 0.0)
        targets |= named("offset", (vectors, *asked)) | named("size", (sizes, *asked))
    if image_sizes is not None:
        targets["heatmap_mask"] = _inside_image(image_sizes, input_size, output_size)
    if keypoints is not None:
        positions = ops.cast(keypoints[..., :2], "float32") * cells_of_pixel
        is_kind = known & (class_ids == keypoint_class)
        labeled = (mask & is_kind)[..., None] & (keypoints[..., 2] > 0)
        targets |= keypoint_targets(
            ops.flip(positions, axis=-1),
            labeled,
            boxes,
            cell,
            deviation,
            has_keypoints=is_kind,
            deviations=deviations,
            size=output_size,
            settings=settings,
        )
    return targets


def _inside_image(image_sizes: Any, input_size: tuple[int, int], output_size: tuple[int, int]) -> Any:
    """Cells that an image reaches into, bool `(batch, height, width, 1)`."""
    inputs, outputs = (ops.convert_to_tensor(size, dtype="int32") for size in (input_size, output_size))
    ends = (ops.cast(image_sizes, "int32") * outputs + inputs - 1) // inputs  # rounded up
    rows, columns = (ops.arange(side, dtype="int32") < ends[:, axis, None] for axis, side in enumerate(output_size))
    return (rows[:, :, None] & columns[:, None])[..., None]
