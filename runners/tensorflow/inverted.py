"""Networks of inverted residuals, which widen, convolve each channel for itself and narrow again.

torchvision's MobileNetV2 and EfficientNets, without dropout and stochastic depth: random numbers differ everywhere.
"""

import keras

from runners.reference.layers import EFFICIENTNET_SCALES, MOBILENET_V2_STAGES, efficientnet_stages, scaled_channels
from runners.tensorflow.layers import batch_norm, conv, dense, depthwise


def mobilenet_v2(x, classes: int):
    """Sandler et al. 2018, table 2."""
    x = batch_norm(conv(x, "features.0.0", 32, 3, stride=2), "features.0.1", "relu6")
    number = 1
    for expansion, width, blocks, first_stride in MOBILENET_V2_STAGES:
        for block in range(blocks):
            x = inverted_residual(x, f"features.{number}.conv", expansion, width, 1 if block else first_stride)
            number += 1
    x = batch_norm(conv(x, f"features.{number}.0", 1280, 1), f"features.{number}.1", "relu6")
    return dense(keras.layers.GlobalAveragePooling2D()(x), "classifier.1", classes)


def inverted_residual(x, name: str, expansion: int, width: int, stride: int):
    """Expand, convolve each channel, project; a shortcut where shapes allow one."""
    shortcut, channels, part = x, x.shape[-1], 0
    if expansion != 1:
        x = batch_norm(conv(x, f"{name}.0.0", channels * expansion, 1), f"{name}.0.1", "relu6")
        part = 1
    x = batch_norm(depthwise(x, f"{name}.{part}.0", 3, stride), f"{name}.{part}.1", "relu6")
    x = batch_norm(conv(x, f"{name}.{part + 1}", width, 1), f"{name}.{part + 2}")
    return keras.layers.Add()([x, shortcut]) if stride == 1 and channels == width else x


def efficientnet(x, classes: int, network: str):
    """Tan and Le 2019, table 1, widened and deepened as `network` says."""
    stages = efficientnet_stages(network)
    narrow, wide = scaled_channels(32, EFFICIENTNET_SCALES[network][0]), 4 * stages[-1][3]
    x = batch_norm(conv(x, "features.0.0", narrow, 3, stride=2), "features.0.1", "silu")
    for stage, (expansion, kernel, first_stride, width, blocks) in enumerate(stages, start=1):
        for block in range(blocks):
            stride = 1 if block else first_stride
            x = mb_conv(x, f"features.{stage}.{block}.block", expansion, kernel, width, stride)
    last = f"features.{len(stages) + 1}"
    x = batch_norm(conv(x, f"{last}.0", wide, 1), f"{last}.1", "silu")
    return dense(keras.layers.GlobalAveragePooling2D()(x), "classifier.1", classes)


def mb_conv(x, name: str, expansion: int, kernel: int, width: int, stride: int):
    """An inverted residual whose channels are squeezed and excited before the projection."""
    shortcut, channels, part = x, x.shape[-1], 0
    if expansion != 1:
        x = batch_norm(conv(x, f"{name}.0.0", channels * expansion, 1), f"{name}.0.1", "silu")
        part = 1
    x = batch_norm(depthwise(x, f"{name}.{part}.0", kernel, stride), f"{name}.{part}.1", "silu")
    x = excited(x, f"{name}.{part + 1}", max(1, channels // 4))
    x = batch_norm(conv(x, f"{name}.{part + 2}.0", width, 1), f"{name}.{part + 2}.1")
    return keras.layers.Add()([x, shortcut]) if stride == 1 and channels == width else x


def excited(x, name: str, squeezed: int):
    """Each channel times a gate between 0 and 1, computed from all channels' means (Hu et al. 2017)."""
    gates = keras.layers.GlobalAveragePooling2D(keepdims=True)(x)
    gates = conv(gates, f"{name}.fc1", squeezed, 1, bias=True, activation="silu")
    gates = conv(gates, f"{name}.fc2", x.shape[-1], 1, bias=True, activation="sigmoid")
    return keras.layers.Multiply()([x, gates])
