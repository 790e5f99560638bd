"""One forward pass of a network in evaluation mode."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from runners.harness.record import Check, Effective
from runners.harness.workload import Request, Stage, StepWork
from runners.reference.batch import REFERENCE_IMAGES, images
from runners.reference.cost import step_cost
from runners.reference.layers import CLASSES
from runners.reference.sketch import sketch
from runners.reference.weights import digest, weights
from runners.tensorflow import device as devices
from runners.tensorflow.graph_v1 import FrozenForward
from runners.tensorflow.networks import build, counts
from runners.tensorflow.scope import brought, held, nhwc
from runners.tensorflow.variants import compiled_by_xla, runs_in_session


@devices.naming_out_of_memory
def prepare(request: Request) -> StepWork:
    """Model with the shared weights and the batch, on the device or in the host's memory; a step is `model(batch)`."""
    case = request.case
    device = devices.configure(request)
    dtype = devices.DTYPES[case.precision]
    arrays = weights(case.network, case.seed, CLASSES[case.network])
    model = build(case.network, CLASSES[case.network], arrays, dtype)
    found, weights_digest, kept_in = counts(model), digest(arrays), devices.kept_in(model)
    del arrays  # a step does not need them, and its peak memory is measured
    host = nhwc(images(case.seed, case.batch_size, case.input_size))
    layout, stages, close = devices.layout(host), {}, lambda: None

    if runs_in_session(request):
        frozen = FrozenForward(model, host, request, device)
        step, logits, seen, close = frozen.step, frozen.logits, frozen.seen, frozen.close
        if request.competitor.variant == "tuned":
            step = frozen.quick_step
        stages = {"compile": Stage(devices.naming_out_of_memory(frozen.compile))}
    else:
        forward = forward_of(model, request, device)
        batch = held(host, request, device, dtype)

        def step() -> tf.Tensor | np.ndarray:
            return forward(batch)

        def logits(part: np.ndarray) -> np.ndarray:
            return np.asarray(forward(held(part, request, device, dtype)))

        def seen() -> list[devices.Seen]:
            return devices.seen_in(step(), model)

    def check() -> Check:
        # What was timed answers for itself, in the shape it was timed in: another would be traced anew.
        reference = nhwc(images(case.seed, max(case.batch_size, REFERENCE_IMAGES), case.input_size))
        starts = range(0, len(reference), case.batch_size)
        answers = [logits(reference[start : start + case.batch_size]) for start in starts]
        return Check(
            trainable=found.trainable,
            non_trainable=found.non_trainable,
            weights_digest=weights_digest,
            logits_sketch=sketch(np.concatenate(answers)[:REFERENCE_IMAGES]),
        )

    def effective() -> Effective:
        in_effect = devices.effective(request, seen(), layout)
        in_effect.settings["parameters"] = kept_in
        return in_effect

    cost = step_cost(case.workload, case.network, case.input_size, case.batch_size, case.precision)
    return StepWork(
        step=devices.naming_out_of_memory(step),
        synchronize=devices.synchronizer(device),
        items=case.batch_size,
        check=check,
        effective=effective,
        close=close,
        flops=cost.flops,
        bytes=cost.bytes,
        stages=stages,
        gpu_peaks=lambda: devices.gpu_peaks(device),
    )


def forward_of(model: keras.Model, request: Request, device: str) -> Callable[..., tf.Tensor | np.ndarray]:
    """The model in evaluation mode as the variant calls it, of a batch that lies where the scope has it."""
    variant = request.competitor.variant
    if variant == "predict":
        # Left to itself, Keras would ask XLA on a GPU. It brings batches to the device itself, and logits back.
        model.compile(jit_compile=False, run_eagerly=False)
        return model.predict_on_batch

    def forward(batch: tf.Tensor) -> tf.Tensor:
        return model(batch, training=False)

    if variant != "eager":
        forward = tf.function(forward, jit_compile=compiled_by_xla(request))
    return brought(forward, request, device)
