"""One optimiser step that several processes take together, with MultiWorkerMirroredStrategy."""

import json
import os

import keras
import numpy as np
import tensorflow as tf

from runners.harness.rank import Rank
from runners.harness.workload import Request, StepWork
from runners.reference.batch import feed
from runners.reference.layers import CLASSES
from runners.reference.layout import nhwc
from runners.reference.scaling import Gradients, own_part, scaling
from runners.reference.weights import weights
from runners.tensorflow import device as devices
from runners.tensorflow.device import Computed
from runners.tensorflow.network import build, sizes
from runners.tensorflow.textbook import in_double
from runners.tensorflow.train import CrossEntropy, TrainStep, adam


class Kept(keras.optimizers.SGD):
    """An optimiser that puts the gradient of each weight in its place, after Keras's exchange between processes."""

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:  # noqa: ARG002
        """Called by Keras for each weight."""
        self.assign(variable, gradient)


def prepare(request: Request) -> StepWork:
    """The model with the shared weights, this process's part of the batch, and Adam.

    One process trains without MultiWorkerMirroredStrategy, as its user would.
    """
    case, rank, classes = request.case, request.rank, CLASSES[request.case.network]
    strategy = tf.distribute.get_strategy()

    def meet() -> None:
        nonlocal strategy
        if rank.count > 1:
            strategy = _met(rank)

    device = devices.configure(request, meet)

    def fresh(policy: str = "float32") -> keras.Model:
        return build(case.network, classes, weights(case.network, case.seed, classes), case.input_size, policy)

    with strategy.scope():
        model, criterion = fresh(), CrossEntropy()
        train_step = _step_of(model, criterion, adam(), strategy)
    images, labels = own_part(request)
    batch, targets = (feed(part, request, lambda array: devices.put(array, device)) for part in (nhwc(images), labels))

    def gradients() -> Gradients:
        with strategy.scope():
            return _gradients(fresh(), batch(), targets(), strategy)

    def alone(images: np.ndarray, labels: np.ndarray) -> Gradients:
        return _gradients(fresh(), devices.put(nhwc(images), device), devices.put(labels, device))

    @tf.function
    def summed(values: tf.Tensor) -> tf.Tensor:
        def of_all(own: tf.Tensor) -> tf.Tensor:
            # The strategy needs to know a device of the value, which a constant has not.
            return tf.distribute.get_replica_context().all_reduce("SUM", tf.identity(own))

        return strategy.run(of_all, args=(values,))

    return scaling(
        request,
        step=lambda: train_step(batch(), targets()),
        synchronize=devices.synchronizer(device),
        gradients=gradients,
        alone=alone,
        # Keras has divided each loss by the number of processes.
        whole=lambda values: summed(tf.constant(values, tf.float64)).numpy().tolist(),
        logits=lambda part: fresh()(nhwc(part), training=False).numpy(),
        double=in_double(fresh, training=False),
        parameters=sizes(model, classes),
        seen=lambda: devices.seen(
            [Computed(place, criterion.logits_dtype) for place in devices.places(model)],
            devices.layout(batch()),
            devices.parameter_precision(model),
        ),
    )


def _met(rank: Rank) -> tf.distribute.Strategy:
    """The strategy that connects the processes. It must exist before TensorFlow computes anything."""
    cluster = {"worker": [f"127.0.0.1:{port}" for port in rank.ports]}
    os.environ["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": rank.number}})
    return tf.distribute.MultiWorkerMirroredStrategy()


def _step_of(
    model: keras.Model,
    criterion: CrossEntropy,
    optimizer: keras.optimizers.Optimizer,
    strategy: tf.distribute.Strategy,
) -> TrainStep:
    """A step of all processes as a traced function.

    Its loss is the process's share of the mean over the whole batch: Keras divides it by the number of processes, and
    adds the gradients of all processes when it applies them.
    """
    optimizer.build(model.trainable_variables)

    def own_step(batch: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = criterion(targets, model(batch, training=False))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    return tf.function(lambda batch, targets: strategy.run(own_step, args=(batch, targets)), jit_compile=False)


def _gradients(
    model: keras.Model, batch: tf.Tensor, targets: tf.Tensor, strategy: tf.distribute.Strategy | None = None
) -> Gradients:
    """The gradients that a step of this fresh model applies."""
    _step_of(model, CrossEntropy(), Kept(), strategy or tf.distribute.get_strategy())(batch, targets)
    return {variable.path: variable.numpy() for variable in model.trainable_variables}
