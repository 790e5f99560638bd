"""One optimiser step of a network: forward, loss, backward, update; the tape starts from no gradient."""

from collections.abc import Callable, Mapping

import keras
import numpy as np
import tensorflow as tf

from runners.harness.case import Case
from runners.harness.record import Check
from runners.harness.workload import OutOfMemory, Request, StepWork
from runners.reference.batch import REFERENCE_IMAGES, images, labels
from runners.reference.layers import CLASSES
from runners.reference.sketch import sketch
from runners.reference.weights import digest, weights
from runners.tensorflow import device as devices
from runners.tensorflow.infer import assert_finite, nhwc
from runners.tensorflow.networks import build, counts

COMPARED_LOSSES = 4


@devices.naming_out_of_memory
def prepare(request: Request) -> StepWork:
    """Model with the shared weights, batch and labels on the device, Adam; a step updates the weights once."""
    case = request.case
    device = devices.configure(request)
    classes = CLASSES[case.network]
    arrays = weights(case.network, case.seed, classes)
    model = build(case.network, classes, arrays)
    logits = assert_finite(model, nhwc(images(case.seed, REFERENCE_IMAGES, case.input_size))).numpy()

    batch = nhwc(images(case.seed, case.batch_size, case.input_size))
    targets = tf.constant(labels(case.seed, case.batch_size, classes))
    losses: list[tf.Tensor] = []

    train_step = train_step_of(model)
    if request.competitor.variant == "graph":
        train_step = tf.function(train_step, jit_compile=False)

    @devices.naming_out_of_memory
    def step() -> tf.Tensor:
        loss = train_step(batch, targets)
        losses[COMPARED_LOSSES:] = [loss]  # the first four, then the latest; read after the clock
        return loss

    def check() -> Check:
        while len(losses) < COMPARED_LOSSES:
            step()
        found = counts(model)
        return Check(
            trainable=found.trainable,
            non_trainable=found.non_trainable,
            weights_digest=digest(arrays),
            logits_sketch=sketch(logits),
            losses=[float(loss) for loss in losses[:COMPARED_LOSSES]],
            losses_fp64=losses_in_double(case, arrays),
            loss_first=float(losses[0]),
            loss_last=float(losses[-1]),
        )

    return StepWork(
        step=step,
        synchronize=devices.synchronizer(device),
        items=case.batch_size,
        check=check,
        effective=lambda: devices.effective(request, device),
        close=lambda: None,
        gpu_peaks=lambda: devices.gpu_peaks(device),
    )


def train_step_of(model: keras.Model) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """A function that updates the model once with Adam and gives the loss before the update."""
    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = adam()
    optimizer.build(model.trainable_variables)

    def train_step(batch: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = criterion(targets, model(batch, training=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return loss

    return train_step


def adam() -> keras.optimizers.Adam:
    """The optimiser of docs/fairness.md, as Keras has it."""
    return keras.optimizers.Adam(learning_rate=1e-3, beta_1=0.9, beta_2=0.999, epsilon=1e-8)


def losses_in_double(case: Case, arrays: Mapping[str, np.ndarray]) -> list[float] | None:
    """The first losses in float64 and to the letter of Adam, or None where there is no memory for them.

    Keras's Adam adds ε before the bias correction (Kingma and Ba 2015, section 2.1), so that it counts 32 times
    as much in the first step as in their algorithm 1, which is PyTorch's; and it rounds β to float32. Its users
    have it so, so it is timed so. This run has neither: what it is away from the timed one is what rounding and
    Keras's Adam come to, and what it is away from PyTorch's is a difference in the work.
    """
    rate, beta1, beta2, epsilon = 1e-3, 0.9, 0.999, 1e-8

    @devices.naming_out_of_memory
    def run() -> list[float]:
        model = build(case.network, CLASSES[case.network], arrays, "float64")
        batch = tf.cast(nhwc(images(case.seed, case.batch_size, case.input_size)), tf.float64)
        targets = tf.constant(labels(case.seed, case.batch_size, CLASSES[case.network]))
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

    try:
        return run()
    except OutOfMemory:
        return None
