"""The first optimiser steps in float64, exactly by Adam's algorithm."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from runners.reference.evidence import Double
from runners.reference.layout import nhwc


def in_double(fresh: Callable[[str], keras.Model], training: bool = True) -> Double:
    """The Double of runners/reference/evidence.py: it trains a fresh model with the policy float64.

    Keras's Adam adds ε before the bias correction (Kingma and Ba 2015, section 2.1). In the first step this ε counts 32
    times as much as in their algorithm 1, which PyTorch follows. Keras's Adam also rounds β to float32. The timed step
    uses Keras's Adam, because its users do. This run follows algorithm 1 in float64: its distance from the timed run
    shows the effect of rounding and of Keras's Adam, its distance from PyTorch's float64 run shows different work.
    Without `training`, batch norms use their stored statistics.
    """

    def double(
        images: np.ndarray, labels: np.ndarray, steps: int, others: np.ndarray
    ) -> tuple[list[float], np.ndarray]:
        model = fresh("float64")
        losses = _adam_losses(model, tf.constant(nhwc(images)), tf.constant(labels), steps, training)
        return losses, model(tf.constant(nhwc(others)), training=False).numpy()

    return double


def _adam_losses(model: keras.Model, batch: tf.Tensor, targets: tf.Tensor, steps: int, training: bool) -> list[float]:
    """The loss before each of the first steps of Adam (algorithm 1)."""
    rate, beta1, beta2, epsilon = 1e-3, 0.9, 0.999, 1e-8
    variables = [variable.value for variable in model.trainable_variables]
    moments = [(tf.zeros_like(variable), tf.zeros_like(variable)) for variable in variables]
    losses = []
    for step in range(1, steps + 1):
        with tf.GradientTape() as tape:
            logits = model(batch, training=training)
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
