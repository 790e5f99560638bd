"""Layers that compute what torch's of the same settings do.

Kernels start as zeros: the shared weights replace them, and drawing random ones takes seconds where there are many.
"""

import keras
import numpy as np

BATCH_NORM = {"epsilon": 1e-5, "momentum": 0.9}
"""torch's defaults; it writes the same momentum as 0.1."""


def conv(x, name: str, filters: int, kernel: int, stride: int = 1, bias: bool = False, activation: str | None = None):
    """A convolution that pads symmetrically, whatever its stride."""
    x, padding = _padded(x, kernel, stride)
    return keras.layers.Conv2D(
        filters,
        kernel,
        stride,
        padding,
        use_bias=bias,
        activation=activation,
        kernel_initializer="zeros",
        name=name,
    )(x)


def depthwise(x, name: str, kernel: int, stride: int):
    """A convolution of each channel for itself, padded symmetrically."""
    x, padding = _padded(x, kernel, stride)
    convolution = keras.layers.DepthwiseConv2D(
        kernel, stride, padding, use_bias=False, depthwise_initializer="zeros", name=name
    )
    return convolution(x)


def dense(x, name: str, units: int, activation: str | None = None):
    """A dense layer with bias."""
    return keras.layers.Dense(units, activation, kernel_initializer="zeros", name=name)(x)


def batch_norm(x, name: str, activation: str | None = None):
    """A batch norm with torch's settings, and what follows it."""
    x = keras.layers.BatchNormalization(name=name, **BATCH_NORM)(x)
    return keras.layers.Activation(activation)(x) if activation else x


class AdaptiveAveragePooling(keras.layers.Layer):
    """Averages N × height × width × channels over side × side bins with torch's edges: of h rows, bin i has those from
    ⌊i·h/side⌋ to ⌈(i+1)·h/side⌉. Bins overlap where h is no multiple of side, and repeat rows where it is smaller.

    Keras has had such a layer since 3.13; it pools four times even where there is nothing to do.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def call(self, x):
        """Nothing at all where each bin is one pixel, as torch has it."""
        _, height, width, _ = x.shape
        if height != self.side:
            x = keras.ops.einsum("ih,nhwc->niwc", self._means(height, x.dtype), x)
        if width != self.side:
            x = keras.ops.einsum("jw,niwc->nijc", self._means(width, x.dtype), x)
        return x

    def compute_output_shape(self, shape):
        """Known without the input's size, which is seen only when the network is traced or run."""
        return shape[0], self.side, self.side, shape[3]

    def _means(self, length: int, dtype):
        matrix = np.zeros((self.side, length))
        for number in range(self.side):
            first, end = number * length // self.side, -(-(number + 1) * length // self.side)
            matrix[number, first:end] = 1 / (end - first)
        return keras.ops.cast(matrix, dtype)


def _padded(x, kernel: int, stride: int):
    """Keras's `same` is symmetric only where the stride is 1."""
    if stride == 1 or kernel == 1:
        return x, "same"
    return keras.layers.ZeroPadding2D(kernel // 2)(x), "valid"
