"""One optimiser step of a network: forward, loss, backward, update; the tape starts from no gradient."""

import math
from collections.abc import Callable

import keras
import tensorflow as tf

from runners.harness.record import Check
from runners.harness.workload import Request, StepWork
from runners.reference.batch import REFERENCE_IMAGES, images, labels
from runners.reference.layers import CLASSES
from runners.reference.sketch import sketch
from runners.reference.weights import digest, weights
from runners.tensorflow import device as devices
from runners.tensorflow.infer import assert_finite, nhwc
from runners.tensorflow.networks import build, counts

COMPARED_LOSSES = 4
ADAM = {"learning_rate": 1e-3, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8}


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
            losses_fp64=double_losses(),
            loss_first=float(losses[0]),
            loss_last=float(losses[-1]),
        )

    @devices.naming_out_of_memory
    def double_losses() -> list[float]:
        """The same first steps in float64 and to the letter: how far this framework's float32 is from them."""
        train_step = train_step_of(build(case.network, classes, arrays, "float64"), LiteralAdam)
        return [float(train_step(tf.cast(batch, tf.float64), targets)) for _ in range(COMPARED_LOSSES)]

    return StepWork(
        step=step,
        synchronize=devices.synchronizer(device),
        items=case.batch_size,
        check=check,
        effective=lambda: devices.effective(request, device),
        close=lambda: None,
        gpu_peaks=lambda: devices.gpu_peaks(device),
    )


class LiteralAdam(keras.optimizers.Adam):
    """Adam with ε beside the corrected √v̂ (Kingma and Ba 2015, algorithm 1), as in PyTorch.

    Keras's own adds ε before the correction (their section 2.1): in the first step it counts 32 times. Users have
    Keras's, so that is what is timed; this one, eager only, says what the difference comes to.
    """

    def update_step(self, gradient: tf.Tensor, variable: keras.Variable, learning_rate: tf.Tensor) -> None:
        self.epsilon = ADAM["epsilon"] * math.sqrt(1.0 - self.beta_2 ** (int(self.iterations) + 1))
        super().update_step(gradient, variable, learning_rate)


def train_step_of(
    model: keras.Model, adam: type[keras.optimizers.Adam] = keras.optimizers.Adam
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """A function that updates the model once and gives the loss before the update."""
    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype=model.dtype)
    optimizer = adam(**ADAM)
    optimizer.build(model.trainable_variables)

    def train_step(batch: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = criterion(targets, model(batch, training=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return loss

    return train_step
