"""An ONNX graph, written down one operator at a time; every initializer in it is one of the shared weights."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from runners.harness.workload import Invalid

OPSET, IR_VERSION = 21, 10
"""Of ONNX 1.16; fixed, so that a newer onnx does not change the graph."""
BATCH_NORM_EPSILON = 1e-5
INPUT, OUTPUT = "images", "logits"
WEIGHTS_FILE = "weights"
EXTERNAL = onnx.TensorProto.EXTERNAL


class Graph:
    """Operators over images of N × 3 × size × size; a method adds one and returns its output's name.

    Parameters have the names of the shared weights (runners/reference) and stay outside, in a file (see `save`).
    """

    def __init__(self, arrays: Mapping[str, np.ndarray], batch: int, size: int) -> None:
        self.size = size
        self._arrays = arrays
        self._images = (batch, 3, size, size)
        self._type = np.result_type(*arrays.values())
        self._nodes: list[onnx.NodeProto] = []
        self._taken: dict[str, None] = {}

    def add(self, operator: str, *inputs: str, **attributes: object) -> str:
        """Any operator with one output."""
        output = f"{operator}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def constant(self, value: np.ndarray | float) -> str:
        """A number or a matrix that is no parameter, in the graph's precision."""
        return self.add("Constant", value=numpy_helper.from_array(np.asarray(value, self._type)))

    def conv(self, x: str, layer: str, stride: int = 1, bias: bool = False, depthwise: bool = False) -> str:
        """A convolution that pads symmetrically, whatever its stride."""
        weights = self._parameters(layer, "weight", *(["bias"] if bias else []))
        channels, _, height, width = self._arrays[weights[0]].shape
        pads, group = [height // 2, width // 2] * 2, channels if depthwise else 1
        return self.add("Conv", x, *weights, strides=[stride, stride], pads=pads, group=group)

    def batch_norm(self, x: str, layer: str) -> str:
        """A batch norm in evaluation mode with torch's epsilon."""
        weights = self._parameters(layer, "weight", "bias", "mean", "var")
        return self.add("BatchNormalization", x, *weights, epsilon=BATCH_NORM_EPSILON)

    def dense(self, x: str, layer: str) -> str:
        """A dense layer; the shared weights are out × in."""
        return self.add("Gemm", x, *self._parameters(layer, "weight", "bias"), transB=1)

    def relu(self, x: str) -> str:
        """ReLU."""
        return self.add("Relu", x)

    def relu6(self, x: str) -> str:
        """ReLU cut off at 6."""
        return self.add("Clip", x, self.constant(0.0), self.constant(6.0))

    def silu(self, x: str) -> str:
        """x · sigmoid(x). Opset 24's Swish is the same, but ONNX Runtime 1.31 takes it apart and fuses nothing."""
        return self.add("Mul", x, self.add("Sigmoid", x))

    def max_pool(self, x: str, kernel: int, stride: int, padding: int = 0) -> str:
        """Max-pool over squares."""
        return self.add("MaxPool", x, kernel_shape=[kernel, kernel], strides=[stride, stride], pads=[padding] * 4)

    def average(self, x: str) -> str:
        """Global average pool: N × channels."""
        return self.add("Flatten", self.add("GlobalAveragePool", x))

    def model(self, logits: str) -> onnx.ModelProto:
        """The whole, `logits` (N × classes) its output. A shared weight that no layer took raises Invalid."""
        left = sorted(set(self._arrays) - set(self._taken))
        if left:
            raise Invalid("PARAMETERS", f"layers that only one side has: {', '.join(left[:6])}")
        kind = helper.np_dtype_to_tensor_dtype(self._type)
        graph = helper.make_graph(
            [*self._nodes, helper.make_node("Identity", [logits], [OUTPUT])],
            "levelfield",
            [helper.make_tensor_value_info(INPUT, kind, self._images)],
            [helper.make_tensor_value_info(OUTPUT, kind, (self._images[0], "classes"))],
        )
        offset = 0
        for name in self._taken:
            array = self._arrays[name]
            tensor = graph.initializer.add(name=name, data_type=kind, dims=array.shape, data_location=EXTERNAL)
            for key, value in (("location", WEIGHTS_FILE), ("offset", offset), ("length", array.nbytes)):
                tensor.external_data.add(key=key, value=str(value))
            offset += array.nbytes
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)

    def _parameters(self, layer: str, *parts: str) -> list[str]:
        names = [f"{layer}.{part}" for part in parts]
        for name in names:
            if name not in self._arrays:
                raise Invalid("PARAMETERS", f"layers that only one side has: {name}")
            self._taken[name] = None
        return names


def save(model: onnx.ModelProto, arrays: Mapping[str, np.ndarray], path: Path) -> None:
    """Write the graph to `path` and its parameters beside it; onnx.save_model would hold them in memory four times."""
    with (path.parent / WEIGHTS_FILE).open("wb") as file:
        for tensor in model.graph.initializer:
            arrays[tensor.name].tofile(file)
    path.write_bytes(model.SerializeToString())
