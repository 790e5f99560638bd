"""The canonical layers of each network: names, kinds and shapes, which every framework's model must have.

Shapes are as in torch: convolutions out × in/groups × height × width, dense layers out × in.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The kind of a layer, which decides about the layout of its weights."""

    CONV = "conv"
    DEPTHWISE = "depthwise"
    DENSE = "dense"
    BATCH_NORM = "batch_norm"
    LAYER_NORM = "layer_norm"
    SCALE = "scale"
    EMBEDDING = "embedding"


@dataclass(frozen=True)
class Layer:
    """One layer with parameters.

    `gain` keeps the activations of the generated network in range. For a convolution or dense layer it is the factor of
    the variance (2 before a ReLU, which halves it), for a norm or a scale the size of its factors, for an embedding the
    variance itself. `reduction` is the side of the network's input divided by the side of the layer's output; 0 if the
    output has a single position. `stride` is the same ratio for the layer's own input. `flattened` is the shape
    (channels, height, width) of a dense layer's input before it was flattened. `tokens` is the number of positions of a
    layer whose positions are not the pixels of an image. `heads` belongs to the dense layer that makes queries, keys
    and values: the number of heads of the attention after it.
    """

    name: str
    kind: Kind
    shape: tuple[int, ...]
    bias: bool = False
    gain: float = 1.0
    reduction: int = 0
    stride: int = 1
    flattened: tuple[int, int, int] | None = None
    tokens: int = 0
    heads: int = 0

    @property
    def padding(self) -> int:
        """Zeros on each side of a convolution's input: none where its windows are patches that do not overlap."""
        return 0 if self.stride == self.shape[2] else self.shape[2] // 2

    @property
    def of_tokens(self) -> bool:
        """Whether a dense layer's input is N × tokens × in, not N × in."""
        return bool(self.reduction or self.tokens)

    @property
    def head_size(self) -> int:
        """The number of channels of a head. A layer with `heads` has queries, keys and values as its outputs."""
        return self.shape[0] // (3 * self.heads) if self.heads else 0

    @property
    def groups(self) -> int:
        """The number of groups of a convolution."""
        return self.shape[0] if self.kind is Kind.DEPTHWISE else 1

    @property
    def sizes(self) -> dict[str, int]:
        """The number of elements of each of the layer's arrays, by part. The arrays are called `<name>.<part>`."""
        if self.kind is Kind.BATCH_NORM:
            return dict.fromkeys(("weight", "bias", "mean", "var"), self.shape[0])
        weight = {"weight": math.prod(self.shape)}
        return {**weight, "bias": self.shape[0]} if self.bias else weight


EPSILON, MOMENTUM = 1e-5, 0.1
"""Constants of every batch norm. The momentum is the weight of the new batch, as in torch (0.9 in Keras's notation)."""
LAYER_EPSILON = 1e-6
"""Epsilon of every layer norm."""

CLASSES: Mapping[str, int] = {
    "cnn4": 100,
    "resnet18": 1000,
    "resnet50": 1000,
    "resnet152": 1000,
    "vgg16": 1000,
    "mobilenet_v2": 1000,
    "efficientnet_b0": 1000,
    "efficientnet_b4": 1000,
    "efficientnet_b7": 1000,
    "convnext_tiny": 1000,
    "vit_b_16": 1000,
}
"""The number of classes of each network, unless a data set has another number."""

SCALED = ("cnn4", "resnet18", "mobilenet_v2")
"""The networks of `scale`: those whose gradients were seen to be the same, in float32, in one process and in two."""
SIZES: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys(CLASSES, (224, 128, 320)),
    "cnn4": (32,),
    "vit_b_16": (224,),
}
"""The input sizes at which a network is measured, in pixels a side, the usual size first.

ViT learns an embedding of each position, so at another size it would be another network with another number of
parameters."""
FIT_SIZES: Mapping[str, tuple[int, ...]] = {"cnn4": SIZES["cnn4"], "resnet18": (32, 64, *SIZES["resnet18"])}
"""The networks of `fit` and their input sizes, the usual size first: CIFAR-100's images have 32 pixels a side."""

