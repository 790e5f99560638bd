"""Runs in PyTorch's own Python: reads jobs as JSON and prints answers as JSON. A job is a variant of a step.

A job may name a deliberate mistake, to see that the checks fail.
"""

import contextlib
import importlib
import json
import sys
import tempfile
import weakref
from dataclasses import asdict, replace
from pathlib import Path
from unittest import mock

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from runners.harness.case import Case, Competitor
from runners.harness.effective import effective
from runners.harness.workload import Request, Unsupported
from runners.pytorch import networks, precision
from runners.reference.layers import CLASSES

STEPS = 4
SPOILERS = {
    "autocast": lambda: mock.patch("torch.autocast", return_value=contextlib.nullcontext()),
    "dtype": lambda: mock.patch.dict(precision.DTYPES, bf16=torch.float32),
    "torchscript": lambda: mock.patch.object(torch, "jit", None),
    "blank": lambda: mock.patch.object(torch, "__file__", "/home/me/my files/torch/__init__.py"),
}


def answer(job, folder):
    """The evidence and the settings after a few steps of the job's case."""
    torch.compiler.reset()  # otherwise a variant would find the code of the previous variant
    module = importlib.import_module(f"runners.pytorch.{job['workload']}")
    with SPOILERS.get(job.get("spoiled"), contextlib.nullcontext)(), watched(module) as (arrays, models):
        try:
            asked = request(job, folder)
            work = module.prepare(asked)
        except Unsupported as reason:
            return {"unsupported": str(reason)}
        alive = sum(array() is not None for array in arrays)
        for stage in work.stages.values():
            stage.run()
        for _ in range(STEPS):
            work.step()
        work.synchronize()
        found = {
            "effective": asdict(seen(asked, work)),
            "stages": list(work.stages),
            "cost": [work.flops, work.bytes],
            "arrays": [len(arrays), alive],
            "cached": any((folder / name(job)).iterdir()),
            "headers": any(folder.glob("torchinductor_*/precompiled_headers/*.gch")),
        }
        if models:
            found["weights"] = "NHWC" if channels_last(models[0]) else "NCHW"
            found["running"] = running(models[0])
        return {**found, "check": asdict(work.check())}


def seen(asked, work):
    """The settings in effect. Some jobs test a precision that does not take effect."""
    found = work.seen()
    case = replace(asked.case, precision=found.precision)
    return effective(replace(asked, case=case), found)[0]


def request(job, folder):
    case = Case(
        workload=job["workload"],
        device="cpu",
        batch_size=job.get("batch", 4),
        seed=25,
        network=job.get("network"),
        input_size=job.get("size"),
        stage=job.get("stage"),
        scope=job.get("scope", "compute"),
        precision=job.get("precision", "fp32"),
    )
    own, scratch = folder / name(job), folder / "scratch"
    own.mkdir()
    scratch.mkdir(exist_ok=True)
    return Request(case, Competitor("pytorch", job["variant"]), 2, scratch, own)


def name(job):
    return "-".join(str(value) for value in job.values()).replace("+", "-")


@contextlib.contextmanager
def watched(module):
    """Weak references to the arrays and models that the workload makes."""
    arrays, models = [], []

    def weights(*arguments):
        made = usual_weights(*arguments)
        arrays.extend(weakref.ref(array) for array in made.values())
        return made

    def build(*arguments):
        models.append(usual_build(*arguments))
        return models[-1]

    if not hasattr(module, "weights"):
        yield arrays, models
        return
    usual_weights, usual_build = module.weights, module.build
    with mock.patch.object(module, "weights", weights), mock.patch.object(module, "build", build):
        yield arrays, models


def channels_last(model):
    return all(
        layer.weight.is_contiguous(memory_format=torch.channels_last)
        for layer in model.modules()
        if isinstance(layer, nn.Conv2d)
    )


def running(model):
    """All running statistics in one tensor."""
    norms = [layer for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)]
    return [value for norm in norms for value in (*norm.running_mean.tolist(), *norm.running_var.tolist())]


def flops(network, size, workload):
    """The operations that torch counts in a step on one image, without computing anything."""
    with torch.device("meta"):
        model, batch = networks.blank(network, CLASSES[network]), torch.empty(1, 3, size, size)
    with FlopCounterMode(display=False) as counter:
        if workload == "train":
            model.train()(batch).sum().backward()
        else:
            with torch.inference_mode():
                model.eval()(batch)
    return counter.get_total_flops()


if __name__ == "__main__":
    jobs = json.loads(sys.argv[1])
    with tempfile.TemporaryDirectory() as scratch:
        answers = [flops(*job) if isinstance(job, list) else answer(job, Path(scratch)) for job in jobs]
    print(json.dumps(answers))
