"""The arithmetic and the memory traffic that a step needs at the least, counted from the network's layers.

One definition for every framework, whatever it really executes: convolutions and dense layers count, a multiplication
and an addition as two operations; what can be fused into them (batch norm, activations, pooling, additions) does not.
Each of these layers reads its input and its weights once and writes its output once.

A training step does each layer's arithmetic three times (forward, gradient of the weights, gradient of the input, which
the first layer does not need) and lets Adam read a weight, its gradient and two moments and write all but the gradient.
"""

import math
from dataclasses import dataclass

from runners.reference.counts import counted
from runners.reference.layers import CLASSES, Kind, Layer, layers

ELEMENT_BYTES = {"fp32": 4, "tf32": 4, "bf16": 2, "fp16": 2}
ADAM_ACCESSES = 7
ADAM_BYTES = 4
"""Weights and moments are kept in float32, whatever the step computes in."""


@dataclass(frozen=True)
class Cost:
    """What one step needs: floating-point operations, and bytes between memory and processor."""

    flops: int
    bytes: int


def step_cost(workload: str, network: str, input_size: int, batch_size: int, precision: str) -> Cost:
    """The cost of one step of `train` or `infer`."""
    flops = elements = 0
    for number, layer in enumerate(_computing(network)):
        reads, weights, writes = _sizes(layer, input_size, batch_size)
        forward, traffic = _operations(layer, input_size, batch_size), reads + weights + writes
        if workload == "train":
            inputs_too = number > 0
            flops += forward * (3 if inputs_too else 2)
            # The gradient of the weights: input and output's gradient in, weights' out. That of the input: likewise.
            elements += traffic * (3 if inputs_too else 2)
        else:
            flops += forward
            elements += traffic
    total = elements * ELEMENT_BYTES[precision]
    if workload == "train":
        total += ADAM_ACCESSES * ADAM_BYTES * counted(network, CLASSES[network]).trainable
    return Cost(flops, total)


def _computing(network: str) -> list[Layer]:
    return [layer for layer in layers(network, CLASSES[network]) if layer.kind is not Kind.BATCH_NORM]


def _operations(layer: Layer, input_size: int, batch_size: int) -> int:
    positions = _side(layer, input_size) ** 2
    return 2 * math.prod(layer.shape) * positions * batch_size


def _sizes(layer: Layer, input_size: int, batch_size: int) -> tuple[int, int, int]:
    """Elements of the input, the weights and the output."""
    side = _side(layer, input_size)
    channels = layer.shape[0] if layer.kind is Kind.DEPTHWISE else layer.shape[1]
    reads = channels * (side * layer.stride) ** 2 * batch_size
    return reads, math.prod(layer.shape), layer.shape[0] * side**2 * batch_size


def _side(layer: Layer, input_size: int) -> int:
    return input_size // layer.reduction if layer.reduction else 1
