"""The networks as ONNX graphs, computing exactly what torchvision's compute; layers have torchvision's names."""

import math
from collections.abc import Callable, Mapping

import numpy as np
import onnx

from runners.harness.workload import Invalid
from runners.onnxruntime.graph import INPUT, Graph
from runners.reference.counts import Counts, expected
from runners.reference.layers import CLASSES, MOBILENET_V2_STAGES, VGG16, VGG16_POOLED, efficientnet_stages


def cnn4(g: Graph, x: str) -> str:
    """Four times convolution, batch norm, ReLU, max-pool; global average pool; two dense layers."""
    for number in range(1, 5):
        x = g.conv(x, f"conv{number}", bias=True)
        x = g.relu(g.batch_norm(x, f"bn{number}"))
        x = g.max_pool(x, 2, 2)
    x = g.relu(g.dense(g.average(x), "dense1"))
    return g.dense(x, "dense2")


def resnet18(g: Graph, x: str) -> str:
    """torchvision's ResNet-18: two basic blocks a stage."""
    x = resnet_stem(g, x)
    for stage in range(1, 5):
        for block in range(2):
            x = basic_block(g, x, f"layer{stage}.{block}", stride=2 if stage > 1 and block == 0 else 1)
    return g.dense(g.average(x), "fc")


def bottlenecks(*blocks: int) -> Callable[[Graph, str], str]:
    """torchvision's deeper ResNets: `blocks` bottlenecks a stage."""

    def resnet(g: Graph, x: str) -> str:
        x = resnet_stem(g, x)
        for stage, count in enumerate(blocks, start=1):
            for block in range(count):
                x = bottleneck(g, x, f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1, widens=block == 0)
        return g.dense(g.average(x), "fc")

    return resnet


def resnet_stem(g: Graph, x: str) -> str:
    """What every ResNet begins with; leaves a quarter of the side."""
    x = g.relu(g.batch_norm(g.conv(x, "conv1", stride=2), "bn1"))
    return g.max_pool(x, 3, 2, padding=1)


def basic_block(g: Graph, x: str, name: str, stride: int) -> str:
    """Two 3×3 convolutions beside a shortcut."""
    shortcut = x
    if stride > 1:
        shortcut = g.batch_norm(g.conv(x, f"{name}.downsample.0", stride), f"{name}.downsample.1")
    x = g.relu(g.batch_norm(g.conv(x, f"{name}.conv1", stride), f"{name}.bn1"))
    x = g.batch_norm(g.conv(x, f"{name}.conv2"), f"{name}.bn2")
    return g.relu(g.add("Add", x, shortcut))


def bottleneck(g: Graph, x: str, name: str, stride: int, widens: bool) -> str:
    """1×1, 3×3 (which has the stride) and 1×1 convolutions beside a shortcut."""
    shortcut = x
    if widens:
        shortcut = g.batch_norm(g.conv(x, f"{name}.downsample.0", stride), f"{name}.downsample.1")
    x = g.relu(g.batch_norm(g.conv(x, f"{name}.conv1"), f"{name}.bn1"))
    x = g.relu(g.batch_norm(g.conv(x, f"{name}.conv2", stride), f"{name}.bn2"))
    x = g.batch_norm(g.conv(x, f"{name}.conv3"), f"{name}.bn3")
    return g.relu(g.add("Add", x, shortcut))


def vgg16(g: Graph, x: str) -> str:
    """torchvision's VGG16 without dropout: features of any side are averaged to 7×7."""
    number, side = 0, g.size
    for width in VGG16:
        if width:
            x = g.relu(g.conv(x, f"features.{number}", bias=True))
            number += 2
        else:
            x = g.max_pool(x, 2, 2)
            number, side = number + 1, side // 2
    x = g.add("Flatten", adaptive_average(g, x, side, VGG16_POOLED))
    x = g.relu(g.dense(x, "classifier.0"))
    x = g.relu(g.dense(x, "classifier.3"))
    return g.dense(x, "classifier.6")


def adaptive_average(g: Graph, x: str, side: int, pooled: int) -> str:
    """Averages over torch's bins, which overlap: bin i runs from ⌊i·side/pooled⌋ to ⌈(i + 1)·side/pooled⌉."""
    if side == pooled:
        return x
    average = np.zeros((pooled, side))
    for i in range(pooled):
        start, end = i * side // pooled, -(-(i + 1) * side // pooled)
        average[i, start:end] = 1 / (end - start)
    # ONNX has no such operator. Rows and columns are averaged apart, which is exact.
    return g.add("MatMul", g.add("MatMul", g.constant(average), x), g.constant(average.T))


