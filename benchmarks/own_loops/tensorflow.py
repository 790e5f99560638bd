"""The loop that a TensorFlow user writes to time a step."""

from collections.abc import Callable

import keras
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from benchmarks.own_loops.timed import Loop, timed
from runners.harness.workload import Request, Unsupported
from runners.reference.batch import images, labels
from runners.reference.layers import CLASSES
from runners.reference.weights import weights
from runners.tensorflow.network import build

IN_SESSION = ("graph_v1", "tuned")
"""Variants that a session of TensorFlow 1 runs on a CPU."""

SWITCHES = {
    "infer": ("graph", "xla", "graph_v1", "predict", "frozen function", "graph, auto-clustered"),
    "train": ("graph", "xla", "predict", "graph, auto-clustered"),
}
"""Documented switches that are set in code: those of our variants, and others."""


def loop_of(request: Request, name: str) -> Loop:
    """The loop for a case in one of our variants or with a switch. Raises Unsupported."""
    case, classes = request.case, CLASSES[request.case.network]
    model = build(case.network, classes, weights(case.network, case.seed, classes), case.input_size)
    batch = tf.constant(images(case.seed, case.batch_size, case.input_size).transpose(0, 2, 3, 1).copy())
    if "auto-clustered" in name:
        tf.config.optimizer.set_jit("autoclustering")
    if case.workload == "infer":
        return session(model, batch, request.threads) if name in IN_SESSION else infer(model, batch, name)
    if name in IN_SESSION:
        raise Unsupported("no loop by hand: Keras 3 cannot build networks in a session of TensorFlow 1")
    return train(model, batch, tf.constant(labels(case.seed, case.batch_size, classes)), name)


def infer(model: keras.Model, batch: tf.Tensor, name: str) -> Loop:
    """A loop over forward passes of the model in the form called `name`."""
    if name == "predict":
        model.compile(jit_compile=False)
        return timed(lambda: model.predict_on_batch(batch))
    forward = traced(lambda inputs: model(inputs, training=False), name)
    if name == "frozen function":
        forward = convert_variables_to_constants_v2(forward.get_concrete_function(batch))
    return timed(lambda: forward(batch))


def session(model: keras.Model, batch: tf.Tensor, threads: int) -> Loop:
    """A loop over runs of the frozen graph in a session of TensorFlow 1, with the batch in a variable."""
    forward = tf.function(lambda inputs: model(inputs, training=False)).get_concrete_function(batch)
    frozen, v1 = convert_variables_to_constants_v2(forward), tf.compat.v1
    with tf.Graph().as_default() as graph:
        variable = v1.Variable(batch.numpy(), use_resource=True)
        [logits] = tf.import_graph_def(
            frozen.graph.as_graph_def(), {frozen.inputs[0].name: variable.read_value()}, [frozen.outputs[0].name]
        )
    config = v1.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads)
    opened = v1.Session(graph=graph, config=config)
    opened.run(variable.initializer)
    return timed(lambda: opened.run(logits.op))


def train(model: keras.Model, batch: tf.Tensor, targets: tf.Tensor, name: str) -> Loop:
    """A loop over optimiser steps."""
    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.Adam(1e-3, epsilon=1e-8)
    if name == "predict":
        model.compile(optimizer, criterion, jit_compile=False)
        return timed(lambda: model.train_on_batch(batch, targets))
    optimizer.build(model.trainable_variables)

    def step(inputs, labels):
        with tf.GradientTape() as tape:
            loss = criterion(labels, model(inputs, training=True))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    update = traced(step, name)
    return timed(lambda: update(batch, targets))


def traced(function: Callable, name: str) -> Callable:
    """The function in the variant's form."""
    return function if name == "eager" else tf.function(function, jit_compile=True if name == "xla" else None)
