"""One optimiser step of a network: forward, loss, backward, update; the tape starts from no gradient."""

import dataclasses
from collections.abc import Callable, Mapping

import keras
import numpy as np
import tensorflow as tf

from runners.harness.record import Check
from runners.harness.workload import OutOfMemory, Request, StepWork
from runners.reference.batch import REFERENCE_IMAGES, images, labels
from runners.reference.layers import CLASSES
from runners.reference.sketch import sketch
from runners.reference.weights import digest, weights
from runners.tensorflow import device as devices
from runners.tensorflow.infer import nhwc
from runners.tensorflow.networks import build, counts

COMPARED_LOSSES = 4

TrainStep = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


@devices.naming_out_of_memory
def prepare(request: Request) -> StepWork:
    """Model with the shared weights, batch and labels on the device, Adam; a step updates the weights once."""
    case = request.case
    device = devices.configure(request)
    classes = CLASSES[case.network]
    arrays = weights(case.network, case.seed, classes)
    model = build(case.network, classes, arrays)
    batch = nhwc(images(case.seed, case.batch_size, case.input_size))
    targets = tf.constant(labels(case.seed, case.batch_size, classes))
    losses: list[tf.Tensor] = []

    train_step = train_step_of(model)
    if request.competitor.variant == "graph":
        train_step = tf.function(train_step, jit_compile=False)

    @devices.naming_out_of_memory
    def step() -> None:
        losses[COMPARED_LOSSES:] = [train_step(batch, targets)]  # the first four, then the latest

    def check() -> Check:
        while len(losses) < COMPARED_LOSSES:
            step()
        return dataclasses.replace(
            evidence(request, classes, arrays),
            losses=[float(loss) for loss in losses[:COMPARED_LOSSES]],
            loss_first=float(losses[0]),
            loss_last=float(losses[-1]),
        )

    return StepWork(
        step=step,
        synchronize=devices.synchronizer(device),
        items=case.batch_size,
        check=check,
        effective=lambda: devices.effective(request, model.variables, devices.layout(batch)),
        close=lambda: None,
        gpu_peaks=lambda: devices.gpu_peaks(device),
    )


def train_step_of(
    model: keras.Model, observe: Callable[[tf.Tensor, tf.Tensor, tf.Tensor], object] | None = None
) -> TrainStep:
    """A function that updates the model once with Adam and gives the loss before the update.

    `observe`, where given, is called in each step with the loss, the logits and the targets.
    """
    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = adam()
    optimizer.build(model.trainable_variables)

    def train_step(batch: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = model(batch, training=True)
            loss = criterion(targets, logits)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        if observe:
            observe(loss, logits, targets)
        return loss

    return train_step


def adam() -> keras.optimizers.Adam:
    """The optimiser of docs/fairness.md, as Keras has it."""
    return keras.optimizers.Adam(learning_rate=1e-3, beta_1=0.9, beta_2=0.999, epsilon=1e-8)


def evidence(request: Request, classes: int, arrays: Mapping[str, np.ndarray]) -> Check:
    """What fresh models from the shared weights show, built as the trained one was, when nothing is timed any more."""
    case = request.case
    fresh = build(case.network, classes, arrays)
    logits = fresh(nhwc(images(case.seed, REFERENCE_IMAGES, case.input_size)), training=False)
    found = counts(fresh)
    losses, evaluated = trained_in_double(request, classes, arrays)
    return Check(
        trainable=found.trainable,
        non_trainable=found.non_trainable,
        weights_digest=digest(arrays),
        logits_sketch=sketch(logits.numpy()),
        losses_fp64=losses,
        evaluated_fp64=evaluated,
    )


def first_losses(train_step: TrainStep, request: Request, classes: int) -> list[float]:
    """The losses that the first steps on the shared batch give."""
    case = request.case
    batch = nhwc(images(case.seed, case.batch_size, case.input_size))
    targets = tf.constant(labels(case.seed, case.batch_size, classes))
    return [float(train_step(batch, targets)) for _ in range(COMPARED_LOSSES)]


def trained_in_double(
    request: Request, classes: int, arrays: Mapping[str, np.ndarray]
) -> tuple[list[float] | None, list[float] | None]:
    """The first losses in float64 and to the letter of Adam, and a sketch of the logits in evaluation mode after them.

    Keras's Adam adds ε before the bias correction (Kingma and Ba 2015, section 2.1), so that it counts 32 times
    as much in the first step as in their algorithm 1, which is PyTorch's; and it rounds β to float32. Its users
    have it so, so it is timed so. This run has neither: what it is away from the timed one is what rounding and
    Keras's Adam come to, and what it is away from PyTorch's is a difference in the work. None without the memory.
    """
    case = request.case

    @devices.naming_out_of_memory
    def run() -> tuple[list[float], list[float]]:
        model = build(case.network, classes, arrays, "float64")
        batch = tf.cast(nhwc(images(case.seed, case.batch_size, case.input_size)), tf.float64)
        targets = tf.constant(labels(case.seed, case.batch_size, classes))
        losses = _losses_by_the_letter(model, batch, targets)
        reference = tf.cast(nhwc(images(case.seed, REFERENCE_IMAGES, case.input_size)), tf.float64)
        return losses, sketch(model(reference, training=False).numpy())

    try:
        return run()
    except OutOfMemory:
        return None, None


def _losses_by_the_letter(model: keras.Model, batch: tf.Tensor, targets: tf.Tensor) -> list[float]:
    """The losses before each of the first steps of Adam's algorithm 1."""
    rate, beta1, beta2, epsilon = 1e-3, 0.9, 0.999, 1e-8
    variables = [variable.value for variable in model.trainable_variables]
    means = [tf.zeros_like(variable) for variable in variables]
    squares = [tf.zeros_like(variable) for variable in variables]
    losses = []
    for number in range(1, COMPARED_LOSSES + 1):
        with tf.GradientTape() as tape:
            logits = model(batch, training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits))
        losses.append(float(loss))
        gradients = tape.gradient(loss, variables)
        means = [beta1 * m + (1 - beta1) * g for m, g in zip(means, gradients, strict=True)]
        squares = [beta2 * v + (1 - beta2) * g * g for v, g in zip(squares, gradients, strict=True)]
        for variable, m, v in zip(variables, means, squares, strict=True):
            corrected = tf.sqrt(v / (1 - beta2**number)) + epsilon
            variable.assign_sub(rate / (1 - beta1**number) * m / corrected)
    return losses
