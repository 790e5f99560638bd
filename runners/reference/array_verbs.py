"""Verbs of the walk for frameworks whose arrays work like NumPy's."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runners.reference.layers import EPSILON, LAYER_EPSILON, MOMENTUM, Layer


class ArrayVerbs:
    """All verbs except `conv`, `max_pool`, `activation`, `embed` and `attention`.

    Images are N × height × width × channels.
    `arrays` are the shared weights with channels last (runners/reference/layout.py), as tensors of the framework. In
    training, a batch norm uses the statistics of its batch and puts the new running mean and the new biased running
    variance into `moved`.
    """

    def __init__(self, arrays: Mapping[str, Any], training: bool = False) -> None:
        self.arrays, self.training = arrays, training
        self.moved: dict[str, Any] = {}

    def batch_norm(self, x: Any, layer: Layer) -> Any:
        weight, bias, mean, var = self.of(layer)
        if self.training:
            batch_mean, batch_var = x.mean((0, 1, 2)), x.var((0, 1, 2))
            self.moved[f"{layer.name}.mean"] = (1 - MOMENTUM) * mean + MOMENTUM * batch_mean
            self.moved[f"{layer.name}.var"] = (1 - MOMENTUM) * var + MOMENTUM * batch_var
            mean, var = batch_mean, batch_var
        return (x - mean) * (weight * (var + EPSILON) ** -0.5) + bias

    def dense(self, x: Any, layer: Layer) -> Any:
        weight, bias = self.of(layer)
        return x @ weight + bias

    def mean(self, x: Any) -> Any:
        return x.mean((1, 2), keepdims=True)

    def bins(self, x: Any, matrix: NDArray[np.float64]) -> Any:
        matrix = matrix.astype(x.dtype)
        return (matrix @ x.transpose(0, 3, 1, 2) @ matrix.T).transpose(0, 2, 3, 1)

    def flatten(self, x: Any) -> Any:
        return x.reshape(x.shape[0], -1)

    def layer_norm(self, x: Any, layer: Layer) -> Any:
        weight, bias = self.of(layer)
        mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
        return (x - mean) * (var + LAYER_EPSILON) ** -0.5 * weight + bias

    def tokens(self, x: Any) -> Any:
        return x.reshape(x.shape[0], -1, x.shape[-1])

    def images(self, x: Any, side: int) -> Any:
        return x.reshape(x.shape[0], side, side, -1)

    def scale(self, x: Any, layer: Layer) -> Any:
        [weight] = self.of(layer)
        return x * weight

    def first(self, x: Any) -> Any:
        return x[:, 0]

    def of(self, layer: Layer) -> list[Any]:
        """The layer's arrays, in the order of `layer.sizes`."""
        return [self.arrays[f"{layer.name}.{part}"] for part in layer.sizes]
