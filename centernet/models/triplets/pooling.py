"""Corner pooling and center pooling (Law and Deng 2018, section 3.4; Duan 2019, section 3.3).

The directional pools take a maximum along a whole feature map. The three modules add convolutions;
`REFERENCE_NAMES` has the names of their parts in checkpoints of the reference.
"""

from __future__ import annotations

from typing import Any, ClassVar

import keras
from keras import layers, ops

from centernet.errors import ConfigError
from centernet.models.normalization import BatchNormalization
from centernet.ops.scan import line_maximum, running_maximum

EPSILON = 1e-5
MOMENTUM = 0.9
ROWS, COLUMNS = 1, 2  # axes of (batch, height, width, channels)
CORNERS = ("top_left", "bottom_right")
AFTER_BRANCHES = ("merge", "vertical_joint", "horizontal_joint")  # convolutions that read `inner_filters` channels

# Part of a module → its name in the reference; `_conv` is a convolution, `_bn` a batch normalization.
REFERENCE_NAMES = {
    "vertical_conv": "p1_conv1.conv",
    "vertical_bn": "p1_conv1.bn",
    "horizontal_conv": "p2_conv1.conv",
    "horizontal_bn": "p2_conv1.bn",
    "vertical_look_conv": "look_conv1.conv",
    "vertical_look_bn": "look_conv1.bn",
    "horizontal_look_conv": "look_conv2.conv",
    "horizontal_look_bn": "look_conv2.bn",
    "vertical_joint_conv": "P1_look_conv",
    "horizontal_joint_conv": "P2_look_conv",
    "merge_conv": "p_conv1",
    "merge_bn": "p_bn1",
    "skip_conv": "conv1",
    "skip_bn": "bn1",
    "output_conv": "conv2.conv",
    "output_bn": "conv2.bn",
}


class DirectionalPool(layers.Layer):
    """Running maximum over `axis` of `(batch, height, width, channels)`, from its end with `reverse`.

    In training the TensorFlow backend compiles it with XLA; otherwise it consists of operations that every export
    format knows. See `centernet.ops.scan.running_maximum` for its gradient.
    """

    axis: ClassVar[int]
    reverse: ClassVar[bool]

    def call(self, x: Any, training: bool | None = None) -> Any:
        """Pool features; the shape stays."""
        return running_maximum(x, self.axis, reverse=self.reverse, compiled=bool(training))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The shape of the input."""
        return tuple(input_shape)


@keras.saving.register_keras_serializable("centernet")
class TopPool(DirectionalPool):
    """Maximum of each pixel and all below it, for the top edge of an object."""

    axis, reverse = ROWS, True


@keras.saving.register_keras_serializable("centernet")
class BottomPool(DirectionalPool):
    """Maximum of each pixel and all above it, for the bottom edge of an object."""

    axis, reverse = ROWS, False


@keras.saving.register_keras_serializable("centernet")
class LeftPool(DirectionalPool):
    """Maximum of each pixel and all to the right of it, for the left edge of an object."""

    axis, reverse = COLUMNS, True


@keras.saving.register_keras_serializable("centernet")
class RightPool(DirectionalPool):
    """Maximum of each pixel and all to the left of it, for the right edge of an object."""

    axis, reverse = COLUMNS, False


class PoolingModule(layers.Layer):
    """Base of the pooling modules: two pooled branches, merged, with a shortcut.

    Args:
        filters: Channels of the output.
        inner_filters: Channels of the branches.
        kernel_initializer: Initializer of the convolutions.
        **options: Options of every Keras layer (`name`, `dtype`, `trainable`).
    """

    def __init__(
        self,
        filters: int = 256,
        inner_filters: int = 128,
        kernel_initializer: Any = "glorot_uniform",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.filters = filters
        self.inner_filters = inner_filters
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.vertical_conv, self.vertical_bn = self._conv("vertical", inner_filters), self._bn("vertical")
        self.horizontal_conv, self.horizontal_bn = self._conv("horizontal", inner_filters), self._bn("horizontal")
        self.merge_conv, self.merge_bn = self._conv("merge", filters), self._bn("merge")
        self.skip_conv, self.skip_bn = self._conv("skip", filters, kernel_size=1), self._bn("skip")
        self.output_conv, self.output_bn = self._conv("output", filters), self._bn("output")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights for a number of input channels."""
        *size, channels = input_shape
        for part in REFERENCE_NAMES:
            layer = getattr(self, part, None)
            if layer is not None:
                layer.build((*size, self._channels_into(part, channels)))

    def call(self, x: Any, training: bool | None = None) -> Any:
        """Features `(batch, height, width, channels)` → `(batch, height, width, filters)`."""
        merged = self.merge_bn(self.merge_conv(self.pooled(x, training)), training=training)
        skip = self.skip_bn(self.skip_conv(x), training=training)
        return self._unit(ops.relu(merged + skip), "output", training)

    def pooled(self, x: Any, training: bool | None) -> Any:
        """Sum of the pooled branches, `(batch, height, width, inner_filters)`."""
        raise NotImplementedError

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The shape of the input with `filters` channels."""
        return (*input_shape[:-1], self.filters)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs to make the same layer."""
        initializer = keras.initializers.serialize(self.kernel_initializer)
        own = {"filters": self.filters, "inner_filters": self.inner_filters, "kernel_initializer": initializer}
        return {**super().get_config(), **own}

    def _channels_into(self, part: str, channels: int | None) -> int | None:
        """Input channels of a part, when the module's input has `channels`."""
        prefix, _, kind = part.rpartition("_")
        if kind == "bn":
            return getattr(self, f"{prefix}_conv").filters
        if prefix in AFTER_BRANCHES:
            return self.inner_filters
        return self.filters if prefix == "output" else channels

    def _conv(self, prefix: str, filters: int, kernel_size: int = 3) -> layers.Conv2D:
        return layers.Conv2D(
            filters,
            kernel_size,
            padding="same",
            use_bias=False,
            data_format="channels_last",
            kernel_initializer=self.kernel_initializer,
            dtype=self.dtype_policy,
            name=f"{prefix}_conv",
        )

    def _bn(self, prefix: str) -> BatchNormalization:
        return BatchNormalization(epsilon=EPSILON, momentum=MOMENTUM, dtype=self.dtype_policy, name=f"{prefix}_bn")

    def _unit(self, x: Any, prefix: str, training: bool | None) -> Any:
        """Convolution, batch normalization and ReLU of one prefix."""
        conv, norm = getattr(self, f"{prefix}_conv"), getattr(self, f"{prefix}_bn")
        return ops.relu(norm(conv(x), training=training))


