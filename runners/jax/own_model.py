"""One forward pass of a user's own function in evaluation mode."""

import jax
import numpy as np

from runners.harness.own_code import built, require_tensor
from runners.harness.workload import Request, Seen, StepWork, Unusable
from runners.jax import device as devices
from runners.reference.batch import feed
from runners.reference.own_model import channels_last, inference, inputs

FORM = "a pair: a function of (parameters, batch), and the parameters"


def prepare(request: Request) -> StepWork:
    """Parameters on the device. A step is `function(parameters, batch)`."""
    case, computed = request.case, None
    devices.configure(request)
    pair = built(request, tuple, FORM)
    if len(pair) != 2 or not callable(pair[0]):
        raise Unusable(f"{request.model.function}('jax') returned another tuple; jax takes {FORM}")
    function, parameters = pair
    forward = jax.jit(function) if request.competitor.variant == "jit" else function
    parameters = jax.tree.map(jax.numpy.asarray, parameters)
    arrays = dict(enumerate(jax.tree.leaves(parameters)))
    batch = feed(channels_last(inputs(case, case.batch_size)), request, jax.numpy.array)

    def step() -> None:
        nonlocal computed
        computed = forward(parameters, batch())

    def seen() -> Seen:
        require_tensor(computed, jax.Array, "jax.Array")
        return devices.seen(computed, arrays)

    return inference(
        request,
        step=step,
        synchronize=lambda: jax.block_until_ready(computed),
        outputs=lambda part: np.asarray(forward(parameters, jax.numpy.array(channels_last(part)))),
        parameters=sum(array.size for array in arrays.values()),
        seen=seen,
        layout="NHWC",
    )
