"""Runs in a framework's own Python: how many tasks of a loader run at once, with 1 and with 3 workers. Prints JSON.

argv: framework, manifest, loader, stages. Each task takes a while, and writes its beginning and its end into a
file, whichever thread or process it runs in.
"""

import functools
import importlib
import itertools
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from host_transfer import stand_in

from runners.harness.case import Case, Competitor
from runners.harness.manifest import read_manifest
from runners.harness.workload import Request
from runners.reference import loading

INTERVALS = "LEVELFIELD_PROBE_INTERVALS"
LASTS = 0.03
BATCHES = 12
WORKERS = (1, 3)


def main(name: str, manifest_path: str, loader: str, *stages: str) -> None:
    module = importlib.import_module(f"runners.{name}.loader_{loader}")
    declared = importlib.import_module(f"runners.{name}.framework").FRAMEWORK.workloads["load"]
    watch(name)
    stand_in(name)
    manifest = read_manifest(Path(manifest_path))
    found = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for variant, stage, workers in itertools.product(declared.variants, stages, WORKERS):
            intervals = folder / f"{variant}-{stage}-{workers}"
            os.environ[INTERVALS] = str(intervals)
            case = Case("load", "cpu", batch_size=2, seed=25, stage=stage, workers=workers)
            competitor = Competitor(name, variant, loader)
            request = Request(case, competitor, 1, folder, folder, manifest, Path(manifest.root))
            source = loading.prepared(loading.source_of(request), request, module)
            batches = module.opened(source, True)()
            for _ in range(BATCHES):
                next(batches)
            batches.close()
            found[f"{variant}/{stage}/{workers}"] = most_at_once(intervals.read_text())
    json.dump(found, sys.stdout)


def most_at_once(intervals: str) -> int:
    """The largest number of intervals that have a moment in common."""
    pairs = [tuple(map(int, line.split())) for line in intervals.splitlines()]
    changes = sorted([(began, 1) for began, _ in pairs] + [(ended, -1) for _, ended in pairs])
    return max(itertools.accumulate(change for _, change in changes))


def watched(function: Callable) -> Callable:
    @functools.wraps(function)
    def task(*arguments, **options):
        began = time.monotonic_ns()
        time.sleep(LASTS)
        result = function(*arguments, **options)
        with open(os.environ[INTERVALS], "a") as file:
            file.write(f"{began} {time.monotonic_ns()}\n")
        return result

    return task


def watch(name: str) -> None:
    """Watch everything of which no more than `workers` may run at once."""
    if name == "tensorflow":
        watch_tensorflow()
        return
    if name == "jax":
        from runners.jax import loader_grain

        loader_grain.decode = watched(loader_grain.decode)
        return
    from runners.pytorch import dataloader, loader_torch_threads, spdl_tasks

    loader_torch_threads.global_lock = lambda: False  # its threads sleep, so they do not wait for each other
    dataloader.DecodedOnAccess.made_of = watched(dataloader.DecodedOnAccess.made_of)
    for task in (spdl_tasks.PlainImage, spdl_tasks.PlainBatch, spdl_tasks.TunedBatch):
        task.__call__ = watched(task.__call__)


def watch_tensorflow() -> None:
    import tensorflow as tf

    from runners.tensorflow import loader_tfdata

    def passed_on(value: tf.Tensor) -> tf.Tensor:
        after = tf.numpy_function(watched(lambda same: same), [value], value.dtype)
        after.set_shape(value.shape)
        return after

    decode, normalize = loader_tfdata.decode, loader_tfdata._normalize
    loader_tfdata.decode = lambda encoded, side: decode(passed_on(encoded), side)
    loader_tfdata._normalize = lambda images: normalize(passed_on(images))


if __name__ == "__main__":
    main(*sys.argv[1:])
elif __name__ == "__mp_main__":  # a spawned process of the loader: what it unpickles must be watched there too
    watch(sys.argv[1])
