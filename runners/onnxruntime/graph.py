"""Builds an ONNX graph operator by operator. Every initializer in it is a shared weight."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from runners.reference.layers import EPSILON, LAYER_EPSILON, Layer
from runners.reference.walk import walk

OPSET, IR_VERSION = 21, 10
"""The versions of ONNX 1.16. They are fixed, so that a newer onnx does not change the graph."""
INPUT, OUTPUT = "images", "logits"
WEIGHTS_FILE = "weights"
EXTERNAL = onnx.TensorProto.EXTERNAL


def network(name: str, arrays: Mapping[str, np.ndarray], batch: int, size: int) -> onnx.ModelProto:
    """A network for `batch` images of size × size pixels. Its initializers, the shared weights, lie in another file."""
    graph = Graph(arrays, batch, size)
    return graph.model(walk(name, graph, Value(graph, INPUT), size))


def sizes(model: onnx.ModelProto) -> dict[str, int]:
    """The number of elements of each initializer. All initializers are parameters."""
    return {tensor.name: math.prod(tensor.dims) for tensor in model.graph.initializer}


@dataclass(frozen=True)
class Value:
    """The output of an operator."""

    graph: "Graph"
    name: str

    def __add__(self, other: "Value") -> "Value":
        return self.graph.add("Add", self, other)

    def __mul__(self, other: "Value") -> "Value":
        return self.graph.add("Mul", self, other)


class Graph:
    """The verbs of runners/reference/walk.py for N × 3 × size × size images. Each adds an operator."""

    def __init__(self, arrays: Mapping[str, np.ndarray], batch: int, size: int) -> None:
        self._arrays = arrays
        self._images = (batch, 3, size, size)
        self._type = np.result_type(*arrays.values())
        self._nodes: list[onnx.NodeProto] = []
        self._parameters: list[str] = []

    def add(self, operator: str, *inputs: Value, **attributes: object) -> Value:
        """Add an operator with one output."""
        output = f"{operator}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, [value.name for value in inputs], [output], **attributes))
        return Value(self, output)

    def conv(self, x: Value, layer: Layer) -> Value:
        strides, pads = [layer.stride] * 2, [layer.padding] * 4
        return self.add("Conv", x, *self._weights(layer), strides=strides, pads=pads, group=layer.groups)

    def batch_norm(self, x: Value, layer: Layer) -> Value:
        return self.add("BatchNormalization", x, *self._weights(layer), epsilon=EPSILON)

    def dense(self, x: Value, layer: Layer) -> Value:
        weight, bias = self._weights(layer)
        if layer.of_tokens:  # Gemm takes only matrices; the session transposes a constant once
            return self.add("MatMul", x, self.add("Transpose", weight, perm=[1, 0])) + bias
        return self.add("Gemm", x, weight, bias, transB=1)

    def activation(self, x: Value, name: str) -> Value:
        if name == "relu6":
            return self.add("Clip", x, self._constant(0.0), self._constant(6.0))
        if name == "silu":  # not opset 24's Swish: ONNX Runtime 1.31 splits it and fuses nothing
            return x * self.add("Sigmoid", x)
        return self.add({"relu": "Relu", "sigmoid": "Sigmoid", "gelu": "Gelu"}[name], x)

    def max_pool(self, x: Value, size: int, stride: int, padding: int) -> Value:
        return self.add("MaxPool", x, kernel_shape=[size] * 2, strides=[stride] * 2, pads=[padding] * 4)

    def mean(self, x: Value) -> Value:
        return self.add("GlobalAveragePool", x)

    def bins(self, x: Value, matrix: np.ndarray) -> Value:
        return self.add("MatMul", self.add("MatMul", self._constant(matrix), x), self._constant(matrix.T))

    def flatten(self, x: Value) -> Value:
        return self.add("Flatten", x)

    def layer_norm(self, x: Value, layer: Layer) -> Value:
        return self.add("LayerNormalization", x, *self._weights(layer), epsilon=LAYER_EPSILON)

    def tokens(self, x: Value) -> Value:
        return self.add("Transpose", self._reshaped(x, 0, 0, -1), perm=[0, 2, 1])

    def images(self, x: Value, side: int) -> Value:
        return self._reshaped(self.add("Transpose", x, perm=[0, 2, 1]), 0, 0, side, side)

    def scale(self, x: Value, layer: Layer) -> Value:
        return x * self._weights(layer)[0]

    def embed(self, x: Value, token: Layer, positions: Layer) -> Value:
        shape = self._integers(self._images[0], 1, token.shape[2])
        tokens = self.add("Concat", self.add("Expand", *self._weights(token), shape), x, axis=1)
        return tokens + self._weights(positions)[0]

    def attention(self, x: Value, layer: Layer) -> Value:
        # Opset 23 has an operator for this. These are the operators that stand for it in earlier opsets.
        parts = self.add("Transpose", self._reshaped(x, 0, 0, 3, layer.heads, -1), perm=[2, 0, 3, 1, 4])
        q, k, v = (self.add("Gather", parts, self._index(number), axis=0) for number in range(3))
        scores = self.add("MatMul", q, self.add("Transpose", k, perm=[0, 1, 3, 2]))
        shares = self.add("Softmax", scores * self._constant(layer.head_size**-0.5), axis=-1)
        return self._reshaped(self.add("Transpose", self.add("MatMul", shares, v), perm=[0, 2, 1, 3]), 0, 0, -1)

    def first(self, x: Value) -> Value:
        return self.add("Gather", x, self._index(0), axis=1)

    def model(self, logits: Value) -> onnx.ModelProto:
        """The whole model, with `logits` (N × classes) as its output."""
        kind = helper.np_dtype_to_tensor_dtype(self._type)
        graph = helper.make_graph(
            [*self._nodes, helper.make_node("Identity", [logits.name], [OUTPUT])],
            "levelfield",
            [helper.make_tensor_value_info(INPUT, kind, self._images)],
            [helper.make_tensor_value_info(OUTPUT, kind, (self._images[0], "classes"))],
        )
        offset = 0
        for name in self._parameters:
            array = self._arrays[name]
            tensor = graph.initializer.add(name=name, data_type=kind, dims=array.shape, data_location=EXTERNAL)
            for key, value in (("location", WEIGHTS_FILE), ("offset", offset), ("length", array.nbytes)):
                tensor.external_data.add(key=key, value=str(value))
            offset += array.nbytes
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)

    def _weights(self, layer: Layer) -> list[Value]:
        names = [f"{layer.name}.{part}" for part in layer.sizes]
        self._parameters += names
        return [Value(self, name) for name in names]

    def _reshaped(self, x: Value, *shape: int) -> Value:
        """The tensor in another shape, in which 0 keeps the size of an axis and -1 is what remains."""
        return self.add("Reshape", x, self._integers(*shape))

    def _index(self, value: int) -> Value:
        return self.add("Constant", value_int=value)

    def _integers(self, *values: int) -> Value:
        return self.add("Constant", value_ints=values)

    def _constant(self, value: np.ndarray | float) -> Value:
        """A constant that is not a parameter, in the graph's precision."""
        return self.add("Constant", value=numpy_helper.from_array(np.asarray(value, self._type)))


def save(model: onnx.ModelProto, arrays: Mapping[str, np.ndarray], path: Path) -> None:
    """Write the graph to `path` and its parameters into the same folder.

    onnx.save_model would hold the parameters in memory four times.
    """
    with (path.parent / WEIGHTS_FILE).open("wb") as file:
        for tensor in model.graph.initializer:
            arrays[tensor.name].tofile(file)
    path.write_bytes(model.SerializeToString())
