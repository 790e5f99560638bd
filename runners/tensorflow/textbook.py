"""The first optimiser steps in float64, to the letter of Adam's algorithm."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from runners.reference.evidence import Double
from runners.reference.layout import nhwc


def in_double(fresh: Callable[[str], keras.Model]) -> Double:
    """What runners/reference/evidence.py calls a Double, of a fresh model with the policy float64.

    Keras's Adam adds ε before the bias correction (Kingma and Ba 2015, section 2.1), so that it counts 32 times
    as much in the first step as in their algorithm 1, which is PyTorch's; and it rounds β to float32. Its users
    have it so, so it is timed so. This run has neither: what it is away from the timed one is what rounding and
    Keras's Adam come to, and what it is away from PyTorch's is a difference in the work.
    """

    def double(
        images: np.ndarray, labels: np.ndarray, steps: int, others: np.ndarray
    ) -> tuple[list[float], np.ndarray]:
        model = fresh("float64")
        losses = _losses_by_the_letter(model, tf.constant(nhwc(images)), tf.constant(labels), steps)
        return losses, model(tf.constant(nhwc(others)), training=False).numpy()

    return double


def _losses_by_the_letter(model: keras.Model, batch: tf.Tensor, targets: tf.Tensor, steps: int) -> list[float]:
    """The losses before each of the first steps of Adam's algorithm 1."""
    rate, beta1, beta2, epsilon = 1e-3, 0.9, 0.999, 1e-8
    variables = [variable.value for variable in model.trainable_variables]
    moments = [(tf.zeros_like(variable), tf.zeros_like(variable)) for variable in variables]
    losses = []
    for step in range(1, steps + 1):
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
