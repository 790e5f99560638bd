"""One optimiser step of a network: forward, loss, backward, update; the tape starts from no gradient."""

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
"""Of the loss in float16: Keras's default, and what PyTorch is given."""

TrainStep = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""Takes a batch and its labels, updates the model and gives the loss before the update."""


def prepare(request: Request) -> StepWork:
    """Model with the shared weights, batch and labels, Adam; a step updates the weights once."""
    case, classes = request.case, CLASSES[request.case.network]
    device = devices.configure(request)

    def fresh(policy: str = devices.MIXED[case.precision]) -> keras.Model:
        return build(case.network, classes, weights(case.network, case.seed, classes), case.input_size, policy)

    model, criterion = fresh(), CrossEntropy()
    parameters, kept_in = sizes(model, classes), devices.kept_in(model)
    given, targets = shared_batch(request)
    batch = nhwc(given), targets
    layout = devices.layout(batch[0])
    prepared = VARIANTS[request.competitor.variant](model, criterion, batch, request, device)
    return training(
        request,
        step=prepared.step,
        synchronize=devices.synchronizer(device),
        logits=lambda part: fresh()(nhwc(part), training=False).numpy(),
        double=in_double(fresh),
        parameters=parameters,
        seen=lambda: devices.seen([Computed(place, criterion.given) for place in prepared.places()], layout, kept_in),
        stages=prepared.stages,
        close=prepared.close,
    )


@dataclass(frozen=True)
class Prepared:
    """A variant made ready: `step` is timed and gives the loss; `places` are the devices that it computed on."""

    step: Callable[[], object]
    places: Callable[[], list[str]]
    stages: Mapping[str, Stage] = field(default_factory=dict)
    close: Callable[[], None] = lambda: None


Batch = tuple[np.ndarray, np.ndarray]
"""Images and labels."""


class CrossEntropy(keras.losses.SparseCategoricalCrossentropy):
    """Keras's, on logits and in float32, which remembers the type that the logits came in.

    It is the one place that the logits of every variant pass through, those of `train_on_batch` too; a traced step
    does so when it is traced.
    """

    given: str

    def __init__(self) -> None:
        super().__init__(from_logits=True)

    def __call__(self, targets: tf.Tensor, logits: tf.Tensor, sample_weight: tf.Tensor | None = None) -> tf.Tensor:
        """The mean over the batch."""
        self.given = keras.backend.standardize_dtype(logits.dtype)
        return super().__call__(targets, logits, sample_weight)


def eager(model: keras.Model, criterion: CrossEntropy, batch: Batch, request: Request, device: str) -> Prepared:
    """The step called, operation by operation."""
    return _called(train_step_of(model, criterion), model, batch, request, device)


def graph(model: keras.Model, criterion: CrossEntropy, batch: Batch, request: Request, device: str) -> Prepared:
    """The step as a traced function."""
    return _called(tf.function(train_step_of(model, criterion), jit_compile=False), model, batch, request, device)


def xla(model: keras.Model, criterion: CrossEntropy, batch: Batch, request: Request, device: str) -> Prepared:
    """The traced function, compiled as a whole."""
    return _called(tf.function(train_step_of(model, criterion), jit_compile=True), model, batch, request, device)


def predict(model: keras.Model, criterion: CrossEntropy, batch: Batch, request: Request, device: str) -> Prepared:
    """What a Keras user calls; it brings a batch to the device, scales a loss in float16 and reads every loss."""
    # Left to itself, Keras would ask XLA on a GPU.
    model.compile(optimizer=adam(), loss=criterion, jit_compile=False, run_eagerly=False)
    given = batch if begins_on_host(request) else tuple(devices.put(array, device) for array in batch)
    return Prepared(lambda: model.train_on_batch(*given), lambda: devices.places(model))


def graph_v1(model: keras.Model, criterion: CrossEntropy, batch: Batch, request: Request, device: str) -> Prepared:
    """A static graph in a session of TensorFlow 1."""
    return _in_session(train_step_of(model, criterion), batch, request, device)


def tuned(model: keras.Model, criterion: CrossEntropy, batch: Batch, request: Request, device: str) -> Prepared:
    """The fastest of the documented ways that was found: on a CPU the session, the optimiser's update compiled by XLA.

    Adam's dozen operations on each weight become one loop. That XLA is the fastest on a GPU is a guess.
    """
    if request.case.device == "gpu":
        return xla(model, criterion, batch, request, device)
    return _in_session(train_step_of(model, criterion, compiled_update=True), batch, request, device)


VARIANTS = {"graph": graph, "eager": eager, "xla": xla, "graph_v1": graph_v1, "predict": predict, "tuned": tuned}


def _called(train_step: TrainStep, model: keras.Model, batch: Batch, request: Request, device: str) -> Prepared:
    """The step of tensors on the device, called with the batch that the scope gives each step."""
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
    """A function that updates the model once with Adam and gives the loss before the update.

    `observe`, where given, is called in each step with the loss, the logits and the targets; XLA makes one loop of each
    weight's update where `compiled_update`.
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
    """The optimiser of docs/fairness.md, as Keras has it."""
    return keras.optimizers.Adam(learning_rate=1e-3, beta_1=0.9, beta_2=0.999, epsilon=1e-8)
