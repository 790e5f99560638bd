"""The canonical layers of each network: names, kinds and shapes that every framework's builder must match.

Shapes are torch's: convolutions out × in/groups × height × width, dense out × in.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a layer computes, which decides how a framework lays its weights out."""

    CONV = "conv"
    DEPTHWISE = "depthwise"
    DENSE = "dense"
    BATCH_NORM = "batch_norm"


@dataclass(frozen=True)
class Layer:
    """One layer with parameters.

    `gain` keeps the generated network's activations in range: the variance a convolution or dense layer adds
    (2 before a ReLU, which halves it), the size of a batch norm's gamma.
    """

    name: str
    kind: Kind
    shape: tuple[int, ...]
    bias: bool = False
    gain: float = 1.0


CLASSES: Mapping[str, int] = {"cnn4": 100, "resnet18": 1000, "mobilenet_v2": 1000}
"""How many classes a network has unless a data set says otherwise."""

RESIDUAL = 0.5
"""Gamma of the batch norm that closes a residual branch: at 1, each block would double the variance."""


def layers(network: str, classes: int) -> tuple[Layer, ...]:
    """Every layer of `network` that has parameters, in order."""
    return tuple(_NETWORKS[network](classes))


def _cnn4(classes: int) -> Iterator[Layer]:
    channels = 3
    for number, width in enumerate((32, 64, 128, 128), start=1):
        yield Layer(f"conv{number}", Kind.CONV, (width, channels, 3, 3), bias=True, gain=2)
        yield Layer(f"bn{number}", Kind.BATCH_NORM, (width,))
        channels = width
    yield Layer("dense1", Kind.DENSE, (128, channels), bias=True, gain=2)
    yield Layer("dense2", Kind.DENSE, (classes, 128), bias=True)


def _resnet18(classes: int) -> Iterator[Layer]:
    yield Layer("conv1", Kind.CONV, (64, 3, 7, 7), gain=2)
    yield Layer("bn1", Kind.BATCH_NORM, (64,))
    channels = 64
    for stage, width in enumerate((64, 128, 256, 512), start=1):
        for block in range(2):
            name = f"layer{stage}.{block}"
            yield Layer(f"{name}.conv1", Kind.CONV, (width, channels, 3, 3), gain=2)
            yield Layer(f"{name}.bn1", Kind.BATCH_NORM, (width,))
            yield Layer(f"{name}.conv2", Kind.CONV, (width, width, 3, 3))
            yield Layer(f"{name}.bn2", Kind.BATCH_NORM, (width,), gain=RESIDUAL)
            if channels != width:
                yield Layer(f"{name}.downsample.0", Kind.CONV, (width, channels, 1, 1))
                yield Layer(f"{name}.downsample.1", Kind.BATCH_NORM, (width,))
            channels = width
    yield Layer("fc", Kind.DENSE, (classes, channels), bias=True)


MOBILENET_V2_STAGES = ((1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1))
"""MobileNetV2's expansion, channels and blocks (Sandler et al. 2018, table 2)."""


def _mobilenet_v2(classes: int) -> Iterator[Layer]:
    yield from _conv_bn("features.0.0", "features.0.1", (32, 3, 3, 3))
    channels, number = 32, 1
    for expansion, width, blocks in MOBILENET_V2_STAGES:
        for block in range(blocks):
            yield from _inverted_residual(f"features.{number}.conv", channels, expansion, width, residual=block > 0)
            channels, number = width, number + 1
    yield from _conv_bn(f"features.{number}.0", f"features.{number}.1", (1280, channels, 1, 1))
    yield Layer("classifier.1", Kind.DENSE, (classes, 1280), bias=True)


def _inverted_residual(name: str, channels: int, expansion: int, width: int, residual: bool) -> Iterator[Layer]:
    hidden, part = channels * expansion, 0
    if expansion != 1:
        yield from _conv_bn(f"{name}.0.0", f"{name}.0.1", (hidden, channels, 1, 1))
        part = 1
    yield from _conv_bn(f"{name}.{part}.0", f"{name}.{part}.1", (hidden, 1, 3, 3), kind=Kind.DEPTHWISE)
    yield Layer(f"{name}.{part + 1}", Kind.CONV, (width, hidden, 1, 1))
    yield Layer(f"{name}.{part + 2}", Kind.BATCH_NORM, (width,), gain=RESIDUAL if residual else 1)


def _conv_bn(conv: str, bn: str, shape: tuple[int, ...], kind: Kind = Kind.CONV) -> Iterator[Layer]:
    yield Layer(conv, kind, shape, gain=2)
    yield Layer(bn, Kind.BATCH_NORM, shape[:1])


_NETWORKS: Mapping[str, Callable[[int], Iterator[Layer]]] = {
    "cnn4": _cnn4,
    "resnet18": _resnet18,
    "mobilenet_v2": _mobilenet_v2,
}
