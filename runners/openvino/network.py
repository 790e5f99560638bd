"""The verbs of the walk as operations of an OpenVINO model, for N × channels × height × width."""

import numpy as np
from openvino import opset1
from openvino import opset13 as operations

from runners.reference.layers import EPSILON, LAYER_EPSILON

ONE = [1, 1]


class Verbs:
    """The verbs; `arrays`, the shared weights, become constants of the model."""

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        self.arrays = arrays

    def conv(self, x, layer):
        strides, pads = [layer.stride] * 2, [layer.padding] * 2
        if layer.groups == 1:
            x = operations.convolution(x, self.of(layer, "weight"), strides, pads, pads, ONE)
        else:
            weight = self.of(layer, "weight", (layer.groups, -1, *layer.shape[1:]))
            x = operations.group_convolution(x, weight, strides, pads, pads, ONE)
        return x + self.of(layer, "bias", (1, -1, 1, 1)) if layer.bias else x

    def batch_norm(self, x, layer):
        return operations.batch_norm_inference(x, *(self.of(layer, part) for part in layer.sizes), EPSILON)

    def dense(self, x, layer):
        return operations.matmul(x, self.of(layer, "weight"), False, True) + self.of(layer, "bias")

    def activation(self, x, name):
        if name == "relu6":
            return operations.clamp(x, 0.0, 6.0)
        if name == "gelu":
            return operations.gelu(x, "erf")
        return {"relu": operations.relu, "sigmoid": operations.sigmoid, "silu": operations.swish}[name](x)

    def max_pool(self, x, size, stride, padding):
        return opset1.max_pool(
            x, [stride] * 2, [padding] * 2, [padding] * 2, [size] * 2
        )  # later versions also return indices

    def mean(self, x):
        return operations.reduce_mean(x, [2, 3], True)

    def bins(self, x, matrix):
        matrix = matrix.astype(np.float32)
        return operations.matmul(operations.matmul(matrix, x, False, False), matrix, False, True)

    def flatten(self, x):
        return operations.reshape(x, [0, -1], True)

    def layer_norm(self, x, layer):
        normed = operations.mvn(x, [-1], True, LAYER_EPSILON, "inside_sqrt")
        return normed * self.of(layer, "weight") + self.of(layer, "bias")

    def tokens(self, x):
        return operations.transpose(operations.reshape(x, [0, 0, -1], True), [0, 2, 1])

    def images(self, x, side):
        return operations.reshape(operations.transpose(x, [0, 2, 1]), [0, 0, side, side], True)

    def scale(self, x, layer):
        return x * self.of(layer, "weight")

    def embed(self, x, token, positions):
        token = operations.broadcast(self.of(token, "weight"), [x.shape[0], 1, x.shape[2]])
        return operations.concat([token, x], 1) + self.of(positions, "weight")

    def attention(self, x, layer):
        parts = operations.transpose(operations.reshape(x, [0, 0, 3, layer.heads, -1], True), [2, 0, 3, 1, 4])
        q, k, v = (operations.squeeze(part, [0]) for part in operations.split(parts, 0, 3).outputs())
        y = operations.transpose(operations.scaled_dot_product_attention(q, k, v), [0, 2, 1, 3])
        return operations.reshape(y, [0, 0, -1], True)

    def first(self, x):
        return operations.gather(x, 0, 1)

    def of(self, layer, part, shape=None):
        array = self.arrays[f"{layer.name}.{part}"]
        return operations.constant(array if shape is None else array.reshape(shape), name=f"{layer.name}.{part}")
