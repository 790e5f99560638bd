"""Run in a framework's own Python: takes lists of jobs, a line of JSON each, and answers with what came of each.

A job may name one thing to do wrong, so that the gates can be seen to fail.
"""

import importlib
import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from runners.harness.case import Case, Competitor
from runners.harness.workload import Invalid, OutOfMemory, Request, Unsupported


def padded_as_same(model):
    """The padding Keras's `same` has at stride 2: one less on the left and the top than on the right."""
    from torch import nn

    model.conv1.padding = (0, 0)
    model.conv1 = nn.Sequential(nn.ZeroPad2d((2, 3, 2, 3)), model.conv1)


def strided_late(model):
    """Stride 2 in a block's second convolution instead of its first."""
    model.layer2[0].conv1.stride, model.layer2[0].conv2.stride = (1, 1), (2, 2)


def keras_epsilon(model):
    """Keras's default batch-norm epsilon."""
    for module in model.modules():
        if hasattr(module, "running_var"):
            module.eps = 1e-3


def bias_off(model):
    """One bias of a thousand a little off."""
    model.fc.bias.data[7] += 0.05


def weights_nan(model):
    """A weight that is no number."""
    model.fc.weight.data[0, 0] = float("nan")


def batch_norm_momentum(model):
    """Running statistics that follow twice as fast."""
    for module in model.modules():
        if hasattr(module, "running_var"):
            module.momentum = 0.2


def wrong_rate(framework, usual):
    """A learning rate a tenth too high, in what is timed only: the float64 run has the right one."""

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
    """Keras's optimizer, which updates all but the last layer."""

    def adam():
        optimizer = usual()
        apply = optimizer.apply
        optimizer.apply = lambda gradients, variables: apply(
            [*gradients[:-2], *(g * 0 for g in gradients[-2:])], variables
        )
        return optimizer

    return adam


def mistaken(framework, job):
    """Put the job's mistake into the runner's module; returns what undoes it."""
    name = job.get("mistake")
    module = importlib.import_module(f"runners.{framework}.{job['workload']}")
    if name is None:
        return lambda: None
    if name in ("wrong_rate", "last_layer_left_out"):
        usual, attribute = module.adam, "adam"
        module.adam = globals()[name](framework, usual)
    elif name == "layer missing":
        usual, attribute = module.weights, "weights"
        module.weights = lambda *a: {k: v for k, v in usual(*a).items() if not k.startswith("layer3.1.conv2.")}
    else:
        usual, attribute = module.build, "build"

        def build(*arguments):
            model = usual(*arguments)
            globals()[name](model)
            return model

        module.build = build
    return lambda: setattr(module, attribute, usual)


def allocate(framework, count):
    """Ask the framework, under the runner's guard, for `count` floats."""
    guard = importlib.import_module(f"runners.{framework}.device").naming_out_of_memory
    if framework == "pytorch":
        import torch

        guard(torch.ones)(count)
    else:
        import tensorflow as tf

        guard(tf.ones)((count,))


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
    undo = mistaken(framework, job)
    path = os.environ["PATH"]
    os.environ["PATH"] = job.get("path", path)
    try:
        module = importlib.import_module(f"runners.{framework}.{job['workload']}")
        with tempfile.TemporaryDirectory() as scratch:
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
            return {
                "check": asdict(work.check()),
                "effective": asdict(work.effective()),
                "items": work.items,
                "cost": [work.flops, work.bytes],
            }
    except Invalid as error:
        return {"error": error.kind, "message": str(error)}
    except (Unsupported, OutOfMemory) as error:
        return {"error": type(error).__name__, "message": str(error)}
    finally:
        os.environ["PATH"] = path
        undo()


def answer(carry_out):
    """Answer every line that comes, on a descriptor that no framework's chatter reaches."""
    framework, answers = sys.argv[1], os.fdopen(int(sys.argv[2]), "w")
    for line in sys.stdin:
        print(json.dumps([carry_out(framework, job) for job in json.loads(line)]), file=answers, flush=True)


if __name__ == "__main__":
    answer(carry_out)
