"""The tables from our layers to both references, held to the lists of what their files hold."""

import gzip
import json
from pathlib import Path

import keras
import numpy as np
import pytest

from centernet.checkpoints.pytorch.names import VARIABLES, head_source, layer_module, layer_source
from centernet.checkpoints.pytorch.recognize import describe_pytorch, recognize_pytorch
from centernet.models.backbones import Hourglass
from centernet.models.points.heads import head_channels

FILE = Path(__file__).parents[1] / "goldens" / "pytorch" / "manifests.json.gz"
MANIFESTS = {
    network: {key.removeprefix("module."): tuple(shape) for key, shape in keys.items()}
    for network, keys in json.loads(gzip.decompress(FILE.read_bytes())).items()
}
TRUNK = ("pre", "kps", "cnvs", "inters", "inters_", "cnvs_")
NARROW = 8  # the networks are built this many times narrower, to be small
NORMALIZATION = ("gamma", "beta", "moving_mean", "moving_variance")


def weights(network):
    return {key: shape for key, shape in MANIFESTS[network].items() if not key.endswith("num_batches_tracked")}


@pytest.fixture(scope="module")
def hourglasses():
    filters = [width // NARROW for width in (256, 256, 384, 384, 384, 512)]
    return {stacks: Hourglass(stacks, filters, stem_filters=128 // NARROW) for stacks in (1, 2)}


@pytest.mark.parametrize(
    ("network", "stacks"),
    [
        ("centernet_triplet_hg52", 1),
        ("centernet_triplet_hg104", 2),
        ("objects_as_points_hg", 2),
        ("objects_as_points_hg_multi_pose", 2),
    ],
)
def test_every_tensor_of_the_trunk_is_used_once_and_fits(hourglasses, network, stacks):
    def narrow(shape):
        return tuple(size if size in (1, 3, 7) else size // NARROW for size in shape)

    trunk = {key: shape for key, shape in weights(network).items() if key.split(".")[0] in TRUNK}
    used = []
    for layer in hourglasses[stacks].layers:
        for variable in layer.weights:
            source = layer_source(layer.name, variable.name)
            assert narrow(source.shape(trunk[source.key])) == tuple(variable.shape), source
            used.append(source.key)
    assert sorted(used) == sorted(trunk)


@pytest.mark.parametrize(
    ("layer", "module"),
    [
        ("stem_conv", "pre.0.conv"),
        ("stem_residual_skip_bn", "pre.1.skip.1"),
        ("stack0_level0_skip_1_2_conv", "kps.0.up1.1.conv2"),
        ("stack1_level0_down_0_skip_conv", "kps.1.low1.0.skip.0"),
        ("stack1_level2_up_1_1_bn", "kps.1.low2.low2.low3.1.bn1"),
        ("stack0_level5_3_2_bn", "kps.0.low2.low2.low2.low2.low2.3.bn2"),
        ("stack1_out_bn", "cnvs.1.bn"),
        ("merge0_in_conv", "inters_.0.0"),
        ("merge0_in_bn", "inters_.0.1"),
        ("merge0_out_conv", "cnvs_.0.0"),
        ("merge0_out_bn", "cnvs_.0.1"),
        ("merge0_residual_1_conv", "inters.0.conv1"),
        ("conv1_conv", "conv1"),
        ("conv1_bn", "bn1"),
        ("conv2_block1_0_conv", "layer1.0.downsample.0"),
        ("conv4_block23_3_bn", "layer3.22.bn3"),
        ("up3_deconv", "deconv_layers.6"),
        ("up3_deconv_bn", "deconv_layers.7"),
    ],
)
def test_a_layer_takes_the_tensors_of_one_module(layer, module):
    assert layer_module(layer) == module


@pytest.mark.parametrize("layer", ["fpn_top", "stem_relu", "conv6_block1_1_conv", "up4_deconv", "stack0_level0_side_0"])
def test_a_layer_that_the_references_lack_is_an_error(layer):
    with pytest.raises(KeyError):
        layer_module(layer)


def resnet_layers(blocks, convolutions):
    """Names of a ResNet's layers, as keras.applications would name them, and of the transposed convolutions."""
    names = ["conv1"]
    for stage, count in enumerate(blocks, 2):
        for block in range(1, count + 1):
            shortcut = block == 1 and (stage > 2 or convolutions == 3)
            names += [f"conv{stage}_block{block}_{step}" for step in range(0 if shortcut else 1, convolutions + 1)]
    deconvolutions = [(f"up{step}_deconv", f"up{step}_deconv_bn") for step in (1, 2, 3)]
    return [*((f"{name}_conv", f"{name}_bn") for name in names), *deconvolutions]


@pytest.mark.parametrize(("depth", "blocks", "convolutions"), [(18, (2, 2, 2, 2), 2), (101, (3, 4, 23, 3), 3)])
def test_every_tensor_of_a_resnet_detector_is_used_once(depth, blocks, convolutions):
    used = [
        layer_source(layer, variable).key
        for conv, norm in resnet_layers(blocks, convolutions)
        for layer, variables in ((conv, ("kernel",)), (norm, NORMALIZATION))
        for variable in variables
    ]
    used += [
        head_source(f"{head}_0{hidden}", variable, 64 if hidden else count, hourglass=False).key
        for head, count in head_channels(80, None).items()
        for hidden in ("_hidden", "")
        for variable in ("kernel", "bias")
    ]
    assert sorted(used) == sorted(weights(f"objects_as_points_res{depth}"))


@pytest.mark.parametrize(
    ("network", "classes", "keypoints"),
    [("objects_as_points_hg", 80, None), ("objects_as_points_hg_multi_pose", 1, 17)],
)
def test_every_tensor_of_the_heads_is_used_once_and_fits(network, classes, keypoints):
    stored = {key: shape for key, shape in weights(network).items() if key.split(".")[0] not in TRUNK}
    used = []
    for stack in (0, 1):
        for head, count in head_channels(classes, keypoints).items():
            for layer, channels, kernel in ((f"{head}_{stack}_hidden", 256, 3), (f"{head}_{stack}", count, 1)):
                for variable, shape in (("kernel", (kernel, kernel, 256, channels)), ("bias", (channels,))):
                    source = head_source(layer, variable, channels, hourglass=True)
                    assert source.shape(stored[source.key]) == shape
                    assert source.array(np.zeros(stored[source.key])).shape == shape
                    used.append(source.key)
    assert sorted(used) == sorted(stored)


@pytest.mark.parametrize(
    ("layer", "channels", "stored", "expected"),
    [
        ("heatmap_0", 3, [0, 1, 2], [0, 1, 2]),
        ("keypoint_heatmap_1", 2, [0, 1], [0, 1]),
        ("size_0_hidden", 2, [0, 1], [0, 1]),
        ("size_0", 2, [0, 1], [1, 0]),
        ("offset_1", 2, [0, 1], [1, 0]),
        ("keypoint_regression_0", 4, [0, 1, 2, 3], [1, 0, 3, 2]),
        ("keypoint_offset_0", 6, [0, 1], [1, 0, 1, 0, 1, 0]),
        ("keypoint_offset_0", 4, [0, 1, 2, 3], [1, 0, 3, 2]),
    ],
)
def test_x_and_y_change_places_in_the_heads_that_measure(layer, channels, stored, expected):
    source = head_source(layer, "bias", channels, hourglass=True)
    assert source.array(np.array(stored)).tolist() == expected
    kernel = head_source(layer, "kernel", channels, hourglass=True).array(np.array(stored).reshape(-1, 1, 1, 1))
    assert kernel.ravel().tolist() == expected
    assert source.shape((len(stored),)) == (channels,)


def test_heads_of_another_number_of_channels_keep_their_shape_so_that_they_do_not_fit():
    assert head_source("keypoint_regression_0", "bias", 34, hourglass=True).shape((2,)) == (2,)
    assert head_source("keypoint_regression_0", "kernel", 34, hourglass=True).shape((26, 9, 1, 1)) == (1, 1, 9, 26)
    assert head_source("keypoint_offset_0", "bias", 34, hourglass=True).shape((26,)) == (26,)


@pytest.mark.parametrize("layer", ["embedding_0", "heatmap", "stem_conv"])
def test_a_head_that_the_reference_lacks_is_an_error(layer):
    with pytest.raises(KeyError):
        head_source(layer, "kernel", 1, hourglass=True)


def test_kernels_compute_the_same_in_our_layout():
    """Both kinds of convolution of PyTorch, by their definitions, against Keras with the transposed kernel."""
    rng = np.random.default_rng(3)
    image = rng.normal(size=(5, 6, 2))
    conv, deconv = rng.normal(size=(3, 2, 3, 3)), rng.normal(size=(2, 3, 4, 4))
    padded = np.pad(image, ((1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (0, 1))
    forward = np.einsum("hwcyx,ocyx->hwo", windows, conv)
    spread = np.zeros((2 * 5 + 2, 2 * 6 + 2, 3))  # stride 2, one cell of padding on each side
    for row, column in np.ndindex(5, 6):
        spread[2 * row : 2 * row + 4, 2 * column : 2 * column + 4] += np.einsum(
            "c,coyx->yxo", image[row, column], deconv
        )
    kernels = [
        layer_source(layer, "kernel").array(kernel) for layer, kernel in (("conv1_conv", conv), ("up1_deconv", deconv))
    ]
    batch = image[None].astype(np.float32)
    ours = keras.ops.conv(batch, kernels[0].astype(np.float32), padding="same")
    np.testing.assert_allclose(np.asarray(ours)[0], forward, atol=1e-4)
    ours = keras.ops.conv_transpose(batch, kernels[1].astype(np.float32), strides=2, padding="same")
    np.testing.assert_allclose(np.asarray(ours)[0], spread[1:-1, 1:-1], atol=1e-4)


def test_normalization_and_convolutions_have_all_their_variables():
    layer = keras.layers.BatchNormalization()
    layer.build((None, 2, 2, 3))
    assert {variable.name for variable in layer.weights} == set(NORMALIZATION)
    assert set(VARIABLES) == {"kernel", "bias", *NORMALIZATION}


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ("centernet_triplet_hg52", "Keypoint Triplets, hourglass52, 80 classes"),
        ("centernet_triplet_hg104", "Keypoint Triplets, hourglass104, 80 classes"),
        ("objects_as_points_hg", "Objects as Points, hourglass104, 80 classes"),
        ("objects_as_points_hg_multi_pose", "Objects as Points, hourglass104, 1 class, 17 keypoints"),
        ("objects_as_points_res18", "Objects as Points, ResNet-18, 80 classes"),
        ("objects_as_points_res101", "Objects as Points, ResNet-101, 80 classes"),
    ],
)
def test_the_networks_that_can_be_loaded_are_recognized(network, words):
    assert recognize_pytorch(MANIFESTS[network]) == words
    assert describe_pytorch(MANIFESTS[network]).refusal is None


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ("objects_as_points_dla34", "DLA-34, 80 classes: it needs deformable"),
        ("objects_as_points_resdcn18", "ResNet-18 with deformable convolution, 80 classes: it needs deformable"),
        ("objects_as_points_resdcn101", "ResNet-101 with deformable convolution, 80 classes: it needs deformable"),
    ],
)
def test_the_networks_that_cannot_be_loaded_are_recognized_with_the_reason(network, words):
    assert words in recognize_pytorch(MANIFESTS[network])
    assert describe_pytorch(MANIFESTS[network]).refusal


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (["tl_heats.0.1.bias", "kps.0.up1.0.conv1.weight"], "CornerNet, 7 classes: "),
        (["t_heats.0.1.bias"], "ExtremeNet: "),
        (["layer3.5.conv1.weight", "layer4.0.conv1.weight", "fc.weight"], "ResNet-? ImageNet classifier: "),
        ([f"layer3.{i}.conv1.weight" for i in range(6)] + ["deconv_layers.0.weight"], "ResNet-34: only ResNet-18"),
        (["dla_up.ida_0.proj_1.weight"], "DLA-34: DLA-34 is not part"),
        (["features.0.weight"], "no CenterNet"),
        (["kps.0.a", "kps.1.a", "kps.2.a"], "hourglass of 3 stacks"),
        ([], "no CenterNet"),
    ],
)
def test_other_networks_are_recognized(keys, words):
    assert words in recognize_pytorch(dict.fromkeys(keys, (7,)))
