"""One forward pass of a network in evaluation mode."""

import jax
import numpy as np

from runners.harness.workload import Request, StepWork
from runners.jax import device as devices
from runners.jax.network import Verbs
from runners.reference.batch import feed, images
from runners.reference.evidence import inference
from runners.reference.layout import nhwc, nhwc_weights
from runners.reference.precision import DTYPES
from runners.reference.walk import walk


def prepare(request: Request) -> StepWork:
    """Parameters on the device. A step is `forward(parameters, batch)`."""
    case, dtype, computed = request.case, DTYPES[request.case.precision], None
    devices.configure(request)

    def put(array):
        return jax.numpy.array(array, dtype)  # always a copy; device_put does not copy an aligned array

    def forward(parameters, batch):
        return walk(case.network, Verbs(parameters), batch, case.input_size)

    forward = jax.jit(forward) if request.competitor.variant == "jit" else forward
    parameters = {name: put(array) for name, array in nhwc_weights(case).items()}
    batch = feed(nhwc(images(case.seed, case.batch_size, case.input_size)), request, put)

    def step() -> None:
        nonlocal computed
        computed = forward(parameters, batch())

    return inference(
        request,
        step=step,
        synchronize=lambda: jax.block_until_ready(computed),
        logits=lambda part: np.asarray(forward(parameters, put(nhwc(part)))),
        parameters={name: array.size for name, array in parameters.items()},
        seen=lambda: devices.seen(computed, parameters),
    )