def mobilenet_v2(g: Graph, x: str) -> str:
    """torchvision's MobileNetV2 without dropout."""
    x = g.relu6(g.batch_norm(g.conv(x, "features.0.0", stride=2), "features.0.1"))
    number = 1
    for expansion, _, blocks, first_stride in MOBILENET_V2_STAGES:
        for block in range(blocks):
            # Only a stage's first block has a stride or changes the number of channels: no shortcut fits there.
            y = inverted_residual(g, x, f"features.{number}.conv", expansion, 1 if block else first_stride)
            x = g.add("Add", y, x) if block else y
            number += 1
    x = g.relu6(g.batch_norm(g.conv(x, f"features.{number}.0"), f"features.{number}.1"))
    return g.dense(g.average(x), "classifier.1")


def inverted_residual(g: Graph, x: str, name: str, expansion: int, stride: int) -> str:
    """Expand, convolve each channel, project."""
    part = 0
    if expansion != 1:
        x = g.relu6(g.batch_norm(g.conv(x, f"{name}.0.0"), f"{name}.0.1"))
        part = 1
    x = g.conv(x, f"{name}.{part}.0", stride, depthwise=True)
    x = g.relu6(g.batch_norm(x, f"{name}.{part}.1"))
    return g.batch_norm(g.conv(x, f"{name}.{part + 1}"), f"{name}.{part + 2}")


def efficientnet(network: str) -> Callable[[Graph, str], str]:
    """torchvision's EfficientNets without dropout and stochastic depth."""
    stages = efficientnet_stages(network)

    def whole(g: Graph, x: str) -> str:
        x = g.silu(g.batch_norm(g.conv(x, "features.0.0", stride=2), "features.0.1"))
        for stage, (expansion, _, first_stride, _, blocks) in enumerate(stages, start=1):
            for block in range(blocks):
                y = mb_conv(g, x, f"features.{stage}.{block}.block", expansion, 1 if block else first_stride)
                x = g.add("Add", y, x) if block else y  # as in MobileNetV2
        head = f"features.{len(stages) + 1}"
        x = g.silu(g.batch_norm(g.conv(x, f"{head}.0"), f"{head}.1"))
        return g.dense(g.average(x), "classifier.1")

    return whole


def mb_conv(g: Graph, x: str, name: str, expansion: int, stride: int) -> str:
    """An inverted residual with squeeze-and-excitation."""
    part = 0
    if expansion != 1:
        x = g.silu(g.batch_norm(g.conv(x, f"{name}.0.0"), f"{name}.0.1"))
        part = 1
    x = g.conv(x, f"{name}.{part}.0", stride, depthwise=True)
    x = g.silu(g.batch_norm(x, f"{name}.{part}.1"))
    gate = g.silu(g.conv(g.add("GlobalAveragePool", x), f"{name}.{part + 1}.fc1", bias=True))
    gate = g.add("Sigmoid", g.conv(gate, f"{name}.{part + 1}.fc2", bias=True))
    x = g.add("Mul", gate, x)
    return g.batch_norm(g.conv(x, f"{name}.{part + 2}.0"), f"{name}.{part + 2}.1")


BUILDERS: Mapping[str, Callable[[Graph, str], str]] = {
    "cnn4": cnn4,
    "resnet18": resnet18,
    "resnet50": bottlenecks(3, 4, 6, 3),
    "resnet152": bottlenecks(3, 8, 36, 3),
    "vgg16": vgg16,
    "mobilenet_v2": mobilenet_v2,
    "efficientnet_b0": efficientnet("efficientnet_b0"),
    "efficientnet_b4": efficientnet("efficientnet_b4"),
    "efficientnet_b7": efficientnet("efficientnet_b7"),
}


def build(network: str, arrays: Mapping[str, np.ndarray], batch: int, size: int) -> onnx.ModelProto:
    """The network over `batch` images of size × size, with the shared weights in it. Raises Invalid."""
    graph = Graph(arrays, batch, size)
    model = graph.model(BUILDERS[network](graph, INPUT))
    found, wanted = counts(model), expected(network, CLASSES[network])
    if found != wanted:
        raise Invalid("PARAMETERS", f"the model has {found}, docs/fairness.md asks for {wanted}")
    return model


def counts(model: onnx.ModelProto) -> Counts:
    """(trainable, non-trainable) as docs/fairness.md counts them; all initializers are parameters."""
    sizes = {tensor.name: math.prod(tensor.dims) for tensor in model.graph.initializer}
    statistics = sum(size for name, size in sizes.items() if name.endswith((".mean", ".var")))
    return Counts(sum(sizes.values()) - statistics, statistics)
