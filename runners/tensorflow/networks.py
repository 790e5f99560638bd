"""The networks in Keras, computing exactly what PyTorch's compute.

keras.applications are other networks: no ResNet18, other strides and biases, batch-norm epsilon 1e-3, and `same`
padding that is not symmetric where the stride is 2.
"""

from collections.abc import Mapping
from functools import partial

import keras
import numpy as np

from runners.harness.workload import Invalid
from runners.reference.counts import Counts, expected
from runners.reference.layers import VGG16, VGG16_POOLED, Kind, Layer, layers
from runners.tensorflow.inverted import efficientnet, mobilenet_v2
from runners.tensorflow.layers import AdaptiveAveragePooling, batch_norm, conv, dense
from runners.tensorflow.resnets import basic_block, bottleneck, resnet


def cnn4(x, classes: int):
    """Four times convolution, batch norm, ReLU, max-pool; global average pool; two dense layers."""
    for number, filters in enumerate((32, 64, 128, 128), start=1):
        x = batch_norm(conv(x, f"conv{number}", filters, 3, bias=True), f"bn{number}", "relu")
        x = keras.layers.MaxPooling2D(2)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return dense(dense(x, "dense1", 128, "relu"), "dense2", classes)


def vgg16(x, classes: int):
    """torchvision's VGG16 without its dropout; features are averaged to 7×7 whatever the input's size."""
    number = 0
    for width in VGG16:
        if width:
            x, number = conv(x, f"features.{number}", width, 3, bias=True, activation="relu"), number + 2
        else:
            x, number = keras.layers.MaxPooling2D(2)(x), number + 1
    x = keras.layers.Flatten()(AdaptiveAveragePooling(VGG16_POOLED)(x))
    x = dense(dense(x, "classifier.0", 4096, "relu"), "classifier.3", 4096, "relu")
    return dense(x, "classifier.6", classes)


BUILDERS = {
    "cnn4": cnn4,
    "resnet18": partial(resnet, block=basic_block, blocks=(2, 2, 2, 2)),
    "resnet50": partial(resnet, block=bottleneck, blocks=(3, 4, 6, 3)),
    "resnet152": partial(resnet, block=bottleneck, blocks=(3, 8, 36, 3)),
    "vgg16": vgg16,
    "mobilenet_v2": mobilenet_v2,
    "efficientnet_b0": partial(efficientnet, network="efficientnet_b0"),
    "efficientnet_b4": partial(efficientnet, network="efficientnet_b4"),
    "efficientnet_b7": partial(efficientnet, network="efficientnet_b7"),
}


def build(network: str, classes: int, arrays: Mapping[str, np.ndarray], dtype: str = "float32") -> keras.Model:
    """The network (N × height × width × 3) with the shared weights in it. Raises Invalid."""
    usual = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        # In the precision that weights are kept in: Keras would take any other first, and cast again.
        inputs = keras.Input((None, None, 3), dtype=keras.config.dtype_policy().variable_dtype)
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
    kernel = arrays[f"{layer.name}.weight"]
    if layer.flattened:  # its inputs come pixel by pixel here, channel by channel there
        kernel = kernel.reshape(-1, *layer.flattened).transpose(0, 2, 3, 1).reshape(kernel.shape)
    kernel = np.transpose(kernel, axes)
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
