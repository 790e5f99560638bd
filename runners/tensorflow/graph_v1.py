"""Static graphs that run in a session of TensorFlow 1.

Keras 3 cannot build networks in such a session. So its network is traced as usual, and the traced graph is imported
node by node.
"""

import gc
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2_as_graph

from runners.harness.workload import Request
from runners.reference.batch import begins_on_host
from runners.reference.precision import DTYPES
from runners.tensorflow.device import Computed

v1 = tf.compat.v1

ARITHMETIC = ("Conv2D", "MatMul")
"""Parts of the names of a network's arithmetic operations, be they plain, fused or oneDNN's."""


class FrozenForward:
    """A network with its weights as constants of the graph. A step runs the network without fetching its output."""

    def __init__(self, model: keras.Model, batch: np.ndarray, request: Request, device: str) -> None:
        self._model, self._batch, self._request, self._device = model, batch, request, device

    def compile(self) -> None:
        """Freeze the network, import it, and give the steps their batch."""
        dtype = tf.as_dtype(DTYPES[self._request.case.precision])
        frozen, images, logits = self._frozen(dtype)
        self._model = None
        _free_model()  # now, because the next form of the graph holds a further copy of all weights
        self._start(frozen, images, logits, dtype)

    def _frozen(self, dtype: tf.DType) -> tuple[v1.GraphDef, str, str]:
        """The network with its weights as constants, and the names of its input and its output."""
        traced = tf.function(lambda images: self._model(images, training=False))
        function, graph = convert_variables_to_constants_v2_as_graph(
            traced.get_concrete_function(tf.TensorSpec(self._batch.shape, dtype))
        )
        return graph, function.inputs[0].name, function.outputs[0].name

    def _start(self, frozen: v1.GraphDef, images: str, logits: str, dtype: tf.DType) -> None:
        with tf.Graph().as_default() as graph, tf.device(self._device):
            self._inputs = _Inputs([self._batch], [dtype], self._request)
            [self._logits] = tf.import_graph_def(frozen, {images: self._inputs.tensors[0]}, [logits])
        self._session = _session(graph, self._request)
        self._feeds = self._inputs.feed(self._session, self._batch)
        self._quick_run = self._session.make_callable(self._logits.op, feed_list=list(self._feeds))
        self._batch = None

    def step(self) -> None:
        """One forward pass."""
        self._session.run(self._logits.op, self._feeds)

    def quick_step(self) -> None:
        """One forward pass without the checks of `run`, which take up to a tenth of a millisecond."""
        self._quick_run(*self._feeds.values())

    def logits(self, batch: np.ndarray) -> np.ndarray:
        """The logits of another batch, from the same graph."""
        return self._session.run(self._logits, self._inputs.feed(self._session, batch))

    def computed(self) -> list[Computed]:
        """The devices of the step's arithmetic, with the type of the logits."""
        dtype = self._session.run(self._logits, self._feeds).dtype
        nodes = executed(self._session, self._logits.op, self._feeds, any_operation=bool(self._request.case.model))
        return [Computed(node.device, dtype) for node in nodes]

    def close(self) -> None:
        """End the session."""
        self._session.close()


