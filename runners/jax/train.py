"""One optimiser step of a network: forward, loss, backward, update."""

import jax
import numpy as np
import optax

from runners.harness.workload import Request, StepWork
from runners.jax import device as devices
from runners.jax.network import Verbs
from runners.reference.batch import feed, shared_batch
from runners.reference.evidence import training
from runners.reference.layout import nhwc, nhwc_weights
from runners.reference.walk import walk


def prepare(request: Request) -> StepWork:
    """A state of parameters, running statistics and Adam's moments on the device. A step makes the next state."""
    case, adam = request.case, optax.adam(1e-3, b1=0.9, b2=0.999, eps=1e-8)
    devices.configure(request)

    def start(dtype):
        arrays = {name: jax.device_put(array.astype(dtype)) for name, array in nhwc_weights(case).items()}
        statistics = {name: arrays.pop(name) for name in list(arrays) if name.endswith((".mean", ".var"))}
        return arrays, statistics, adam.init(arrays)

    def forward(state, batch):
        return walk(case.network, Verbs({**state[0], **state[1]}), batch, case.input_size)

    def train_step(state, batch, targets):
        parameters, statistics, moments = state

        def loss_of(parameters):
            verbs = Verbs({**parameters, **statistics}, training=True)
            logits = walk(case.network, verbs, batch, case.input_size)
            return optax.softmax_cross_entropy_with_integer_labels(logits, targets).mean(), verbs.moved

        (loss, statistics_moved), gradients = jax.value_and_grad(loss_of, has_aux=True)(parameters)
        updates, moments = adam.update(gradients, moments)
        return (optax.apply_updates(parameters, updates), statistics_moved, moments), loss

    if request.competitor.variant == "jit":
        forward, train_step = jax.jit(forward), jax.jit(train_step, donate_argnums=0)

    def double(batch, targets, steps, others):
        with jax.enable_x64():
            state, losses = start(np.float64), []
            for _ in range(steps):
                state, loss = train_step(state, nhwc(batch), targets)
                losses.append(float(loss))
            return losses, np.asarray(forward(state, nhwc(others)))

    state, loss = start(np.float32), None
    batch, targets = shared_batch(request)
    batch, targets = (feed(array, request, jax.numpy.array) for array in (nhwc(batch), targets))

    def step() -> jax.Array:
        nonlocal state, loss
        state, loss = train_step(state, batch(), targets())
        return loss

    return training(
        request,
        step=step,
        synchronize=lambda: jax.block_until_ready(state),
        logits=lambda part: np.asarray(forward(start(np.float32), nhwc(part))),
        double=double,
        parameters={name: array.size for part in state[:2] for name, array in part.items()},
        seen=lambda: devices.seen(loss, state[0]),
    )
