"""The networks in Keras, computing exactly what PyTorch's compute.

keras.applications are other networks: no ResNet18, other strides and biases, batch-norm epsilon 1e-3, and `same`
padding that is not symmetric where the stride is 2.
"""

from collections.abc import Mapping

import keras
import numpy as np

from runners.harness.workload import Invalid
from runners.reference.counts import Counts, expected
from runners.reference.layers import Kind, Layer, layers

BATCH_NORM = {"epsilon": 1e-5, "momentum": 0.9}
"""torch's defaults; it writes the same momentum as 0.1."""

MOBILENET_V2_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, channels, blocks, first stride."""


def conv(x, name: str, filters: int, kernel: int, stride: int = 1, bias: bool = False):
    """A convolution that pads symmetrically, whatever its stride."""
    padding = "same"
    if stride > 1 and kernel > 1:
        x, padding = keras.layers.ZeroPadding2D(kernel // 2)(x), "valid"
    return keras.layers.Conv2D(filters, kernel, stride, padding, use_bias=bias, name=name)(x)


def depthwise(x, name: str, stride: int):
    """A 3×3 convolution of each channel for itself, padded symmetrically."""
    padding = "same"
    if stride > 1:
        x, padding = keras.layers.ZeroPadding2D(1)(x), "valid"
    return keras.layers.DepthwiseConv2D(3, stride, padding, use_bias=False, name=name)(x)


def batch_norm(x, name: str):
    """A batch norm with torch's settings."""
    return keras.layers.BatchNormalization(name=name, **BATCH_NORM)(x)


def cnn4(x, classes: int):
    """Four times convolution, batch norm, ReLU, max-pool; global average pool; two dense layers."""
    for number, filters in enumerate((32, 64, 128, 128), start=1):
        x = conv(x, f"conv{number}", filters, 3, bias=True)
        x = keras.layers.ReLU()(batch_norm(x, f"bn{number}"))
        x = keras.layers.MaxPooling2D(2)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(128, activation="relu", name="dense1")(x)
    return keras.layers.Dense(classes, name="dense2")(x)


def resnet18(x, classes: int):
    """torchvision's ResNet-18."""
    x = keras.layers.ReLU()(batch_norm(conv(x, "conv1", 64, 7, stride=2), "bn1"))
    # Zeros pad as well as −∞ does: nothing is negative after a ReLU.
    x = keras.layers.MaxPooling2D(3, 2)(keras.layers.ZeroPadding2D(1)(x))
    for stage, filters in enumerate((64, 128, 256, 512), start=1):
        x = basic_block(x, f"layer{stage}.0", filters, stride=1 if stage == 1 else 2)
        x = basic_block(x, f"layer{stage}.1", filters, stride=1)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.layers.Dense(classes, name="fc")(x)


def basic_block(x, name: str, filters: int, stride: int):
    """Two 3×3 convolutions beside a shortcut."""
    shortcut = x
    if stride > 1:
        shortcut = conv(x, f"{name}.downsample.0", filters, 1, stride)
        shortcut = batch_norm(shortcut, f"{name}.downsample.1")
    x = keras.layers.ReLU()(batch_norm(conv(x, f"{name}.conv1", filters, 3, stride), f"{name}.bn1"))
    x = batch_norm(conv(x, f"{name}.conv2", filters, 3), f"{name}.bn2")
    return keras.layers.ReLU()(keras.layers.Add()([x, shortcut]))


def mobilenet_v2(x, classes: int):
    """torchvision's MobileNetV2 without dropout."""
    x = relu6(batch_norm(conv(x, "features.0.0", 32, 3, stride=2), "features.0.1"))
    number = 1
    for expansion, filters, blocks, first_stride in MOBILENET_V2_STAGES:
        for block in range(blocks):
            x = inverted_residual(x, f"features.{number}.conv", expansion, filters, 1 if block else first_stride)
            number += 1
    x = relu6(batch_norm(conv(x, f"features.{number}.0", 1280, 1), f"features.{number}.1"))
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.layers.Dense(classes, name="classifier.1")(x)


def inverted_residual(x, name: str, expansion: int, filters: int, stride: int):
    """Expand, convolve each channel, project; a shortcut where shapes allow one."""
    shortcut, channels, part = x, x.shape[-1], 0
    if expansion != 1:
        x = relu6(batch_norm(conv(x, f"{name}.0.0", channels * expansion, 1), f"{name}.0.1"))
        part = 1
    x = relu6(batch_norm(depthwise(x, f"{name}.{part}.0", stride), f"{name}.{part}.1"))
    x = batch_norm(conv(x, f"{name}.{part + 1}", filters, 1), f"{name}.{part + 2}")
    return keras.layers.Add()([x, shortcut]) if stride == 1 and channels == filters else x


def relu6(x):
    """ReLU cut off at 6."""
    return keras.layers.ReLU(max_value=6.0)(x)


BUILDERS = {"cnn4": cnn4, "resnet18": resnet18, "mobilenet_v2": mobilenet_v2}


def build(network: str, classes: int, arrays: Mapping[str, np.ndarray], dtype: str = "float32") -> keras.Model:
    """The network (N × height × width × 3) with the shared weights in it. Raises Invalid."""
    usual = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        inputs = keras.Input((None, None, 3))
        model = keras.Model(inputs, BUILDERS[network](inputs, classes), name=network)
    finally:
        keras.config.set_dtype_policy(usual)
    load(model, layers(network, classes), arrays)
    assert_counts(model, expected(network, classes))
    return model


def load(model: keras.Model, wanted: tuple[Layer, ...], arrays: Mapping[str, np.ndarray]) -> None:
    """Put the shared weights into the model; a layer too many or too few raises Invalid."""
    found = {layer.name: layer for layer in model.layers if layer.weights}
    differing = set(found) ^ {layer.name for layer in wanted}
    if differing:
        raise Invalid("PARAMETERS", f"layers that only one side has: {', '.join(sorted(differing)[:6])}")
    for layer in wanted:
        values = converted(layer, arrays)
        shapes = [value.shape for value in values]
        own = [tuple(weight.shape) for weight in found[layer.name].weights]
        if own != shapes:
            raise Invalid("PARAMETERS", f"{layer.name} has shapes {own}, reference {shapes}")
        found[layer.name].set_weights(values)


def converted(layer: Layer, arrays: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """A layer's shared weights in the order and the layout of Keras."""
    if layer.kind is Kind.BATCH_NORM:
        return [arrays[f"{layer.name}.{part}"] for part in ("weight", "bias", "mean", "var")]
    axes = {Kind.CONV: (2, 3, 1, 0), Kind.DEPTHWISE: (2, 3, 0, 1), Kind.DENSE: (1, 0)}[layer.kind]
    kernel = np.transpose(arrays[f"{layer.name}.weight"], axes)
    return [kernel, arrays[f"{layer.name}.bias"]] if layer.bias else [kernel]


def counts(model: keras.Model) -> Counts:
    """(trainable, non-trainable) as docs/fairness.md counts them."""
    return Counts(
        sum(int(np.prod(weight.shape)) for weight in model.trainable_weights),
        sum(int(np.prod(weight.shape)) for weight in model.non_trainable_weights),
    )


def assert_counts(model: keras.Model, wanted: Counts) -> None:
    """Raise Invalid unless the model has exactly the parameters it must have."""
    found = counts(model)
    if found != wanted:
        raise Invalid("PARAMETERS", f"the model has {found}, docs/fairness.md asks for {wanted}")