@keras.saving.register_keras_serializable("centernet")
class CornerPooling(PoolingModule):
    """Corner pooling of CornerNet (Law and Deng 2018, section 3.4 and figure 7).

    A corner lies outside its object: the module looks from the corner along the object's two edges.

    Args:
        corner: `"top_left"` or `"bottom_right"`.
        filters: Channels of the output.
        inner_filters: Channels of the branches.
        kernel_initializer: Initializer of the convolutions.
        **options: Options of every Keras layer.

    Raises:
        ConfigError: If there is no such corner.
    """

    def __init__(self, corner: str, filters: int = 256, inner_filters: int = 128, **options: Any) -> None:
        if corner not in CORNERS:
            raise ConfigError(f"Expected corner to be one of {CORNERS}. Received: corner={corner!r}")
        super().__init__(filters, inner_filters, **options)
        self.corner = corner

    def pooled(self, x: Any, training: bool | None) -> Any:
        """Sum of the branch pooled over rows and the branch pooled over columns."""
        vertical = self._pool(self._unit(x, "vertical", training), ROWS, training)
        return vertical + self._pool(self._unit(x, "horizontal", training), COLUMNS, training)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs to make the same layer."""
        return {**super().get_config(), "corner": self.corner}

    def _pool(self, x: Any, axis: int, training: bool | None) -> Any:
        return running_maximum(x, axis, reverse=self.corner == "top_left", compiled=bool(training))


@keras.saving.register_keras_serializable("centernet")
class CascadeCornerPooling(CornerPooling):
    """Cascade corner pooling (Duan 2019, figure 5b): it looks along the edges and, from there, into the object.

    As in the published code, the look inside goes over a branch of its own, and the convolution of the joint
    branch has neither normalization nor ReLU; the paper's text and figure differ in that.

    Args:
        corner: `"top_left"` or `"bottom_right"`.
        filters: Channels of the output.
        inner_filters: Channels of the branches.
        kernel_initializer: Initializer of the convolutions.
        **options: Options of every Keras layer.

    Raises:
        ConfigError: If there is no such corner.
    """

    def __init__(self, corner: str, filters: int = 256, inner_filters: int = 128, **options: Any) -> None:
        super().__init__(corner, filters, inner_filters, **options)
        self.vertical_look_conv = self._conv("vertical_look", inner_filters)
        self.vertical_look_bn = self._bn("vertical_look")
        self.horizontal_look_conv = self._conv("horizontal_look", inner_filters)
        self.horizontal_look_bn = self._bn("horizontal_look")
        self.vertical_joint_conv = self._conv("vertical_joint", inner_filters)
        self.horizontal_joint_conv = self._conv("horizontal_joint", inner_filters)

    def pooled(self, x: Any, training: bool | None) -> Any:
        """Sum of the two branches, each of which was joined with a look across before it was pooled."""
        vertical = self._unit(x, "vertical", training) + self._look(x, "vertical", COLUMNS, training)
        horizontal = self._unit(x, "horizontal", training) + self._look(x, "horizontal", ROWS, training)
        vertical = self._pool(self.vertical_joint_conv(vertical), ROWS, training)
        return vertical + self._pool(self.horizontal_joint_conv(horizontal), COLUMNS, training)

    def _look(self, x: Any, prefix: str, axis: int, training: bool | None) -> Any:
        return self._pool(self._unit(x, f"{prefix}_look", training), axis, training)


@keras.saving.register_keras_serializable("centernet")
class CenterPooling(PoolingModule):
    """Center pooling (Duan 2019, figure 5a): maximum of a pixel's row plus maximum of its column."""

    def pooled(self, x: Any, training: bool | None) -> Any:
        """Sum of the column maxima of one branch and the row maxima of the other."""
        vertical = line_maximum(self._unit(x, "vertical", training), ROWS)
        return vertical + line_maximum(self._unit(x, "horizontal", training), COLUMNS)