RESIDUAL = 0.5
"""Gamma of the last batch norm of a residual branch. At 1, each block would double the variance."""
RESIDUAL_OF_MANY = 0.2
"""The same gamma for networks with dozens of blocks."""


def layers(network: str, classes: int) -> tuple[Layer, ...]:
    """All layers of `network` that have parameters, in order."""
    return tuple(_NETWORKS[network](classes))


def _cnn4(classes: int) -> Iterator[Layer]:
    channels = 3
    for number, width in enumerate((32, 64, 128, 128), start=1):
        reduction = 2 ** (number - 1)
        yield Layer(f"conv{number}", Kind.CONV, (width, channels, 3, 3), bias=True, gain=2, reduction=reduction)
        yield Layer(f"bn{number}", Kind.BATCH_NORM, (width,), reduction=reduction)
        channels = width
    yield Layer("dense1", Kind.DENSE, (128, channels), bias=True, gain=2)
    yield Layer("dense2", Kind.DENSE, (classes, 128), bias=True)


def _resnet18(classes: int) -> Iterator[Layer]:
    yield from _conv_bn("conv1", "bn1", (64, 3, 7, 7), 2, stride=2)
    channels = 64
    for stage, width in enumerate((64, 128, 256, 512), start=1):
        reduction = 2 ** (stage + 1)
        for block in range(2):
            name, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            yield from _conv_bn(f"{name}.conv1", f"{name}.bn1", (width, channels, 3, 3), reduction, stride)
            shape = (width, width, 3, 3)
            yield from _conv_bn(f"{name}.conv2", f"{name}.bn2", shape, reduction, gain=1, gamma=RESIDUAL)
            if channels != width:
                shape = (width, channels, 1, 1)
                names = f"{name}.downsample.0", f"{name}.downsample.1"
                yield from _conv_bn(*names, shape, reduction, stride, gain=1)
            channels = width
    yield Layer("fc", Kind.DENSE, (classes, channels), bias=True)


def _bottlenecks(blocks: tuple[int, ...]) -> Callable[[int], Iterator[Layer]]:
    """ResNet with bottlenecks (He et al. 2015, table 1). As in torchvision, the 3×3 convolution has the stride."""

    def network(classes: int) -> Iterator[Layer]:
        yield from _conv_bn("conv1", "bn1", (64, 3, 7, 7), 2, stride=2)
        channels = 64
        for stage, (width, count) in enumerate(zip((64, 128, 256, 512), blocks, strict=True), start=1):
            for block in range(count):
                stride = 2 if stage > 1 and block == 0 else 1
                yield from _bottleneck(f"layer{stage}.{block}", channels, width, 2 ** (stage + 1), stride)
                channels = 4 * width
        yield Layer("fc", Kind.DENSE, (classes, channels), bias=True)

    return network


def _bottleneck(name: str, channels: int, width: int, reduction: int, stride: int) -> Iterator[Layer]:
    before, wide = reduction // stride, 4 * width
    yield from _conv_bn(f"{name}.conv1", f"{name}.bn1", (width, channels, 1, 1), before)
    yield from _conv_bn(f"{name}.conv2", f"{name}.bn2", (width, width, 3, 3), reduction, stride)
    shape = (wide, width, 1, 1)
    yield from _conv_bn(f"{name}.conv3", f"{name}.bn3", shape, reduction, gain=1, gamma=RESIDUAL_OF_MANY)
    if channels != wide:
        names = f"{name}.downsample.0", f"{name}.downsample.1"
        yield from _conv_bn(*names, (wide, channels, 1, 1), reduction, stride, gain=1)


VGG16 = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0)
"""Channels of VGG16's convolutions; 0 is a 2×2 max-pool (Simonyan and Zisserman 2015, table 1, D)."""
VGG16_POOLED = 7
"""The side to which features are averaged, so that the dense layers are the same for every input size."""


