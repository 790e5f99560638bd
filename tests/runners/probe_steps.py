"""Runs in a framework's own Python: reads a list of jobs from each line of JSON, and writes a line with the answers.

A job may name a deliberate mistake, to see that the checks fail.
"""

import contextlib
import importlib
import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import mistakes

from runners.harness.case import Case, Competitor
from runners.harness.effective import effective
from runners.harness.faults import fault
from runners.harness.workload import Request


def padded_as_same(model):
    """The padding of Keras's `same` at stride 2: left and top have one less than right and bottom."""
    from torch.nn import functional

    model.conv1.padding = (0, 0)
    model.conv1.register_forward_pre_hook(lambda _, given: functional.pad(given[0], (2, 3, 2, 3)))


def strided_late(model):
    """Stride 2 in a block's second convolution instead of its first."""
    model.layer2[0].conv1.stride, model.layer2[0].conv2.stride = (1, 1), (2, 2)


def keras_epsilon(model):
    """Keras's default batch-norm epsilon."""
    for module in model.modules():
        if hasattr(module, "running_var"):
            module.eps = 1e-3


def layer_epsilon(model):
    """The default epsilon of torch's layer norms."""
    for module in model.modules():
        if hasattr(module, "normalized_shape"):
            module.eps = 1e-5


def tanh_gelu(model):
    """GELU's approximation, JAX's default."""
    for module in model.modules():
        if hasattr(module, "approximate"):
            module.approximate = "tanh"


def unscaled(model):
    """Attention without 1/√d."""
    for module in attentions(model):
        module.in_proj_weight.data[: module.embed_dim] *= module.head_dim**0.5
        module.in_proj_bias.data[: module.embed_dim] *= module.head_dim**0.5


def other_heads(model):
    """Heads that are made of every twelfth channel, not of neighbours."""
    for module in attentions(model):
        order = [channel for head in range(12) for channel in range(head, 768, 12)]
        rows = [768 * part + channel for part in range(3) for channel in order]
        module.in_proj_weight.data[:] = module.in_proj_weight.data[rows]
        module.in_proj_bias.data[:] = module.in_proj_bias.data[rows]
        module.out_proj.weight.data[:] = module.out_proj.weight.data[:, order]


def attentions(model):
    return [module for module in model.modules() if hasattr(module, "in_proj_weight")]


def bias_off(model):
    """A small error in one bias of a thousand."""
    model.fc.bias.data[7] += 0.05


def weights_nan(model):
    """A NaN weight."""
    model.fc.weight.data[0, 0] = float("nan")


def batch_norm_momentum(model):
    """Running statistics that follow twice as fast."""
    for module in model.modules():
        if hasattr(module, "running_var"):
            module.momentum = 0.2


def wrong_rate(framework, usual):
    """A learning rate that is a tenth too high in the timed step only; the float64 run has the right rate."""

    def adam(*model):
        if framework == "tensorflow":
            optimizer = usual()
            optimizer.learning_rate = 1.1e-3
            return optimizer
        optimizer = usual(*model)
        if next(model[0].parameters()).element_size() == 4:
            optimizer.param_groups[0]["lr"] = 1.1e-3
        return optimizer

    return adam


def last_layer_left_out(_framework, usual):
    """Keras's optimizer without the update of the last layer."""

    def adam():
        optimizer = usual()
        apply = optimizer.apply
        optimizer.apply = lambda gradients, variables: apply(
            [*gradients[:-2], *(g * 0 for g in gradients[-2:])], variables
        )
        return optimizer

    return adam


@contextlib.contextmanager
def mistaken(framework, job):
    """The framework's runner with the job's mistake. PyTorch needs mistakes of its own: its networks are no walks."""
    name = job.get("mistake")
    if name is None:
        yield
    elif framework != "pytorch" and name not in ("wrong_rate", "last_layer_left_out"):
        with mistakes.made(framework, name):
            yield
    else:
        module = importlib.import_module(f"runners.{framework}.{job['workload']}")
        attribute = {"wrong_rate": "adam", "last_layer_left_out": "adam", "layer missing": "weights"}.get(name, "build")
        usual = getattr(module, attribute)
        setattr(module, attribute, replacement(framework, name, usual))
        try:
            yield
        finally:
            setattr(module, attribute, usual)


def replacement(framework, name, usual):
    """The replacement of a function of the module."""
    if name in ("wrong_rate", "last_layer_left_out"):
        return globals()[name](framework, usual)
    if name == "layer missing":
        return lambda *a: {key: one for key, one in usual(*a).items() if not key.startswith("layer3.1.conv2.")}

    def build(*arguments):
        model = usual(*arguments)
        globals()[name](model)
        return model

    return build


def allocate(framework, count):
    """Allocate `count` floats in the framework."""
    if framework == "pytorch":
        import torch

        torch.ones(count)
    else:
        import tensorflow as tf

        tf.ones((count,))


@contextlib.contextmanager
def searched(path):
    """Search for programs in this folder only."""
    usual = os.environ["PATH"]
    os.environ["PATH"] = path or usual
    try:
        yield
    finally:
        os.environ["PATH"] = usual


def carry_out(framework, job):
    case = Case(
        workload=job["workload"],
        device=job.get("device", "cpu"),
        batch_size=job["batch"],
        seed=25,
        network=job["network"],
        input_size=job["size"],
        scope=job.get("scope", "compute"),
        precision=job.get("precision", "fp32"),
    )
    module = importlib.import_module(f"runners.{framework}.{job['workload']}")
    try:
        with mistaken(framework, job), searched(job.get("path")), tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            compiled = folder / "compiled"
            compiled.mkdir()
            request = Request(case, Competitor(framework, job["variant"]), 1, folder, compiled)
            work = module.prepare(request)
            if "allocate" in job:
                allocate(framework, job["allocate"])
            for stage in work.stages.values():
                stage.run()
            work.step()
            work.synchronize()
            found = {
                "effective": asdict(effective(request, work.seen())[0]),
                "check": asdict(work.check()),
                "items": work.items,
                "cost": [work.flops, work.bytes],
            }
            work.close()
            return found
    except Exception as error:
        _, failure = fault(framework, case.device, error)
        return {"error": failure.kind, "message": failure.message}


def answer(carry_out):
    """Answer every line, on a descriptor to which no framework prints messages."""
    framework, answers = sys.argv[1], os.fdopen(int(sys.argv[2]), "w")
    for line in sys.stdin:
        print(json.dumps([carry_out(framework, job) for job in json.loads(line)]), file=answers, flush=True)


if __name__ == "__main__":
    answer(carry_out)
