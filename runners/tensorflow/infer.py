"""One forward pass of a network in evaluation mode."""

import numpy as np
import tensorflow as tf

from runners.harness.record import Check
from runners.harness.workload import Request, StepWork
from runners.reference.batch import REFERENCE_IMAGES, images
from runners.reference.layers import CLASSES
from runners.reference.sketch import sketch
from runners.reference.weights import digest, weights
from runners.tensorflow import device as devices
from runners.tensorflow.networks import build, counts


@devices.naming_out_of_memory
def prepare(request: Request) -> StepWork:
    """Model with the shared weights, batch on the device; a step is `model(batch)`."""
    case = request.case
    device = devices.configure(request)
    classes = CLASSES[case.network]
    arrays = weights(case.network, case.seed, classes)
    model = build(case.network, classes, arrays)
    reference = nhwc(images(case.seed, max(case.batch_size, REFERENCE_IMAGES), case.input_size))
    batch = reference[: case.batch_size]

    def forward(inputs: tf.Tensor) -> tf.Tensor:
        return model(inputs, training=False)

    if request.competitor.variant == "graph":
        forward = tf.function(forward, jit_compile=False)

    @devices.naming_out_of_memory
    def step() -> tf.Tensor:
        return forward(batch)

    def check() -> Check:
        # What was timed answers for itself, in the shape it was timed in: another would be traced anew.
        parts = range(0, len(reference), case.batch_size)
        logits = [forward(reference[start : start + case.batch_size]).numpy() for start in parts]
        found = counts(model)
        return Check(
            trainable=found.trainable,
            non_trainable=found.non_trainable,
            weights_digest=digest(arrays),
            logits_sketch=sketch(np.concatenate(logits)[:REFERENCE_IMAGES]),
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


def nhwc(batch: np.ndarray) -> tf.Tensor:
    """The reference's batch on the device, in TensorFlow's layout."""
    return tf.constant(np.ascontiguousarray(batch.transpose(0, 2, 3, 1)))
