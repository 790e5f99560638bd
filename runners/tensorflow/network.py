"""The networks in Keras's own layers, computing exactly what torchvision's compute.

keras.applications are other networks: no ResNet18, other strides and biases, batch-norm epsilon 1e-3, and `same`
padding that is not symmetric where the stride is 2.
"""

from collections.abc import Mapping

import keras
import numpy as np

from runners.reference.layers import EPSILON, MOMENTUM, Kind, Layer, layers
from runners.reference.layout import channels_last
from runners.reference.walk import walk


class Verbs:
    """The verbs of runners/reference/walk.py over N × height × width × channels; each adds a layer or an operation.

    Kernels start as zeros: the shared weights replace them, and drawing random ones takes seconds where there are many.
    """

    def conv(self, x: keras.KerasTensor, layer: Layer) -> keras.KerasTensor:
        padding = "same"
        if layer.stride > 1 and layer.padding:  # where it strides, Keras's `same` is not symmetric
            x, padding = keras.layers.ZeroPadding2D(layer.padding)(x), "valid"
        given = {"use_bias": layer.bias, "name": layer.name}
        kernel, stride = layer.shape[2], layer.stride
        if layer.kind is Kind.DEPTHWISE:
            made = keras.layers.DepthwiseConv2D(kernel, stride, padding, depthwise_initializer="zeros", **given)
        else:
            made = keras.layers.Conv2D(layer.shape[0], kernel, stride, padding, kernel_initializer="zeros", **given)
        return made(x)

    def batch_norm(self, x: keras.KerasTensor, layer: Layer) -> keras.KerasTensor:
        return keras.layers.BatchNormalization(epsilon=EPSILON, momentum=1 - MOMENTUM, name=layer.name)(x)

    def dense(self, x: keras.KerasTensor, layer: Layer) -> keras.KerasTensor:
        return keras.layers.Dense(layer.shape[0], kernel_initializer="zeros", name=layer.name)(x)

    def activation(self, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        return keras.layers.Activation(name)(x)

    def max_pool(self, x: keras.KerasTensor, size: int, stride: int, padding: int) -> keras.KerasTensor:
        x = keras.layers.ZeroPadding2D(padding)(x) if padding else x
        return keras.layers.MaxPooling2D(size, stride)(x)

    def mean(self, x: keras.KerasTensor) -> keras.KerasTensor:
        return keras.layers.GlobalAveragePooling2D(keepdims=True)(x)

    def bins(self, x: keras.KerasTensor, matrix: np.ndarray) -> keras.KerasTensor:
        matrix = keras.ops.cast(matrix, x.dtype)
        return keras.ops.einsum("jw,niwc->nijc", matrix, keras.ops.einsum("ih,nhwc->niwc", matrix, x))

    def flatten(self, x: keras.KerasTensor) -> keras.KerasTensor:
        return keras.layers.Flatten()(x)


def build(
    network: str, classes: int, arrays: Mapping[str, np.ndarray], size: int, dtype: str = "float32"
) -> keras.Model:
    """The network (N × size × size × 3) with the shared weights in it; `dtype` is one of Keras's policies."""
    usual = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        # In the precision that weights are kept in: Keras would take any other first, and cast again.
        inputs = keras.Input((size, size, 3), dtype=keras.config.dtype_policy().variable_dtype)
        model = keras.Model(inputs, walk(network, Verbs(), inputs, size, classes), name=network)
    finally:
        keras.config.set_dtype_policy(usual)
    arrays = channels_last(network, arrays, classes)
    for layer in layers(network, classes):
        values = [arrays[f"{layer.name}.{part}"] for part in layer.sizes]
        if layer.kind is Kind.DEPTHWISE:  # Keras has each channel's one output last
            values[0] = values[0].transpose(0, 1, 3, 2)
        model.get_layer(layer.name).set_weights(values)
    return model


def sizes(model: keras.Model, classes: int) -> dict[str, int]:
    """How many numbers each of the model's weights has, by the shared weights' names."""
    parts = {layer.name: tuple(layer.sizes) for layer in layers(model.name, classes)}
    return {
        f"{layer.name}.{part}": int(np.prod(weight.shape))
        for layer in model.layers
        for part, weight in zip(parts.get(layer.name, layer.weights), layer.weights, strict=True)
    }
