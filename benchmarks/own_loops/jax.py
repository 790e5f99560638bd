"""The loop that a JAX user writes to time a step."""

import jax
import optax

from benchmarks.own_loops.timed import Loop, timed
from runners.harness.workload import Request
from runners.jax.network import Verbs
from runners.reference.batch import shared_batch
from runners.reference.layout import nhwc, nhwc_weights
from runners.reference.walk import walk

SWITCHES = {"infer": ("jit", "eager"), "train": ("jit", "eager")}
"""Documented switches that are set in code: our variants'."""


def loop_of(request: Request, name: str) -> Loop:
    """The loop for a case in one of our variants, on the case's weights and batch."""
    case = request.case
    parameters = {key: jax.device_put(array) for key, array in nhwc_weights(case).items()}
    images, targets = (jax.device_put(array) for array in shared_batch(request))
    batch = jax.device_put(nhwc(images.__array__()))
    compiled = jax.jit if name == "jit" else lambda function, **_: function
    if case.workload == "infer":
        forward = compiled(lambda parameters, batch: walk(case.network, Verbs(parameters), batch, case.input_size))
        return timed(lambda: jax.block_until_ready(forward(parameters, batch)))
    return train(parameters, batch, targets, case, compiled)


def train(parameters, batch, targets, case, compiled) -> Loop:
    """A loop over optimiser steps."""
    adam = optax.adam(1e-3)
    statistics = {name: parameters.pop(name) for name in list(parameters) if name.endswith((".mean", ".var"))}

    def loss_of(parameters, statistics):
        verbs = Verbs({**parameters, **statistics}, training=True)
        logits = walk(case.network, verbs, batch, case.input_size)
        return optax.softmax_cross_entropy_with_integer_labels(logits, targets).mean(), verbs.moved

    def update(parameters, statistics, moments):
        (_, statistics), gradients = jax.value_and_grad(loss_of, has_aux=True)(parameters, statistics)
        updates, moments = adam.update(gradients, moments)
        return optax.apply_updates(parameters, updates), statistics, moments

    step, state = compiled(update, donate_argnums=(0, 1, 2)), (parameters, statistics, adam.init(parameters))

    def once() -> None:
        nonlocal state
        state = jax.block_until_ready(step(*state))

    return timed(once)
