"""One optimiser step of a network: forward, loss, backward, update. A new tape needs no reset of gradients."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import keras
import numpy as np
import tensorflow as tf

from runners.harness.workload import Request, Stage, StepWork
from runners.reference.batch import begins_on_host, feed, shared_batch
from runners.reference.evidence import training
from runners.reference.layers import CLASSES
from runners.reference.layout import nhwc
from runners.reference.weights import weights
from runners.tensorflow import device as devices
from runners.tensorflow.device import Computed
from runners.tensorflow.graph_v1 import StaticTraining
from runners.tensorflow.network import build, sizes
from runners.tensorflow.textbook import in_double

INITIAL_SCALE = 2.0**15
"""The initial scale of the loss in float16: Keras's default; PyTorch gets the same."""

TrainStep = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""Takes a batch and its labels, updates the model, and returns the loss before the update."""


def prepare(request: Request) -> StepWork:
    """The model with the shared weights, a batch with its labels, and Adam. A step updates the weights once."""
    case, classes = request.case, CLASSES[request.case.network]
    device = devices.configure(request)

    def fresh(policy: str = devices.MIXED[case.precision]) -> keras.Model:
        return build(case.network, classes, weights(case.network, case.seed, classes), case.input_size, policy)

    model, criterion = fresh(), CrossEntropy()
    parameters, parameter_precision = sizes(model, classes), devices.parameter_precision(model)
    images, targets = shared_batch(request)
    batch = nhwc(images), targets
    layout = devices.layout(batch[0])
    prepared = VARIANTS[request.competitor.variant](model, criterion, batch, request, device)
    return training(
        request,
        step=prepared.step,
        synchronize=devices.synchronizer(device),
        logits=lambda part: fresh()(nhwc(part), training=False).numpy(),
        double=in_double(fresh),
        parameters=parameters,
        seen=lambda: devices.seen(
            [Computed(place, criterion.logits_dtype) for place in prepared.places()], layout, parameter_precision
        ),
        stages=prepared.stages,
        close=prepared.close,
    )


@dataclass(frozen=True)
class Prepared:
    """A variant that is ready to run. `step` is timed and returns the loss; `places` gives its devices."""

    step: Callable[[], object]
    places: Callable[[], list[str]]
    stages: Mapping[str, Stage] = field(default_factory=dict)
    close: Callable[[], None] = lambda: None


Batch = tuple[np.ndarray, np.ndarray]
"""Images and labels."""


class CrossEntropy(keras.losses.SparseCategoricalCrossentropy):
    """Keras's cross-entropy on logits, which remembers the type of the logits.

    The logits of every variant pass through it, `train_on_batch` included. A traced step calls it during tracing.
    """

    logits_dtype: str

    def __init__(self) -> None:
        super().__init__(from_logits=True)

    def __call__(self, targets: tf.Tensor, logits: tf.Tensor, sample_weight: tf.Tensor | None = None) -> tf.Tensor:
        """The mean over the batch."""
        self.logits_dtype = keras.backend.standardize_dtype(logits.dtype)
        return super().__call__(targets, logits, sample_weight)


def eager(model: keras.Model, criterion: CrossEntropy, batch: Batch, request: Request, device: str) -> Prepared:
    """The step as it is, operation by operation."""
    return _called(train_step_of(model, criterion), model, batch, request, device)


def graph(model: keras.Model, criterion: CrossEntropy, batch: Batch, request: Request, device: str) -> Prepared:
    """The step as a traced function."""
    return _called(tf.function(train_step_of(model, criterion), jit_compile=False), model, batch, request, device)


def xla(model: keras.Model, criterion: CrossEntropy, batch: Batch, request: Request, device: str) -> Prepared:
    """The traced function, compiled as a whole."""
    return _called(tf.function(train_step_of(model, criterion), jit_compile=True), model, batch, request, device)


def predict(model: keras.Model, criterion: CrossEntropy, batch: Batch, request: Request, device: str) -> Prepared:
    """Keras's `train_on_batch`, which copies the batch to the device, scales a float16 loss, and reads every loss."""
    # By default, Keras uses XLA on a GPU.
    model.compile(optimizer=adam(), loss=criterion, jit_compile=False, run_eagerly=False)
    given = batch if begins_on_host(request) else tuple(devices.put(array, device) for array in batch)
    return Prepared(lambda: model.train_on_batch(*given), lambda: devices.places(model))


def graph_v1(model: keras.Model, criterion: CrossEntropy, batch: Batch, request: Request, device: str) -> Prepared:
    """A static graph in a session of TensorFlow 1."""
    return _in_session(train_step_of(model, criterion), batch, request, device)


def tuned(model: keras.Model, criterion: CrossEntropy, batch: Batch, request: Request, device: str) -> Prepared:
    """The fastest documented way that we found: on a CPU the session, with the optimiser's update compiled by XLA.

    XLA makes one loop of Adam's dozen operations on each weight. On a GPU, XLA for the whole step is a guess.
    """
    if request.case.device == "gpu":
        return xla(model, criterion, batch, request, device)
    return _in_session(train_step_of(model, criterion, compiled_update=True), batch, request, device)


VARIANTS = {"graph": graph, "eager": eager, "xla": xla, "graph_v1": graph_v1, "predict": predict, "tuned": tuned}


def _called(train_step: TrainStep, model: keras.Model, batch: Batch, request: Request, device: str) -> Prepared:
    """A step on tensors on the device. Each call gets the batch that the scope demands."""
    given, targets = (feed(array, request, lambda array: devices.put(array, device)) for array in batch)
    return Prepared(lambda: train_step(given(), targets()), lambda: devices.places(model))


def _in_session(train_step: TrainStep, batch: Batch, request: Request, device: str) -> Prepared:
    static = StaticTraining(train_step, *batch, request, device)
    return Prepared(static.step, static.places, {"compile": Stage(static.compile)}, static.close)


def train_step_of(
    model: keras.Model,
    criterion: keras.losses.Loss,
    observe: Callable[[tf.Tensor, tf.Tensor, tf.Tensor], object] | None = None,
    compiled_update: bool = False,
) -> TrainStep:
    """A function that updates the model once with Adam and returns the loss before the update.

    Each step calls `observe` with the loss, the logits and the targets. With `compiled_update`, XLA compiles the update
    of each weight to one loop.
    """
    optimizer = adam()
    if model.compute_dtype == "float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, INITIAL_SCALE)
    optimizer.build(model.trainable_variables)

    def update(gradients: list[tf.Tensor]) -> None:
        optimizer.apply(gradients, model.trainable_variables)

    if compiled_update:
        update = tf.function(update, jit_compile=True)

    def train_step(batch: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = model(batch, training=True)
            loss = criterion(targets, logits)
            scaled = optimizer.scale_loss(loss)
        update(tape.gradient(scaled, model.trainable_variables))
        if observe:
            observe(loss, logits, targets)
        return loss

    return train_step


def adam() -> keras.optimizers.Adam:
    """The optimiser of docs/fairness.md: Keras's Adam."""
    return keras.optimizers.Adam(learning_rate=1e-3, beta_1=0.9, beta_2=0.999, epsilon=1e-8)
