"""One forward pass of a network in evaluation mode."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import keras
import numpy as np
import tensorflow as tf

from runners.harness.workload import Request, Stage, StepWork
from runners.reference.batch import begins_on_host, feed, images
from runners.reference.evidence import inference
from runners.reference.layers import CLASSES
from runners.reference.layout import nhwc
from runners.reference.precision import DTYPES
from runners.reference.weights import weights
from runners.tensorflow import device as devices
from runners.tensorflow.device import Computed
from runners.tensorflow.graph_v1 import FrozenForward
from runners.tensorflow.network import build, sizes


def prepare(request: Request) -> StepWork:
    """The model with the shared weights, and a batch on the device or in the host's memory. A step: `model(batch)`."""
    case, classes = request.case, CLASSES[request.case.network]
    device = devices.configure(request)
    arrays = weights(case.network, case.seed, classes)
    model = build(case.network, classes, arrays, case.input_size, DTYPES[case.precision])
    del arrays  # a step does not need them, and its memory is measured
    parameters, parameter_precision = sizes(model, classes), devices.parameter_precision(model)
    batch = nhwc(images(case.seed, case.batch_size, case.input_size))
    layout = devices.layout(batch)
    prepared = VARIANTS[request.competitor.variant](model, batch, request, device)
    return inference(
        request,
        step=prepared.step,
        synchronize=devices.synchronizer(device),
        logits=lambda part: prepared.logits(nhwc(part)),
        parameters=parameters,
        seen=lambda: devices.seen(prepared.computed(), layout, parameter_precision),
        stages=prepared.stages,
        close=prepared.close,
    )


@dataclass(frozen=True)
class Prepared:
    """A variant that is ready to run. `step` is timed, `logits` runs the same code on other images.

    `computed` gives the devices and the type of the results.
    """

    step: Callable[[], object]
    logits: Callable[[np.ndarray], np.ndarray]
    computed: Callable[[], list[Computed]]
    stages: Mapping[str, Stage] = field(default_factory=dict)
    close: Callable[[], None] = lambda: None


def eager(model: keras.Model, batch: np.ndarray, request: Request, device: str) -> Prepared:
    """The model as it is, operation by operation."""
    return _called(lambda part: model(part, training=False), model, batch, request, device)


def graph(model: keras.Model, batch: np.ndarray, request: Request, device: str) -> Prepared:
    """The model as a traced function."""
    traced = tf.function(lambda part: model(part, training=False), jit_compile=False)
    return _called(traced, model, batch, request, device)


def xla(model: keras.Model, batch: np.ndarray, request: Request, device: str) -> Prepared:
    """The traced function, compiled as a whole."""
    compiled = tf.function(lambda part: model(part, training=False), jit_compile=True)
    return _called(compiled, model, batch, request, device)


def predict(model: keras.Model, batch: np.ndarray, request: Request, device: str) -> Prepared:
    """Keras's `predict_on_batch`, which copies the batch to the device and the logits back."""
    model.compile(jit_compile=False, run_eagerly=False)  # by default, Keras uses XLA on a GPU
    given = batch if begins_on_host(request) else put(batch, request, device)
    return Prepared(
        step=lambda: model.predict_on_batch(given),
        logits=lambda part: model.predict_on_batch(part if begins_on_host(request) else put(part, request, device)),
        computed=lambda: devices.computed_in(model.predict_on_batch(given), model),
    )


def graph_v1(model: keras.Model, batch: np.ndarray, request: Request, device: str) -> Prepared:
    """A static graph in a session of TensorFlow 1, with the weights as constants."""
    frozen = FrozenForward(model, batch, request, device)
    return Prepared(frozen.step, frozen.logits, frozen.computed, {"compile": Stage(frozen.compile)}, frozen.close)


def tuned(model: keras.Model, batch: np.ndarray, request: Request, device: str) -> Prepared:
    """The fastest documented way that we found: on a CPU the session, without the checks of its `run`.

    On a CPU, XLA compiles some networks badly: depthwise convolutions took thirty times as long. On a GPU, XLA is a
    guess.
    """
    if request.case.device == "gpu":
        return xla(model, batch, request, device)
    frozen = FrozenForward(model, batch, request, device)
    return Prepared(frozen.quick_step, frozen.logits, frozen.computed, {"compile": Stage(frozen.compile)}, frozen.close)


VARIANTS = {"graph": graph, "eager": eager, "xla": xla, "graph_v1": graph_v1, "predict": predict, "tuned": tuned}


def _called(
    forward: Callable[[tf.Tensor], tf.Tensor], model: keras.Model, batch: np.ndarray, request: Request, device: str
) -> Prepared:
    """A function of a tensor on the device. Each step calls it with the batch that the scope demands."""
    given = feed(batch, request, lambda array: put(array, request, device))
    return Prepared(
        step=lambda: forward(given()),
        logits=lambda part: forward(put(part, request, device)).numpy(),
        computed=lambda: devices.computed_in(forward(given()), model),
    )


def put(array: np.ndarray, request: Request, device: str) -> tf.Tensor:
    """A copy on the device, in the type of the computation. If a step makes this copy, the model converts the type."""
    copy = devices.put(array, device)
    return copy if begins_on_host(request) else tf.cast(copy, DTYPES[request.case.precision])
