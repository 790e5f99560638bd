"""The initial weights of every framework, generated from a seed, so that no file has to be copied."""

import hashlib
import math
from collections.abc import Mapping

import numpy as np

from runners.reference.layers import Kind, Layer, layers
from runners.reference.stream import stream, uniform

CHUNK = 1 << 20
"""Numbers drawn at a time. They are drawn in float64; a large layer at once would take gigabytes."""

Array = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


def weights(network: str, seed: int, classes: int) -> dict[str, Array]:
    """All arrays of `network` by name: `<layer>.weight`, `.bias` and, for batch norms, `.mean` and `.var`.

    Each layer has its own stream of random numbers, so that a new layer changes no other layer's weights.
    """
    return {
        f"{layer.name}.{part}": array
        for layer in layers(network, classes)
        for part, array in _arrays(layer, stream(seed, f"weights/{network}/{layer.name}")).items()
    }


def digest(arrays: Mapping[str, Array]) -> str:
    """One SHA-256 over all names, shapes and bytes, the same on every machine."""
    total = hashlib.sha256()
    for name in sorted(arrays):
        total.update(f"{name} {arrays[name].shape}\n".encode())
        total.update(np.ascontiguousarray(arrays[name], dtype="<f4"))
    return "sha256:" + total.hexdigest()


def _arrays(layer: Layer, source: np.random.Philox) -> dict[str, Array]:
    def draw(shape: tuple[int, ...], centre: float, spread: float) -> Array:
        numbers = np.empty(math.prod(shape), np.float32)
        for start in range(0, len(numbers), CHUNK):
            part = numbers[start : start + CHUNK]
            part[:] = uniform(source, len(part)) * spread + centre
        return numbers.reshape(shape)

    if layer.kind in (Kind.BATCH_NORM, Kind.LAYER_NORM, Kind.SCALE):
        # No array is all zeros or all ones: a framework that ignored it would still give the right logits.
        arrays = {"weight": draw(layer.shape, layer.gain, layer.gain / 4)}
        if layer.kind is not Kind.SCALE:
            arrays["bias"] = draw(layer.shape, 0.0, 0.2)
        if layer.kind is Kind.BATCH_NORM:
            arrays["mean"] = draw(layer.shape, 0.0, 0.2)
            arrays["var"] = draw(layer.shape, 1.0, 0.5)
        return arrays
    if layer.kind is Kind.EMBEDDING:
        return {"weight": draw(layer.shape, 0.0, math.sqrt(3.0 * layer.gain))}
    # Kaiming's uniform bound keeps E[x²] constant from layer to layer.
    spread = math.sqrt(3.0 * layer.gain / math.prod(layer.shape[1:]))
    arrays = {"weight": draw(layer.shape, 0.0, spread)}
    if layer.bias:  # where outputs are to be small, so is the bias: it would hide them
        arrays["bias"] = draw(layer.shape[:1], 0.0, 0.1 * math.sqrt(min(1.0, layer.gain)))
    return arrays
