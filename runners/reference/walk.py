"""The walk through each network, written with verbs that a framework supplies.

The layers come from runners/reference/layers.py; order and names are torchvision's. A framework with trusted networks
of its own, such as PyTorch with torchvision, needs no walk: the evidence is the same.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from runners.harness.workload import Unsupported
from runners.reference.layers import (
    CLASSES,
    CONVNEXT_TINY,
    MOBILENET_V2_STAGES,
    VGG16,
    VGG16_POOLED,
    VIT_B_16_BLOCKS,
    Layer,
    efficientnet_stages,
    layers,
)

Tensor = Any
"""A tensor of the framework. It supports `+` and `*` with another tensor."""


class Verbs(Protocol):
    """The operations that a framework supplies. `x` is a batch of images in the framework's own layout, or of tokens.

    Tokens are N × positions × channels in every layout. The arrays of a layer are called `<layer.name>.<part>`.
    `layer.shape`, `layer.bias` … describe the layer.
    """

    def conv(self, x: Tensor, layer: Layer) -> Tensor:
        """A convolution with `layer.stride`, `layer.padding` zeros on every side, `layer.groups` groups and, if
        `layer.bias`, a bias."""

    def batch_norm(self, x: Tensor, layer: Layer) -> Tensor:
        """A batch norm with EPSILON and MOMENTUM of runners/reference/layers.py."""

    def dense(self, x: Tensor, layer: Layer) -> Tensor:
        """A dense layer with a bias, from N × in to N × out, or (`layer.of_tokens`) for each token."""

    def activation(self, x: Tensor, name: str) -> Tensor:
        """`relu`, `relu6` (cut off at 6), `sigmoid`, `silu` (x · sigmoid(x)) or `gelu` (x/2 · (1 + erf(x/√2)))."""

    def max_pool(self, x: Tensor, size: int, stride: int, padding: int) -> Tensor:
        """The maximum over windows of size × size pixels. The padding may be zeros, because `x` comes from a ReLU."""

    def mean(self, x: Tensor) -> Tensor:
        """The mean of each channel over all pixels, as images of 1 × 1 pixel."""

    def bins(self, x: Tensor, matrix: NDArray[np.float64]) -> Tensor:
        """matrix · x · matrixᵀ for each channel: `matrix` is bins × side, the result has bins × bins pixels."""

    def flatten(self, x: Tensor) -> Tensor:
        """Reshapes to N × the number of elements of an image, in the layout's order."""

    # The following verbs are optional. Without them, the framework does not support the networks that need them.

    def layer_norm(self, x: Tensor, layer: Layer) -> Tensor:
        """A layer norm over the channels of tokens, or of N × channels, with LAYER_EPSILON of
        runners/reference/layers.py."""

    def tokens(self, x: Tensor) -> Tensor:
        """The pixels of images, row by row, as tokens."""

    def images(self, x: Tensor, side: int) -> Tensor:
        """The reverse of `tokens`: images of side × side pixels."""

    def scale(self, x: Tensor, layer: Layer) -> Tensor:
        """Images times a factor for each channel."""

    def embed(self, x: Tensor, token: Layer, positions: Layer) -> Tensor:
        """Puts `token` (1 × 1 × channels) before the other tokens, and adds `positions` (1 × positions × channels)."""

    def attention(self, x: Tensor, layer: Layer) -> Tensor:
        """softmax(q · kᵀ / √d) · v for each of `layer.heads`. `x` is the output of `layer`, N × positions × 3·channels:
        all queries q, then keys k, then values v. A head has d = `layer.head_size` neighbouring channels of each."""

    def first(self, x: Tensor) -> Tensor:
        """The first token, as N × channels."""


OPTIONAL: Mapping[str, tuple[str, ...]] = {
    "convnext_tiny": ("layer_norm", "tokens", "images", "scale"),
    "vit_b_16": ("layer_norm", "tokens", "embed", "attention", "first"),
}
"""The optional verbs that a network needs."""


def walk(network: str, verbs: Verbs, images: Tensor, input_size: int, classes: int | None = None) -> Tensor:
    """The logits (N × classes) of N images of `input_size` pixels a side.

    `classes` defaults to the network's usual number. Raises Unsupported if the framework lacks a verb.
    """
    if lacking := [verb for verb in OPTIONAL.get(network, ()) if not hasattr(verbs, verb)]:
        raise Unsupported(f"{network} needs verbs that this framework does not have yet: {', '.join(lacking)}")
    found = layers(network, CLASSES[network] if classes is None else classes)
    return _WALKS[network](_Steps(verbs, {layer.name: layer for layer in found}, input_size), images)


