"""The networks in Keras's own layers, with exactly the computation of torchvision's networks.

keras.applications has different networks: no ResNet18, other strides and biases, batch-norm epsilon 1e-3, and `same`
padding, which is not symmetric for stride 2.
"""

from collections.abc import Callable, Mapping

import keras
import numpy as np

from runners.reference.layers import EPSILON, LAYER_EPSILON, MOMENTUM, Kind, Layer, layers
from runners.reference.layout import channels_last
from runners.reference.walk import walk


class Verbs:
    """The verbs of runners/reference/walk.py for N × height × width × channels. Each adds a layer or an operation.

    Kernels start as zeros, because the shared weights replace them and drawing random kernels takes seconds.
    """

    def conv(self, x: keras.KerasTensor, layer: Layer) -> keras.KerasTensor:
        padding = "same"
        if layer.stride > 1 and layer.padding:  # for strides above 1, Keras's `same` is not symmetric
            x, padding = keras.layers.ZeroPadding2D(layer.padding)(x), "valid"
        options = {"use_bias": layer.bias, "name": layer.name}
        kernel, stride = layer.shape[2], layer.stride
        if layer.kind is Kind.DEPTHWISE:
            conv = keras.layers.DepthwiseConv2D(kernel, stride, padding, depthwise_initializer="zeros", **options)
        else:
            conv = keras.layers.Conv2D(layer.shape[0], kernel, stride, padding, kernel_initializer="zeros", **options)
        return conv(x)

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

    def layer_norm(self, x: keras.KerasTensor, layer: Layer) -> keras.KerasTensor:
        return keras.layers.LayerNormalization(epsilon=LAYER_EPSILON, name=layer.name)(x)

    def tokens(self, x: keras.KerasTensor) -> keras.KerasTensor:
        return keras.layers.Reshape((-1, x.shape[-1]))(x)

    def images(self, x: keras.KerasTensor, side: int) -> keras.KerasTensor:
        return keras.layers.Reshape((side, side, x.shape[-1]))(x)

    def scale(self, x: keras.KerasTensor, layer: Layer) -> keras.KerasTensor:
        return Combined(layer.name, (x.shape[-1],), lambda x, factors: x * factors)(x)

    def embed(self, x: keras.KerasTensor, token: Layer, positions: Layer) -> keras.KerasTensor:
        x = Combined(token.name, token.shape, _prepended)(x)
        return Combined(positions.name, positions.shape, lambda x, embeddings: x + embeddings)(x)

    def attention(self, x: keras.KerasTensor, layer: Layer) -> keras.KerasTensor:
        _, tokens, width = x.shape
        parts = keras.layers.Reshape((tokens, 3, layer.heads, -1))(x)
        y = keras.ops.dot_product_attention(parts[:, :, 0], parts[:, :, 1], parts[:, :, 2])
        return keras.layers.Reshape((tokens, width // 3))(y)

    def first(self, x: keras.KerasTensor) -> keras.KerasTensor:
        return x[:, 0]


class Combined(keras.layers.Layer):
    """Combines its input with one array of weights. Keras has no layer for a weight without a layer."""

    def __init__(self, name: str, shape: tuple[int, ...], combine: Callable) -> None:
        super().__init__(name=name)
        self.combine, self.array = combine, self.add_weight(shape, "zeros")

    def call(self, x):
        return self.combine(x, self.array)


def _prepended(x, token):
    token = keras.ops.broadcast_to(token, (keras.ops.shape(x)[0], *token.shape[1:]))
    return keras.ops.concatenate([token, x], axis=1)


def build(
    network: str, classes: int, arrays: Mapping[str, np.ndarray], size: int, dtype: str = "float32"
) -> keras.Model:
    """The network for images N × size × size × 3, with the shared weights. `dtype` is a policy of Keras."""
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        # The input has the number format of the weights: with any other, Keras would cast twice.
        inputs = keras.Input((size, size, 3), dtype=keras.config.dtype_policy().variable_dtype)
        model = keras.Model(inputs, walk(network, Verbs(), inputs, size, classes), name=network)
    finally:
        keras.config.set_dtype_policy(previous)
    arrays = channels_last(network, arrays, classes)
    for layer in layers(network, classes):
        values = [arrays[f"{layer.name}.{part}"] for part in layer.sizes]
        if layer.kind is Kind.DEPTHWISE:  # in Keras, a channel's single output is the last axis
            values[0] = values[0].transpose(0, 1, 3, 2)
        model.get_layer(layer.name).set_weights(values)
    return model


def sizes(model: keras.Model, classes: int) -> dict[str, int]:
    """The number of elements of each of the model's weights, by the shared weight's name."""
    parts = {layer.name: tuple(layer.sizes) for layer in layers(model.name, classes)}
    return {
        f"{layer.name}.{part}": int(np.prod(weight.shape))
        for layer in model.layers
        for part, weight in zip(parts.get(layer.name, layer.weights), layer.weights, strict=True)
    }
