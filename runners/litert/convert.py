"""Makes a network's file for LiteRT with TensorFlow's converter. Import it only in a process that is not measured."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from runners.harness.case import Case
from runners.reference.layers import EPSILON, LAYER_EPSILON, Kind
from runners.reference.layout import nhwc_weights
from runners.reference.walk import walk


class Verbs:
    """The verbs of the walk as TensorFlow's operations, for N × height × width × channels."""

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        self.arrays = arrays

    def conv(self, x, layer):
        weight, *bias = self.of(layer)
        padding = "SAME"
        if layer.stride > 1 and layer.padding:  # for strides above 1, `SAME` is not symmetric
            x, padding = tf.pad(x, [[0, 0], [layer.padding] * 2, [layer.padding] * 2, [0, 0]]), "VALID"
        if layer.kind is Kind.DEPTHWISE:
            x = tf.nn.depthwise_conv2d(x, weight.transpose(0, 1, 3, 2), [1, layer.stride, layer.stride, 1], padding)
        else:
            x = tf.nn.conv2d(x, weight, layer.stride, padding)
        return x + bias[0] if bias else x

    def batch_norm(self, x, layer):
        weight, bias, mean, var = self.of(layer)
        return tf.nn.batch_normalization(x, mean, var, bias, weight, EPSILON)

    def dense(self, x, layer):
        weight, bias = self.of(layer)
        return (tf.tensordot(x, weight, 1) if layer.of_tokens else tf.matmul(x, weight)) + bias

    def activation(self, x, name):
        return x * tf.sigmoid(x) if name == "silu" else getattr(tf.nn, name)(x)

    def max_pool(self, x, size, stride, padding):
        x = tf.pad(x, [[0, 0], [padding] * 2, [padding] * 2, [0, 0]]) if padding else x
        return tf.nn.max_pool2d(x, size, stride, "VALID")

    def mean(self, x):
        return tf.reduce_mean(x, [1, 2], keepdims=True)

    def bins(self, x, matrix):
        matrix = matrix.astype(np.float32)
        return tf.transpose(matrix @ tf.transpose(x, [0, 3, 1, 2]) @ matrix.T, [0, 2, 3, 1])

    def flatten(self, x):
        return tf.reshape(x, [x.shape[0], -1])

    def layer_norm(self, x, layer):
        weight, bias = self.of(layer)
        mean, var = tf.nn.moments(x, [-1], keepdims=True)
        return tf.nn.batch_normalization(x, mean, var, bias, weight, LAYER_EPSILON)

    def tokens(self, x):
        return tf.reshape(x, [x.shape[0], -1, x.shape[-1]])

    def images(self, x, side):
        return tf.reshape(x, [x.shape[0], side, side, x.shape[-1]])

    def scale(self, x, layer):
        return x * self.of(layer)[0]

    def embed(self, x, token, positions):
        [token], [positions] = self.of(token), self.of(positions)
        return tf.concat([np.repeat(token, x.shape[0], axis=0), x], axis=1) + positions

    def attention(self, x, layer):
        batch, tokens, _ = x.shape
        parts = tf.reshape(x, [batch, tokens, 3, layer.heads, -1])
        q, k, v = tf.unstack(tf.transpose(parts, [2, 0, 3, 1, 4]))
        scores = tf.matmul(q, k, transpose_b=True) * layer.head_size**-0.5
        y = tf.matmul(tf.nn.softmax(scores), v)
        return tf.reshape(tf.transpose(y, [0, 2, 1, 3]), [batch, tokens, -1])

    def first(self, x):
        return x[:, 0]

    def of(self, layer) -> list[np.ndarray]:
        return [self.arrays[f"{layer.name}.{part}"] for part in layer.sizes]


def convert(case: Case, path: Path) -> None:
    """Write the case's network for N × size × size × 3 images, with the shared weights as constants."""
    verbs = Verbs(nhwc_weights(case))
    images = tf.TensorSpec((case.batch_size, case.input_size, case.input_size, 3), tf.float32)
    traced = tf.function(lambda part: walk(case.network, verbs, part, case.input_size)).get_concrete_function(images)
    path.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([traced]).convert())
