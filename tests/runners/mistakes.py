"""Deliberate mistakes for every framework that uses the walk. The checks have to notice each."""

import contextlib
import importlib
import sys
from collections.abc import Iterator
from unittest import mock

from runners.reference import array_verbs, layers, layout, walk, weights
from runners.reference.layers import Layer

SOURCES = {
    "walk": walk,
    "weights": weights,
    "nhwc_weights": layout,
    **dict.fromkeys(("EPSILON", "LAYER_EPSILON", "MOMENTUM"), layers),
}
"""The modules that define the names which a framework imports."""


class Verbs:
    """A framework's verbs; convolutions get a wrong layer."""

    def __init__(self, verbs, wrong) -> None:
        self._verbs, self._wrong = verbs, wrong

    def __getattr__(self, name):
        return getattr(self._verbs, name)

    def conv(self, x, layer):
        return self._verbs.conv(x, self._wrong(layer))


class OneZeroLess(Layer):
    """A layer with one row or column of zeros less on every side."""

    @property
    def padding(self) -> int:
        return super().padding - 1


def strided_late(layer):
    """Stride 2 in a block's second convolution instead of its first."""
    moved = {"layer2.0.conv1": 1, "layer2.0.conv2": 2}
    return changed(layer, stride=moved.get(layer.name, layer.stride))


def padded_less(layer):
    """Two rows of zeros around the images instead of three. The output of the pooling has the same size."""
    return changed(layer, OneZeroLess) if layer.name == "conv1" else layer


def changed(layer, kind=Layer, **changes):
    """The layer as another class, or with other values."""
    return kind(**{**vars(layer), **changes})


def bias_off(arrays):
    """A small error in one bias of a thousand."""
    arrays["fc.bias"] = arrays["fc.bias"].copy()
    arrays["fc.bias"][7] += 0.05


def scaled_wrongly(arrays):
    """A layer scale of ConvNeXt, a twentieth too large."""
    name = "features.5.4.layer_scale.weight"
    arrays[name] = arrays[name] * 1.05


def weights_nan(arrays):
    """A NaN weight."""
    arrays["fc.weight"] = arrays["fc.weight"].copy()
    arrays["fc.weight"].flat[0] = float("nan")


def of_verbs(wrong):
    """A replacement of `walk` in which convolutions get a wrong layer."""
    usual = walk.walk
    return {"walk": lambda network, verbs, *more: usual(network, Verbs(verbs, wrong), *more)}


def of_weights(spoil):
    """Replacements of both functions that return the shared weights."""

    def spoiled(usual):
        def arrays(*given):
            found = usual(*given)
            spoil(found)
            return found

        return arrays

    return {"weights": spoiled(weights.weights), "nhwc_weights": spoiled(layout.nhwc_weights)}


INFERRING = {
    "keras_epsilon": lambda: {"EPSILON": 1e-3},
    "strided_late": lambda: of_verbs(strided_late),
    "padded_less": lambda: of_verbs(padded_less),
    "bias_off": lambda: of_weights(bias_off),
}
"""Mistakes that change the logits of ResNet-18."""
INFERRING_CONVNEXT = {
    "layer_epsilon": lambda: {"LAYER_EPSILON": 1e-5},
    "scaled_wrongly": lambda: of_weights(scaled_wrongly),
}
"""Mistakes that change the logits of ConvNeXt-T."""
OTHERS = {"weights_nan": lambda: of_weights(weights_nan), "momentum": lambda: {"MOMENTUM": 0.2}}
"""A mistake that ends a replicate, and a mistake that shows only after training."""


@contextlib.contextmanager
def made(framework: str, name: str) -> Iterator[None]:
    """Replace the names in the framework's modules, and in the modules from which later imports take them."""
    for module in ("infer", "train"):
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(f"runners.{framework}.{module}")
    own = [module for path, module in sys.modules.items() if path.startswith(f"runners.{framework}.")]
    with contextlib.ExitStack() as stack:
        for attribute, value in {**INFERRING, **INFERRING_CONVNEXT, **OTHERS}[name]().items():
            usual = getattr(SOURCES[attribute], attribute)
            for module in (*own, array_verbs, SOURCES[attribute]):
                if getattr(module, attribute, None) is usual:
                    stack.enter_context(mock.patch.object(module, attribute, value))
        yield