@dataclass(frozen=True)
class _Steps:
    """Applies verbs to layers by name, and combines verbs that follow each other in every network."""

    verbs: Verbs
    layers: Mapping[str, Layer]
    input_size: int

    def conv(self, x: Tensor, name: str, activation: str = "") -> Tensor:
        return self.active(self.named(self.verbs.conv, x, name), activation)

    def conv_norm(self, x: Tensor, conv: str, norm: str, activation: str = "") -> Tensor:
        return self.active(self.named(self.verbs.batch_norm, self.conv(x, conv), norm), activation)

    def dense(self, x: Tensor, name: str, activation: str = "") -> Tensor:
        return self.active(self.named(self.verbs.dense, x, name), activation)

    def layer_norm(self, x: Tensor, name: str) -> Tensor:
        return self.named(self.verbs.layer_norm, x, name)

    def side(self, name: str) -> int:
        """The side of a layer's output in pixels."""
        return self.input_size // self.layers[name].reduction

    def named(self, verb: Callable[[Tensor, Layer], Tensor], x: Tensor, name: str) -> Tensor:
        """Apply a verb to a layer. If it raises an error, the error names the layer."""
        try:
            return verb(x, self.layers[name])
        except Exception as error:
            error.add_note(f"in {self.layers[name]}")
            raise

    def pooled(self, x: Tensor) -> Tensor:
        """The global average pool, flattened."""
        return self.verbs.flatten(self.verbs.mean(x))

    def active(self, x: Tensor, activation: str) -> Tensor:
        return self.verbs.activation(x, activation) if activation else x


def _cnn4(steps: _Steps, x: Tensor) -> Tensor:
    for number in range(1, 5):
        x = steps.conv_norm(x, f"conv{number}", f"bn{number}", "relu")
        x = steps.verbs.max_pool(x, 2, 2, 0)
    return steps.dense(steps.dense(steps.pooled(x), "dense1", "relu"), "dense2")


def _resnet(blocks: tuple[int, ...], convolutions: int) -> Callable[[_Steps, Tensor], Tensor]:
    """Four stages of residual blocks with `convolutions` each (He et al. 2015). `blocks` counts a stage's blocks."""

    def walk(steps: _Steps, x: Tensor) -> Tensor:
        x = steps.verbs.max_pool(steps.conv_norm(x, "conv1", "bn1", "relu"), 3, 2, 1)
        for stage, count in enumerate(blocks, start=1):
            for block in range(count):
                x = residual(steps, x, f"layer{stage}.{block}")
        return steps.dense(steps.pooled(x), "fc")

    def residual(steps: _Steps, x: Tensor, name: str) -> Tensor:
        shortcut = x
        if f"{name}.downsample.0" in steps.layers:
            shortcut = steps.conv_norm(x, f"{name}.downsample.0", f"{name}.downsample.1")
        for number in range(1, convolutions + 1):
            last = number == convolutions
            x = steps.conv_norm(x, f"{name}.conv{number}", f"{name}.bn{number}", "" if last else "relu")
        return steps.active(x + shortcut, "relu")

    return walk


def _vgg16(steps: _Steps, x: Tensor) -> Tensor:
    """VGG16 without dropout. Features of any size are averaged to 7 × 7."""
    number, side = 0, steps.input_size
    for width in VGG16:
        if width:
            x, number = steps.conv(x, f"features.{number}", "relu"), number + 2
        else:
            x, number, side = steps.verbs.max_pool(x, 2, 2, 0), number + 1, side // 2
    if side != VGG16_POOLED:
        x = steps.verbs.bins(x, _averages(side, VGG16_POOLED))
    x = steps.dense(steps.verbs.flatten(x), "classifier.0", "relu")
    return steps.dense(steps.dense(x, "classifier.3", "relu"), "classifier.6")


def _averages(side: int, bins: int) -> NDArray[np.float64]:
    """torch's adaptive average pooling of one axis as a matrix: bin i averages from ⌊i·side/bins⌋ to ⌈(i+1)·side/bins⌉.

    Bins overlap unless `side` is a multiple of `bins`. If `side` is smaller than `bins`, bins repeat pixels.
    """
    matrix = np.zeros((bins, side))
    for number in range(bins):
        first, end = number * side // bins, -(-(number + 1) * side // bins)
        matrix[number, first:end] = 1 / (end - first)
    return matrix


def _mobilenet_v2(steps: _Steps, x: Tensor) -> Tensor:
    """MobileNetV2 without dropout."""
    x = steps.conv_norm(x, "features.0.0", "features.0.1", "relu6")
    number = 1
    for expansion, _, blocks, _ in MOBILENET_V2_STAGES:
        for block in range(blocks):
            name, y, part = f"features.{number}.conv", x, 0
            if expansion != 1:
                y, part = steps.conv_norm(y, f"{name}.0.0", f"{name}.0.1", "relu6"), 1
            y = steps.conv_norm(y, f"{name}.{part}.0", f"{name}.{part}.1", "relu6")
            y = steps.conv_norm(y, f"{name}.{part + 1}", f"{name}.{part + 2}")
            # A stage's first block has no shortcut, because it changes the size or the number of channels.
            x = y + x if block else y
            number += 1
    x = steps.conv_norm(x, f"features.{number}.0", f"features.{number}.1", "relu6")
    return steps.dense(steps.pooled(x), "classifier.1")