def _vgg16(classes: int) -> Iterator[Layer]:
    channels, number, reduction = 3, 0, 1
    for width in VGG16:
        if width == 0:
            number, reduction = number + 1, 2 * reduction
            continue
        shape = (width, channels, 3, 3)
        yield Layer(f"features.{number}", Kind.CONV, shape, bias=True, gain=2, reduction=reduction)
        channels, number = width, number + 2
    flattened = (channels, VGG16_POOLED, VGG16_POOLED)
    yield Layer("classifier.0", Kind.DENSE, (4096, math.prod(flattened)), bias=True, gain=2, flattened=flattened)
    yield Layer("classifier.3", Kind.DENSE, (4096, 4096), bias=True, gain=2)
    yield Layer("classifier.6", Kind.DENSE, (classes, 4096), bias=True)


MOBILENET_V2_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""MobileNetV2's expansion, channels, blocks and first stride (Sandler et al. 2018, table 2)."""


def _mobilenet_v2(classes: int) -> Iterator[Layer]:
    yield from _conv_bn("features.0.0", "features.0.1", (32, 3, 3, 3), 2, stride=2)
    channels, number, reduction = 32, 1, 2
    for expansion, width, blocks, first_stride in MOBILENET_V2_STAGES:
        for block in range(blocks):
            stride = 1 if block else first_stride
            reduction *= stride
            name, residual = f"features.{number}.conv", block > 0
            yield from _inverted_residual(name, channels, expansion, width, reduction, stride, residual)
            channels, number = width, number + 1
    yield from _conv_bn(f"features.{number}.0", f"features.{number}.1", (1280, channels, 1, 1), reduction)
    yield Layer("classifier.1", Kind.DENSE, (classes, 1280), bias=True)


