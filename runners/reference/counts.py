"""How many parameters a network has."""

from dataclasses import dataclass

from runners.reference.layers import Kind, layers


@dataclass(frozen=True)
class Counts:
    """Trainable parameters, and running means and variances of batch norms (without torch's batch counters)."""

    trainable: int
    non_trainable: int


def counted(network: str, classes: int) -> Counts:
    """The parameters of the network's canonical layers."""
    norms = others = 0
    for layer in layers(network, classes):
        if layer.kind is Kind.BATCH_NORM:
            norms += layer.shape[0]
        else:
            others += sum(layer.sizes.values())
    return Counts(others + 2 * norms, 2 * norms)