def _efficientnet(network: str) -> Callable[[_Steps, Tensor], Tensor]:
    """An EfficientNet without dropout and stochastic depth."""
    stages = efficientnet_stages(network)

    def walk(steps: _Steps, x: Tensor) -> Tensor:
        x = steps.conv_norm(x, "features.0.0", "features.0.1", "silu")
        for stage, (expansion, _, _, _, blocks) in enumerate(stages, start=1):
            for block in range(blocks):
                name, y, part = f"features.{stage}.{block}.block", x, 0
                if expansion != 1:
                    y, part = steps.conv_norm(y, f"{name}.0.0", f"{name}.0.1", "silu"), 1
                y = steps.conv_norm(y, f"{name}.{part}.0", f"{name}.{part}.1", "silu")
                y = gated(steps, y, f"{name}.{part + 1}")
                y = steps.conv_norm(y, f"{name}.{part + 2}.0", f"{name}.{part + 2}.1")
                x = y + x if block else y  # as in MobileNetV2
        last = f"features.{len(stages) + 1}"
        return steps.dense(steps.pooled(steps.conv_norm(x, f"{last}.0", f"{last}.1", "silu")), "classifier.1")

    def gated(steps: _Steps, x: Tensor, name: str) -> Tensor:
        """Squeeze-and-excitation (Hu et al. 2017): each channel times a gate, computed from all channels' means."""
        gates = steps.conv(steps.verbs.mean(x), f"{name}.fc1", "silu")
        return steps.conv(gates, f"{name}.fc2", "sigmoid") * x

    return walk


def _convnext_tiny(steps: _Steps, x: Tensor) -> Tensor:
    """ConvNeXt-T without stochastic depth."""

    def normed(x: Tensor, name: str) -> Tensor:
        return steps.verbs.images(steps.layer_norm(steps.verbs.tokens(x), name), steps.side(name))

    def block(x: Tensor, name: str) -> Tensor:
        y = steps.verbs.tokens(steps.conv(x, f"{name}.block.0"))
        y = steps.dense(steps.layer_norm(y, f"{name}.block.2"), f"{name}.block.3", "gelu")
        y = steps.verbs.images(steps.dense(y, f"{name}.block.5"), steps.side(f"{name}.block.5"))
        return steps.named(steps.verbs.scale, y, f"{name}.layer_scale") + x

    x = normed(steps.conv(x, "features.0.0"), "features.0.1")
    for stage, (_, blocks) in enumerate(CONVNEXT_TINY):
        number = 2 * stage + 1
        if stage:
            x = steps.conv(normed(x, f"features.{number - 1}.0"), f"features.{number - 1}.1")
        for position in range(blocks):
            x = block(x, f"features.{number}.{position}")
    return steps.dense(steps.layer_norm(steps.pooled(x), "classifier.0"), "classifier.2")


def _vit_b_16(steps: _Steps, x: Tensor) -> Tensor:
    """ViT-B/16 without dropout."""
    verbs, embeddings = steps.verbs, (steps.layers["class_token"], steps.layers["encoder.pos_embedding"])
    x = verbs.embed(verbs.tokens(steps.conv(x, "conv_proj")), *embeddings)
    for block in range(VIT_B_16_BLOCKS):
        name = f"encoder.layers.encoder_layer_{block}"
        into, out = f"{name}.self_attention.in_proj", f"{name}.self_attention.out_proj"
        y = steps.dense(steps.layer_norm(x, f"{name}.ln_1"), into)
        x = steps.dense(steps.named(verbs.attention, y, into), out) + x
        y = steps.dense(steps.layer_norm(x, f"{name}.ln_2"), f"{name}.mlp.0", "gelu")
        x = steps.dense(y, f"{name}.mlp.3") + x
    return steps.dense(verbs.first(steps.layer_norm(x, "encoder.ln")), "heads.head")


_WALKS: Mapping[str, Callable[[_Steps, Tensor], Tensor]] = {
    "cnn4": _cnn4,
    "resnet18": _resnet((2, 2, 2, 2), convolutions=2),
    "resnet50": _resnet((3, 4, 6, 3), convolutions=3),
    "resnet152": _resnet((3, 8, 36, 3), convolutions=3),
    "vgg16": _vgg16,
    "mobilenet_v2": _mobilenet_v2,
    **{name: _efficientnet(name) for name in CLASSES if name.startswith("efficientnet")},
    "convnext_tiny": _convnext_tiny,
    "vit_b_16": _vit_b_16,
}
