"""The walk: its layers, the bins of adaptive pooling, and weights with channels last."""

import numpy as np
import pytest

from runners.harness.workload import Unsupported
from runners.reference.array_verbs import ArrayVerbs
from runners.reference.batch import images
from runners.reference.layers import CLASSES, SIZES, Kind, Layer, layers
from runners.reference.layout import channels_last
from runners.reference.walk import OPTIONAL, _averages, walk


class Noting:
    """Verbs that compute only the shape of their result, and record their layers."""

    def __init__(self) -> None:
        self.given: list[str] = []

    def conv(self, x, layer):
        self.given.append(layer.name)
        channels, side = x
        assert layer.shape[1] * layer.groups == channels, layer
        return Shape((layer.shape[0], (side + 2 * layer.padding - layer.shape[2]) // layer.stride + 1))

    def batch_norm(self, x, layer):
        self.given.append(layer.name)
        assert layer.shape == (x[0],)
        return x

    def dense(self, x, layer):
        self.given.append(layer.name)
        if layer.of_tokens:
            assert isinstance(x, Tokens)
            assert (layer.shape[1], layer.tokens or x[1]) == x
            return Tokens((layer.shape[0], x[1]))
        assert layer.shape[1] == x[0] * x[1] ** 2
        return Shape((layer.shape[0], 1))

    def activation(self, x, name):
        assert name in ("relu", "relu6", "silu", "sigmoid", "gelu")
        return x

    def max_pool(self, x, size, stride, padding):
        return Shape((x[0], (x[1] + 2 * padding - size) // stride + 1))

    def mean(self, x):
        return Shape((x[0], 1))

    def bins(self, x, matrix):
        assert matrix.shape[1] == x[1]
        return Shape((x[0], len(matrix)))

    def flatten(self, x):
        return x

    def layer_norm(self, x, layer):
        self.given.append(layer.name)
        assert isinstance(x, Tokens) or x[1] == 1
        assert layer.shape == (x[0],)
        return x

    def tokens(self, x):
        return Tokens((x[0], x[1] ** 2))

    def images(self, x, side):
        assert (type(x), x[1]) == (Tokens, side**2)
        return Shape((x[0], side))

    def scale(self, x, layer):
        self.given.append(layer.name)
        assert (type(x), layer.shape) == (Shape, (x[0], 1, 1))
        return x

    def embed(self, x, token, positions):
        self.given += [token.name, positions.name]
        assert (token.shape, positions.shape) == ((1, 1, x[0]), (1, x[1] + 1, x[0]))
        return Tokens((x[0], x[1] + 1))

    def attention(self, x, layer):
        assert (type(x), x[0]) == (Tokens, 3 * layer.heads * layer.head_size)
        return Tokens((x[0] // 3, x[1]))

    def first(self, x):
        assert isinstance(x, Tokens)
        return Shape((x[0], 1))


class Shape(tuple):
    """Channels and side. Summands must have the same shape; one factor of a product may be a single pixel."""

    def __add__(self, other):
        assert (type(self), self) == (type(other), other)
        return self

    def __mul__(self, other):
        assert self[0] == other[0]
        return Shape((self[0], max(self[1], other[1])))


class Tokens(Shape):
    """Channels and positions."""


@pytest.mark.parametrize("network", CLASSES)
def test_a_walk_uses_every_layer_once_with_matching_shapes(network):
    for size in SIZES[network]:
        verbs = Noting()
        logits = walk(network, verbs, Shape((3, size)), size)
        assert logits == (CLASSES[network], 1)
        assert sorted(verbs.given) == sorted(layer.name for layer in layers(network, CLASSES[network]))


@pytest.mark.parametrize("network", OPTIONAL)
def test_a_network_that_needs_a_missing_verb_is_unsupported(network):
    class Lacking(Noting):
        layer_norm = property()  # an attribute that does not exist

    with pytest.raises(Unsupported, match=f"{network} needs .* not have yet: layer_norm"):
        walk(network, Lacking(), Shape((3, 224)), 224)
    walk("resnet18", Lacking(), Shape((3, 224)), 224)


def test_the_optional_verbs_of_arrays():
    layer, x = Layer("ln", Kind.LAYER_NORM, (3,), bias=True), images(25, 2, 4).transpose(0, 2, 3, 1)
    arrays = {"ln.weight": np.array([1.0, 2.0, 3.0]), "ln.bias": np.ones(3), "s.weight": np.array([2.0, 3.0, 4.0])}
    verbs = ArrayVerbs(arrays)
    tokens = verbs.tokens(x)
    assert np.array_equal(tokens[1, 6], x[1, 1, 2])
    assert np.array_equal(verbs.images(tokens, 4), x)
    assert np.array_equal(verbs.first(tokens), x[:, 0, 0])
    assert np.array_equal(verbs.scale(x, Layer("s", Kind.SCALE, (3, 1, 1)))[..., 1], 3 * x[..., 1])
    pixel = tokens[1, 6].astype(np.float64)
    wanted = (pixel - pixel.mean()) / np.sqrt(pixel.var() + 1e-6) * [1, 2, 3] + 1
    assert np.allclose(verbs.layer_norm(tokens, layer)[1, 6], wanted, atol=1e-5)


@pytest.mark.parametrize("side", [4, 7, 10])
def test_bins_are_torch_s(side):
    x = images(25, 1, side).transpose(0, 2, 3, 1)
    edges = [(i * side // 7, -(-(i + 1) * side // 7)) for i in range(7)]
    means = [[x[0, top:bottom, left:right].mean(axis=(0, 1)) for left, right in edges] for top, bottom in edges]
    assert np.allclose(ArrayVerbs({}).bins(x, _averages(side, 7))[0], means, atol=1e-6)


def test_the_weights_after_a_flatten_follow_the_layout(monkeypatch):
    layer = Layer("dense", Kind.DENSE, (4, 24), flattened=(2, 3, 4))
    monkeypatch.setattr("runners.reference.layout.layers", lambda *_: [layer])
    kernel, features = np.arange(96.0).reshape(4, 24), np.arange(24.0).reshape(2, 3, 4) ** 2
    ours = channels_last("cnn4", {"dense.weight": kernel})["dense.weight"]
    assert np.array_equal(features.transpose(1, 2, 0).ravel() @ ours, kernel @ features.ravel())


def test_a_batch_norm_uses_its_batch_only_in_training():
    layer, x = Layer("bn", Kind.BATCH_NORM, (3,)), images(25, 4, 5).transpose(0, 2, 3, 1)
    arrays = {"bn.weight": np.full(3, 2.0), "bn.bias": np.ones(3), "bn.mean": np.zeros(3), "bn.var": np.ones(3)}
    still, moving = ArrayVerbs(arrays), ArrayVerbs(arrays, training=True)
    assert np.allclose(still.batch_norm(x, layer), 2 * x / np.sqrt(1 + 1e-5) + 1)
    assert still.moved == {}
    normed = moving.batch_norm(x, layer)
    assert np.allclose(normed.mean((0, 1, 2)), 1, atol=1e-5)
    assert np.allclose(normed.std((0, 1, 2)), 2, atol=1e-3)
    assert np.allclose(moving.moved["bn.mean"], 0.1 * x.mean((0, 1, 2)))
    assert np.allclose(moving.moved["bn.var"], 0.9 + 0.1 * x.var((0, 1, 2)))


def test_an_error_in_a_verb_names_its_layer():
    class Lacking(Noting):
        def dense(self, x, _layer):
            raise ValueError(f"{x} has another shape")

    with pytest.raises(ValueError, match="another shape") as caught:
        walk("cnn4", Lacking(), Shape((3, 32)), 32)
    assert "name='dense1'" in caught.value.__notes__[0]