class StaticTraining:
    """An optimiser step as a graph with variables of its own. A step does all updates and fetches only the loss."""

    def __init__(
        self, train_step: Callable, batch: np.ndarray, targets: np.ndarray, request: Request, device: str
    ) -> None:
        self._train_step, self._arrays, self._request, self._device = train_step, [batch, targets], request, device

    def compile(self) -> None:
        """Trace the step, import it with variables of the session instead of Keras's, and copy their values."""
        self._start()
        self._train_step = None
        _free_model()

    def _start(self) -> None:
        specs = [tf.TensorSpec(array.shape, array.dtype) for array in self._arrays]
        traced = tf.function(self._train_step).get_concrete_function(*specs).graph
        originals = {id(variable.handle): variable for variable in traced.variables}
        initializers, values = [], {}
        with tf.Graph().as_default() as graph, tf.device(self._device):
            self._inputs = _Inputs(self._arrays, [spec.dtype for spec in specs], self._request)
            replaced = dict(zip([tensor.name for tensor in traced.inputs], self._inputs.tensors, strict=False))
            for handle, captured in traced.captures:
                original = originals[id(handle)]
                value = v1.placeholder(original.dtype, original.shape)
                copy = v1.Variable(value, trainable=False, use_resource=True)
                replaced[captured.name] = copy.handle
                initializers.append(copy.initializer)
                values[value] = original
            wanted = [traced.outputs[0].name, *(operation.name for operation in traced.control_outputs)]
            self._loss, *updates = tf.import_graph_def(traced.as_graph_def(), replaced, wanted)
            self._updates = tf.group(updates)
        self._session = _session(graph, self._request)
        self._session.run(initializers, {value: original.numpy() for value, original in values.items()})
        self._feeds = self._inputs.feed(self._session, *self._arrays)
        self._arrays = None

    def step(self) -> np.ndarray:
        """One update. Returns the loss before it."""
        return self._session.run([self._loss, self._updates], self._feeds)[0]

    def places(self) -> list[str]:
        """The devices of the step's arithmetic."""
        return [node.device for node in executed(self._session, [self._loss, self._updates], self._feeds)]

    def close(self) -> None:
        """End the session."""
        self._session.close()


class _Inputs:
    """The inputs of a step: variables of the graph, or placeholders if the step begins in the host's memory.

    A constant batch would be folded into the graph together with layers whose output is small: of a small frozen
    network nothing would be left.
    """

    def __init__(self, arrays: list[np.ndarray], dtypes: list[tf.DType], request: Request) -> None:
        self._placeholders = [v1.placeholder(array.dtype, array.shape) for array in arrays]
        self.tensors = [tf.cast(fed, dtype) for fed, dtype in zip(self._placeholders, dtypes, strict=True)]
        self._fill = None
        if not begins_on_host(request):
            variables = [v1.Variable(tensor, trainable=False, use_resource=True) for tensor in self.tensors]
            self.tensors = [variable.read_value() for variable in variables]
            self._fill = [variable.initializer for variable in variables]

    def feed(self, session: v1.Session, *arrays: np.ndarray) -> dict[tf.Tensor, np.ndarray]:
        """Give `arrays` to the following steps. Returns the feeds that each of them needs."""
        feeds = dict(zip(self._placeholders, arrays, strict=True))
        if self._fill is None:
            return feeds
        session.run(self._fill, feeds)
        return {}


def executed(
    session: v1.Session, fetches: object, feeds: dict[tf.Tensor, np.ndarray], any_operation: bool = False
) -> list[v1.NodeDef]:
    """The arithmetic operations that a run of `fetches` executes, after optimisation and placement on devices.

    With `any_operation`, all its operations: a user's own model may do no such arithmetic.
    """
    metadata = v1.RunMetadata()
    session.run(fetches, feeds, v1.RunOptions(output_partition_graphs=True), metadata)
    nodes = (node for graph in metadata.partition_graphs for node in graph.node)
    return [node for node in nodes if any_operation or any(name in node.op for name in ARITHMETIC)]


def _session(graph: tf.Graph, request: Request) -> v1.Session:
    config = v1.ConfigProto(
        intra_op_parallelism_threads=request.threads,
        inter_op_parallelism_threads=request.threads,
        device_count={} if request.case.device == "gpu" else {"GPU": 0},
        allow_soft_placement=True,  # a few integer operations have no GPU kernel
    )
    config.gpu_options.allow_growth = True
    return v1.Session(graph=graph, config=config)


def _free_model() -> None:
    """Free the imported model. It is full of reference cycles, and the harness has hidden it from the collector."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
