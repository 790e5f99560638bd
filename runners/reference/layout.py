"""The shared weights and images with channels last."""

from collections.abc import Mapping

import numpy as np

from runners.harness.case import Case
from runners.reference.layers import CLASSES, Kind, layers
from runners.reference.weights import Array, weights


def nhwc(images: Array) -> Array:
    """Converts N × 3 × height × width to N × height × width × 3."""
    return np.ascontiguousarray(images.transpose(0, 2, 3, 1))


def nhwc_weights(case: Case) -> dict[str, Array]:
    """The shared weights of a case of `train` or `infer`, with channels last."""
    return channels_last(case.network, weights(case.network, case.seed, CLASSES[case.network]))


def channels_last(network: str, arrays: Mapping[str, Array], classes: int | None = None) -> dict[str, Array]:
    """The shared weights: convolutions as height × width × in/groups × out, dense layers as in × out, scales flat."""
    found = dict(arrays)
    for layer in layers(network, CLASSES[network] if classes is None else classes):
        name = f"{layer.name}.weight"
        if layer.kind in (Kind.CONV, Kind.DEPTHWISE):
            found[name] = arrays[name].transpose(2, 3, 1, 0)
        if layer.kind is Kind.DENSE:
            kernel = arrays[name]
            if layer.flattened:  # with channels last, the inputs come pixel by pixel, not channel by channel
                kernel = kernel.reshape(-1, *layer.flattened).transpose(0, 2, 3, 1).reshape(kernel.shape)
            found[name] = kernel.T
        if layer.kind is Kind.SCALE:
            found[name] = arrays[name].reshape(-1)
    return found
