"""Ten lines a workload: what a TensorFlow user writes to time a step."""

import time
from collections.abc import Callable

import keras
import tensorflow as tf

from runners.harness.workload import Request
from runners.reference.batch import images, labels
from runners.reference.layers import CLASSES
from runners.reference.weights import weights
from runners.tensorflow.networks import build

Loop = Callable[[int], list[int]]


def loop_of(request: Request) -> Loop:
    """The loop for a case and a variant, on the case's weights and batch."""
    case, variant, classes = request.case, request.competitor.variant, CLASSES[request.case.network]
    model = build(case.network, classes, weights(case.network, case.seed, classes))
    batch = tf.constant(images(case.seed, case.batch_size, case.input_size).transpose(0, 2, 3, 1).copy())
    if case.workload == "infer":
        return infer(model, batch, variant)
    return train(model, batch, tf.constant(labels(case.seed, case.batch_size, classes)), variant)


def infer(model: keras.Model, batch: tf.Tensor, variant: str) -> Loop:
    """A loop over forward passes of the model in one of its forms."""
    if variant == "predict":
        model.compile(jit_compile=False)
        forward = model.predict_on_batch
    else:
        forward = traced(lambda inputs: model(inputs, training=False), variant)
    return timed(lambda: forward(batch))


def train(model: keras.Model, batch: tf.Tensor, targets: tf.Tensor, variant: str) -> Loop:
    """A loop over optimiser steps."""
    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.Adam(1e-3, epsilon=1e-8)
    if variant == "predict":
        model.compile(optimizer, criterion, jit_compile=False)
        return timed(lambda: model.train_on_batch(batch, targets))
    optimizer.build(model.trainable_variables)

    def step(inputs, labels):
        with tf.GradientTape() as tape:
            loss = criterion(labels, model(inputs, training=True))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    update = traced(step, variant)
    return timed(lambda: update(batch, targets))


def traced(function: Callable, variant: str) -> Callable:
    """The function in the variant's form."""
    return function if variant == "eager" else tf.function(function, jit_compile=variant == "xla")


def timed(step: Callable[[], object]) -> Loop:
    """The loop itself."""

    def loop(steps: int) -> list[int]:
        times = []
        for _ in range(steps):
            began = time.perf_counter_ns()
            step()
            times.append(time.perf_counter_ns() - began)
        return times

    return loop
