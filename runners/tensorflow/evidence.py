"""What shows, after the clock, that training was the case's: fresh models from the shared weights."""

from collections.abc import Callable, Mapping

import keras
import numpy as np
import tensorflow as tf

from runners.harness.memory import room_for_double
from runners.harness.record import Check
from runners.harness.workload import OutOfMemory, Request
from runners.reference.batch import REFERENCE_IMAGES, images, labels
from runners.reference.sketch import sketch
from runners.reference.weights import digest
from runners.tensorflow import device as devices
from runners.tensorflow.networks import build, counts
from runners.tensorflow.scope import nhwc

COMPARED_LOSSES = 4

TrainStep = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def evidence(request: Request, classes: int, arrays: Mapping[str, np.ndarray]) -> Check:
    """What a fresh model, built as the trained one was, and one trained in float64 show."""
    case = request.case
    fresh = build(case.network, classes, arrays, devices.MIXED[case.precision])
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
    batch = tf.constant(nhwc(images(case.seed, case.batch_size, case.input_size)))
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

    if request.case.device == "cpu" and not room_for_double():
        return None, None
    try:
        return run()
    except OutOfMemory:
        return None, None


def _losses_by_the_letter(model: keras.Model, batch: tf.Tensor, targets: tf.Tensor) -> list[float]:
    """The losses before each of the first steps of Adam's algorithm 1."""
    rate, beta1, beta2, epsilon = 1e-3, 0.9, 0.999, 1e-8
    variables = [variable.value for variable in model.trainable_variables]
    moments = [(tf.zeros_like(variable), tf.zeros_like(variable)) for variable in variables]
    losses = []
    for step in range(1, COMPARED_LOSSES + 1):
        with tf.GradientTape() as tape:
            logits = model(batch, training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits))
        losses.append(float(loss))
        gradients = tape.gradient(loss, variables)
        for number, (variable, g) in enumerate(zip(variables, gradients, strict=True)):
            mean, square = moments[number]
            mean, square = beta1 * mean + (1 - beta1) * g, beta2 * square + (1 - beta2) * g * g
            moments[number] = mean, square
            corrected = tf.sqrt(square / (1 - beta2**step)) + epsilon
            variable.assign_sub(rate / (1 - beta1**step) * mean / corrected)
    return losses
