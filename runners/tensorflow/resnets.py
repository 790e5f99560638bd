"""torchvision's residual networks (He et al. 2015), the stride of a bottleneck in its 3×3 convolution."""

from collections.abc import Callable

import keras

from runners.tensorflow.layers import batch_norm, conv, dense

WIDTHS = (64, 128, 256, 512)


def resnet(x, classes: int, block: Callable, blocks: tuple[int, ...]):
    """A 7×7 convolution and a max-pool, four stages of blocks, global average pool, dense."""
    x = batch_norm(conv(x, "conv1", 64, 7, stride=2), "bn1", "relu")
    # Zeros pad as well as −∞ does: nothing is negative after a ReLU.
    x = keras.layers.MaxPooling2D(3, 2)(keras.layers.ZeroPadding2D(1)(x))
    for stage, (width, count) in enumerate(zip(WIDTHS, blocks, strict=True), start=1):
        for number in range(count):
            x = block(x, f"layer{stage}.{number}", width, stride=2 if stage > 1 and number == 0 else 1)
    return dense(keras.layers.GlobalAveragePooling2D()(x), "fc", classes)


def basic_block(x, name: str, width: int, stride: int):
    """Two 3×3 convolutions beside a shortcut."""
    branch = batch_norm(conv(x, f"{name}.conv1", width, 3, stride), f"{name}.bn1", "relu")
    branch = batch_norm(conv(branch, f"{name}.conv2", width, 3), f"{name}.bn2")
    return _joined(branch, x, name, stride)


def bottleneck(x, name: str, width: int, stride: int):
    """1×1, 3×3 and 1×1 convolutions beside a shortcut; the last one is four times as wide."""
    branch = batch_norm(conv(x, f"{name}.conv1", width, 1), f"{name}.bn1", "relu")
    branch = batch_norm(conv(branch, f"{name}.conv2", width, 3, stride), f"{name}.bn2", "relu")
    branch = batch_norm(conv(branch, f"{name}.conv3", 4 * width, 1), f"{name}.bn3")
    return _joined(branch, x, name, stride)


def _joined(branch, shortcut, name: str, stride: int):
    if branch.shape[-1] != shortcut.shape[-1]:
        shortcut = conv(shortcut, f"{name}.downsample.0", branch.shape[-1], 1, stride)
        shortcut = batch_norm(shortcut, f"{name}.downsample.1")
    return keras.layers.ReLU()(keras.layers.Add()([branch, shortcut]))
