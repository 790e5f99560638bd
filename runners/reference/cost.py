"""The least arithmetic and memory traffic that a step needs, counted from the network's layers.

The count is the same for every framework, whatever the framework really executes. Only convolutions, dense layers and
the two products of an attention count; a multiplication and an addition are two operations. Work that can be fused into
these layers (norms, activations, softmax, pooling, additions) does not count. Each layer reads its input and its
weights once and writes its output once. An attention reads queries, keys and values and writes its output; its scores
can stay in the processor.

A training step does each layer's arithmetic three times: forward, gradient of the weights, gradient of the input. The
first layer needs no gradient of its input. Adam reads a weight, its gradient and two moments, and writes all of them
except the gradient.
"""

import math
from dataclasses import dataclass

from runners.reference.counts import counted
from runners.reference.layers import CLASSES, Kind, Layer, layers

ELEMENT_BYTES = {"fp32": 4, "tf32": 4, "bf16": 2, "fp16": 2}
ADAM_ACCESSES = 7
ADAM_BYTES = 4
"""Bytes of a weight or a moment: they stay in float32 in every precision."""


@dataclass(frozen=True)
class Cost:
    """Floating-point operations of one step, and its bytes between memory and processor."""

    flops: int
    bytes: int


def step_cost(workload: str, network: str, input_size: int, batch_size: int, precision: str) -> Cost:
    """The cost of one step of `train`, `infer` or `scale`, over all its processes."""
    flops = elements = 0
    for number, layer in enumerate(_computing(network)):
        reads, weights, writes = _sizes(layer, input_size, batch_size)
        forward, traffic = _operations(layer, input_size, batch_size), reads + weights + writes
        # Each gradient moves as much as the forward pass: it reads two of input, weights and output, and writes one.
        passes = 1 if workload == "infer" else 3 if number else 2
        flops += passes * forward
        elements += passes * traffic
    total = elements * ELEMENT_BYTES[precision]
    if workload != "infer":
        total += ADAM_ACCESSES * ADAM_BYTES * counted(network, CLASSES[network]).trainable
    return Cost(flops, total)


def _computing(network: str) -> list[Layer]:
    kinds = (Kind.CONV, Kind.DEPTHWISE, Kind.DENSE)
    return [layer for layer in layers(network, CLASSES[network]) if layer.kind in kinds]


def _operations(layer: Layer, input_size: int, batch_size: int) -> int:
    """The operations of the layer, and of the attention after it."""
    positions = layer.tokens or _side(layer, input_size) ** 2
    scored = 2 * positions * layer.head_size * layer.heads  # multiply-adds of both products, for each position
    return 2 * (math.prod(layer.shape) + scored) * positions * batch_size


def _sizes(layer: Layer, input_size: int, batch_size: int) -> tuple[int, int, int]:
    """Elements of the input, the weights and the output of the layer and of the attention after it."""
    positions = layer.tokens or _side(layer, input_size) ** 2
    channels = layer.shape[0] if layer.kind is Kind.DEPTHWISE else layer.shape[1]
    reads, writes = channels * positions * layer.stride**2, layer.shape[0] * positions
    if layer.heads:
        reads, writes = reads + writes, writes + positions * layer.head_size * layer.heads
    return reads * batch_size, math.prod(layer.shape), writes * batch_size


def _side(layer: Layer, input_size: int) -> int:
    return input_size // layer.reduction if layer.reduction else 1
