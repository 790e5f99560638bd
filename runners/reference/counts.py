"""How many parameters each network must have; a framework that has more or fewer runs another network."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from runners.reference.layers import CLASSES, Kind, layers


@dataclass(frozen=True)
class Counts:
    """Trainable parameters, and running means and variances of batch norms (torch's batch counters left out)."""

    trainable: int
    non_trainable: int


PUBLISHED: Mapping[str, Counts] = {
    "cnn4": Counts(270_948, 704),
    "resnet18": Counts(11_689_512, 9_600),
    "resnet50": Counts(25_557_032, 53_120),
    "resnet152": Counts(60_192_808, 151_424),
    "vgg16": Counts(138_357_544, 0),
    "mobilenet_v2": Counts(3_504_872, 34_112),
    "efficientnet_b0": Counts(5_288_548, 42_016),
    "efficientnet_b4": Counts(19_341_616, 125_200),
    "efficientnet_b7": Counts(66_347_960, 310_720),
}
"""The counts of docs/fairness.md, with each network's own number of classes."""


def expected(network: str, classes: int) -> Counts:
    """The published counts; for another number of classes, the sum over the canonical layers."""
    return PUBLISHED[network] if classes == CLASSES[network] else counted(network, classes)


def counted(network: str, classes: int) -> Counts:
    """The sum over the canonical layers."""
    norms = sum(layer.shape[0] for layer in layers(network, classes) if layer.kind is Kind.BATCH_NORM)
    others = sum(
        math.prod(layer.shape) + (layer.shape[0] if layer.bias else 0)
        for layer in layers(network, classes)
        if layer.kind is not Kind.BATCH_NORM
    )
    return Counts(others + 2 * norms, 2 * norms)