def _inverted_residual(
    name: str, channels: int, expansion: int, width: int, reduction: int, stride: int, residual: bool
) -> Iterator[Layer]:
    hidden, part = channels * expansion, 0
    if expansion != 1:
        yield from _conv_bn(f"{name}.0.0", f"{name}.0.1", (hidden, channels, 1, 1), reduction // stride)
        part = 1
    shape, depthwise = (hidden, 1, 3, 3), Kind.DEPTHWISE
    yield from _conv_bn(f"{name}.{part}.0", f"{name}.{part}.1", shape, reduction, stride, kind=depthwise)
    gamma, names = RESIDUAL if residual else 1, (f"{name}.{part + 1}", f"{name}.{part + 2}")
    yield from _conv_bn(*names, (width, hidden, 1, 1), reduction, gain=1, gamma=gamma)


EFFICIENTNET_STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
"""EfficientNet-B0's expansion, kernel, first stride, channels and blocks (Tan and Le 2019, table 1)."""
EFFICIENTNET_SCALES: Mapping[str, tuple[float, float]] = {
    "efficientnet_b0": (1.0, 1.0),
    "efficientnet_b4": (1.4, 1.8),
    "efficientnet_b7": (2.0, 3.1),
}
"""Factors of B0's channels and of its blocks (Tan and Le 2019, and their reference code)."""
SILU = 2.1
"""Gain before a SiLU, which leaves 0.36 to 0.5 of E[x²]: the larger the inputs, the more."""
GATED = 3.4
"""Gain after a squeeze-and-excitation, whose gates are near 0.5. With these two gains logits stayed below 20."""


def scaled_channels(channels: int, scale: float) -> int:
    """The scaled number of channels, rounded to a multiple of 8, but to no less than 0.9 of it, as in EfficientNet."""
    wide = channels * scale
    rounded = max(8, int(wide + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wide else rounded


def efficientnet_stages(network: str) -> tuple[tuple[int, int, int, int, int], ...]:
    """Expansion, kernel, first stride, channels and blocks of each stage of an EfficientNet."""
    width, depth = EFFICIENTNET_SCALES[network]
    return tuple(
        (expansion, kernel, stride, scaled_channels(channels, width), math.ceil(blocks * depth))
        for expansion, kernel, stride, channels, blocks in EFFICIENTNET_STAGES
    )


def _efficientnet(network: str) -> Callable[[int], Iterator[Layer]]:
    def whole(classes: int) -> Iterator[Layer]:
        channels, reduction = scaled_channels(32, EFFICIENTNET_SCALES[network][0]), 2
        yield from _conv_bn("features.0.0", "features.0.1", (channels, 3, 3, 3), 2, stride=2, gain=SILU)
        stages = efficientnet_stages(network)
        for stage, (expansion, kernel, first_stride, width, blocks) in enumerate(stages, start=1):
            for block in range(blocks):
                stride = 1 if block else first_stride
                reduction *= stride
                name, residual = f"features.{stage}.{block}.block", block > 0
                yield from _mb_conv(name, channels, expansion, kernel, width, reduction, stride, residual)
                channels = width
        head = 4 * channels
        names = f"features.{len(stages) + 1}.0", f"features.{len(stages) + 1}.1"
        yield from _conv_bn(*names, (head, channels, 1, 1), reduction, gain=SILU)
        yield Layer("classifier.1", Kind.DENSE, (classes, head), bias=True)

    return whole


def _mb_conv(
    name: str, channels: int, expansion: int, kernel: int, width: int, reduction: int, stride: int, residual: bool
) -> Iterator[Layer]:
    """An inverted residual with squeeze-and-excitation, which squeezes to a quarter of the block's input channels."""
    hidden, part = channels * expansion, 0
    if expansion != 1:
        shape = (hidden, channels, 1, 1)
        yield from _conv_bn(f"{name}.0.0", f"{name}.0.1", shape, reduction // stride, gain=SILU)
        part = 1
    names, shape = (f"{name}.{part}.0", f"{name}.{part}.1"), (hidden, 1, kernel, kernel)
    yield from _conv_bn(*names, shape, reduction, stride, gain=SILU, kind=Kind.DEPTHWISE)
    squeezed = max(1, channels // 4)
    yield Layer(f"{name}.{part + 1}.fc1", Kind.CONV, (squeezed, hidden, 1, 1), bias=True)
    yield Layer(f"{name}.{part + 1}.fc2", Kind.CONV, (hidden, squeezed, 1, 1), bias=True)
    gamma, names = RESIDUAL_OF_MANY if residual else 1, (f"{name}.{part + 2}.0", f"{name}.{part + 2}.1")
    yield from _conv_bn(*names, (width, hidden, 1, 1), reduction, gain=GATED, gamma=gamma)


CONVNEXT_TINY = ((96, 3), (192, 3), (384, 9), (768, 3))
"""Channels and blocks of each stage of ConvNeXt-T (Liu et al. 2022, section 2)."""
CONVNEXT_SCALE = 0.5
"""Factors of ConvNeXt's layer scales. They start training at 1e-6, where no block would count."""
BEFORE_NORM = 0.01
"""Gain before a layer norm, which makes up for it. At 1, a wrong epsilon would not show."""
GELU = 2.3
"""Gain of the dense layer after a GELU, which leaves 0.425 of E[x²] of normal inputs."""


def _convnext_tiny(classes: int) -> Iterator[Layer]:
    channels, reduction = CONVNEXT_TINY[0][0], 4
    shape = (channels, 3, 4, 4)
    yield Layer("features.0.0", Kind.CONV, shape, bias=True, gain=BEFORE_NORM, reduction=4, stride=4)
    yield _layer_norm("features.0.1", channels, reduction)
    for stage, (width, blocks) in enumerate(CONVNEXT_TINY):
        number = 2 * stage + 1
        if stage:
            yield _layer_norm(f"features.{number - 1}.0", channels, reduction)
            shape, reduction = (width, channels, 2, 2), 2 * reduction
            yield Layer(f"features.{number - 1}.1", Kind.CONV, shape, bias=True, reduction=reduction, stride=2)
            channels = width
        for block in range(blocks):
            yield from _convnext_block(f"features.{number}.{block}", channels, reduction)
    yield _layer_norm("classifier.0", channels)
    yield Layer("classifier.2", Kind.DENSE, (classes, channels), bias=True)


def _convnext_block(name: str, channels: int, reduction: int) -> Iterator[Layer]:
    shape, part = (channels, 1, 7, 7), f"{name}.block"
    yield Layer(f"{part}.0", Kind.DEPTHWISE, shape, bias=True, gain=BEFORE_NORM, reduction=reduction)
    yield _layer_norm(f"{part}.2", channels, reduction)
    yield Layer(f"{part}.3", Kind.DENSE, (4 * channels, channels), bias=True, reduction=reduction)
    yield Layer(f"{part}.5", Kind.DENSE, (channels, 4 * channels), bias=True, gain=GELU, reduction=reduction)
    yield Layer(f"{name}.layer_scale", Kind.SCALE, (channels, 1, 1), gain=CONVNEXT_SCALE, reduction=reduction)


VIT_B_16_BLOCKS, VIT_B_16_WIDTH, VIT_B_16_HEADS, VIT_B_16_TOKENS = 12, 768, 12, 14 * 14 + 1
"""ViT-B/16 (Dosovitskiy et al. 2021, table 1). Its tokens are the 16×16 patches of 224×224 pixels and the class."""
EMBEDDED = 0.001
"""Variance of ViT's embeddings, small for the same reason as BEFORE_NORM."""
SELECTIVE = 2.0
"""Gain of queries, keys and values. At 1, attention averages over all tokens, and images hardly change the logits."""
VIT_BRANCH = 0.05
"""Gain of the last layer of a branch of ViT."""


def _vit_b_16(classes: int) -> Iterator[Layer]:
    width, tokens = VIT_B_16_WIDTH, VIT_B_16_TOKENS
    yield Layer("conv_proj", Kind.CONV, (width, 3, 16, 16), bias=True, gain=EMBEDDED, reduction=16, stride=16)
    yield Layer("class_token", Kind.EMBEDDING, (1, 1, width), gain=EMBEDDED)
    yield Layer("encoder.pos_embedding", Kind.EMBEDDING, (1, tokens, width), gain=EMBEDDED)
    for block in range(VIT_B_16_BLOCKS):
        name = f"encoder.layers.encoder_layer_{block}"
        yield _layer_norm(f"{name}.ln_1", width)
        yield from _attention(f"{name}.self_attention", width, tokens)
        yield _layer_norm(f"{name}.ln_2", width)
        yield Layer(f"{name}.mlp.0", Kind.DENSE, (4 * width, width), bias=True, tokens=tokens)
        yield Layer(f"{name}.mlp.3", Kind.DENSE, (width, 4 * width), bias=True, gain=GELU * VIT_BRANCH, tokens=tokens)
    yield _layer_norm("encoder.ln", width)
    yield Layer("heads.head", Kind.DENSE, (classes, width), bias=True)


def _attention(name: str, width: int, tokens: int) -> Iterator[Layer]:
    into = (3 * width, width)
    yield Layer(f"{name}.in_proj", Kind.DENSE, into, bias=True, gain=SELECTIVE, tokens=tokens, heads=VIT_B_16_HEADS)
    yield Layer(f"{name}.out_proj", Kind.DENSE, (width, width), bias=True, gain=VIT_BRANCH, tokens=tokens)


def _layer_norm(name: str, channels: int, reduction: int = 0) -> Layer:
    return Layer(name, Kind.LAYER_NORM, (channels,), bias=True, reduction=reduction)


def _conv_bn(
    conv: str,
    norm: str,
    shape: tuple[int, ...],
    reduction: int,
    stride: int = 1,
    gain: float = 2,
    gamma: float = 1,
    kind: Kind = Kind.CONV,
) -> Iterator[Layer]:
    yield Layer(conv, kind, shape, gain=gain, reduction=reduction, stride=stride)
    yield Layer(norm, Kind.BATCH_NORM, shape[:1], gain=gamma, reduction=reduction)


_NETWORKS: Mapping[str, Callable[[int], Iterator[Layer]]] = {
    "cnn4": _cnn4,
    "resnet18": _resnet18,
    "resnet50": _bottlenecks((3, 4, 6, 3)),
    "resnet152": _bottlenecks((3, 8, 36, 3)),
    "vgg16": _vgg16,
    "mobilenet_v2": _mobilenet_v2,
    "efficientnet_b0": _efficientnet("efficientnet_b0"),
    "efficientnet_b4": _efficientnet("efficientnet_b4"),
    "efficientnet_b7": _efficientnet("efficientnet_b7"),
    "convnext_tiny": _convnext_tiny,
    "vit_b_16": _vit_b_16,
}
