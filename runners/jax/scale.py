"""One optimiser step that several processes take together: JAX divides the batch between their devices."""

import jax
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from runners.harness.workload import Request, StepWork
from runners.jax import device as devices
from runners.jax.network import Verbs
from runners.reference.batch import feed
from runners.reference.layout import nhwc, nhwc_weights
from runners.reference.scaling import own_part, scaling
from runners.reference.walk import walk


def prepare(request: Request) -> StepWork:
    """A state of parameters, statistics and Adam's moments on each device, and the batch, a part on each device.

    XLA adds the exchange of the gradients, because the loss is the mean over the whole batch.
    """
    case, adam = request.case, optax.adam(1e-3, b1=0.9, b2=0.999, eps=1e-8)
    devices.configure(request)
    mesh = Mesh(np.array(jax.devices()), ("processes",))
    everywhere, divided = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec("processes"))

    def placed(array, sharding):
        return jax.make_array_from_process_local_data(sharding, array)

    def own(array):  # what this process holds of an array that is the same on all devices
        return array.addressable_data(0)

    def arrays(dtype):
        found = {name: array.astype(dtype) for name, array in nhwc_weights(case).items()}
        return found, {name: found.pop(name) for name in list(found) if name.endswith((".mean", ".var"))}

    def forward(parameters, statistics, batch):
        return walk(case.network, Verbs({**parameters, **statistics}), batch, case.input_size)

    def loss_of(parameters, statistics, batch, targets):
        logits = forward(parameters, statistics, batch)
        return optax.softmax_cross_entropy_with_integer_labels(logits, targets).mean()

    loss_and_gradients = jax.value_and_grad(loss_of)

    def train_step(parameters, moments, statistics, batch, targets):
        loss, gradients = loss_and_gradients(parameters, statistics, batch, targets)
        updates, moments = adam.update(gradients, moments)
        return optax.apply_updates(parameters, updates), moments, loss

    forward, gradients_of = jax.jit(forward), jax.jit(jax.grad(loss_of))
    train_step = jax.jit(train_step, donate_argnums=(0, 1))

    def double(batch, targets, steps, others):
        with jax.enable_x64():
            parameters, statistics = arrays(np.float64)
            moments, losses = adam.init(parameters), []
            for _ in range(steps):
                parameters, moments, loss = train_step(parameters, moments, statistics, nhwc(batch), targets)
                losses.append(float(loss))
            return losses, np.asarray(forward(parameters, statistics, nhwc(others)))

    def start():
        return tuple({name: placed(array, everywhere) for name, array in part.items()} for part in arrays(np.float32))

    parameters, statistics = start()
    moments, loss = jax.jit(adam.init, out_shardings=everywhere)(parameters), None
    images, labels = own_part(request)
    batch, targets = (feed(part, request, lambda array: placed(array, divided)) for part in (nhwc(images), labels))

    def step() -> jax.Array:
        nonlocal parameters, moments, loss
        parameters, moments, whole_loss = train_step(parameters, moments, statistics, batch(), targets())
        loss = own(whole_loss)
        return loss

    def gradients():
        found = gradients_of(*start(), batch(), targets())
        return {name: own(array) for name, array in found.items()}

    def alone(images, labels):
        return gradients_of(*arrays(np.float32), nhwc(images), labels)

    return scaling(
        request,
        step=step,
        synchronize=lambda: jax.block_until_ready(parameters),
        gradients=gradients,
        alone=alone,
        whole=lambda values: values,  # every process has the loss of the whole batch
        logits=lambda part: np.asarray(forward(*arrays(np.float32), nhwc(part))),
        double=double,
        parameters={name: array.size for part in (parameters, statistics) for name, array in part.items()},
        seen=lambda: devices.seen(loss, {name: own(array) for name, array in parameters.items()}),
    )
