"""Runs in a framework's own Python: every loader, variant and stage over a manifest. Prints JSON.

argv: framework, manifest, sabotage. A sabotage breaks a setting of the loader on purpose. Some values break nothing:
`default` uses the track of default settings, `alone` takes the loader's workers away, `unlocked` lets the loader with
threads believe that Python has no global lock, `transfer` lets all loaders copy from the host to the host, `piped` lets
a stage of their pipelines do so, and `prefetch` lets each worker hold three batches ready.
"""

import dataclasses
import importlib
import json
import multiprocessing
import sys
import tempfile
import threading
import time
from pathlib import Path

import host_transfer
import numpy as np

from runners.harness.case import Case, Competitor
from runners.harness.manifest import read_manifest
from runners.harness.workload import Invalid, Request, Unsupported

BATCH = 3
THREADS = "torch_threads"
ONLY = {"transfer": "transfer", "piped": "transfer"}
"""The only stage that is tried with a sabotage, if it is not `batch`."""
AXES = {"prefetch": {"prefetch": 3}, "piped": {"gpu_copy": "piped"}}
"""The sabotages that only choose another value of an axis."""
PASSES = ("", "unlocked", "transfer")
"""The sabotages with which the timed passes over the data run too."""


def main(name: str, manifest_path: str, sabotage: str) -> None:
    declared = importlib.import_module(f"runners.{name}.framework").FRAMEWORK.workloads["load"]
    load = importlib.import_module(f"runners.{name}.load")
    spoil = SABOTAGES.get(sabotage)
    if spoil:
        spoil()
    if sabotage in ("transfer", "piped"):
        host_transfer.stand_in(name)
    manifest = read_manifest(Path(manifest_path))
    outcomes = {}
    whole = declared.every_loader
    if sabotage not in ("", "alone"):
        whole = tuple(loader for loader in whole if loader != THREADS)
    if sabotage == "alone" and THREADS in whole:
        unlock()
    for loader in whole if sabotage != "unlocked" else (THREADS,):
        for variant in declared.variants:
            for stage in declared.stages if sabotage in ("", "unlocked") else (ONLY.get(sabotage, "batch"),):
                track = "default" if sabotage == "default" else "matched"
                workers = 0 if sabotage == "alone" else 2
                case = Case("load", "cpu", batch_size=BATCH, seed=25, track=track, stage=stage, workers=workers)
                case = dataclasses.replace(case, **AXES.get(sabotage, {}))
                with tempfile.TemporaryDirectory() as scratch:
                    request = Request(
                        case,
                        Competitor(name, variant, loader),
                        1,
                        Path(scratch),
                        Path(scratch),
                        manifest,
                        Path(manifest.root),
                    )
                    outcomes[f"{loader}/{variant}/{stage}"] = observe(load, request, sabotage in PASSES)
    json.dump(outcomes, sys.stdout)


def observe(load, request: Request, passes: bool) -> dict:
    host_transfer.forget()
    try:
        work = load.prepare(request)
    except Unsupported as reason:
        return {"kind": "UNSUPPORTED", "message": str(reason)}
    except Invalid as reason:
        refusal = {"kind": reason.kind, "message": str(reason)}
        work = None
    if work is None:
        return refusal | {"left": processes_left()}
    try:
        refused = {}
        watched_ns = 0
        # Broken settings show without the timed passes over the data.
        for name, timed in work.stages.items() if passes else ():
            refused[name] = timed.before()
            began = time.perf_counter_ns()
            if not refused[name]:
                timed.run()
            if name == "observed":
                watched_ns = time.perf_counter_ns() - began
        # Two and a half epochs of eight images in batches of three, so that partial batches would show.
        sizes = [len(batch) for batch in (work.step() for _ in range(7))]
        batch = work.step()
        check = work.check()
        return {
            "sizes": sizes,
            "shape": list(batch[0].shape),
            "dtype": str(np.asarray(batch[0]).dtype),
            "stacked": not isinstance(batch, list),
            "items": check.delivered_items,
            "digest": check.delivered_digest,
            "mean": check.pixel_mean_difference,
            "worst": check.pixel_worst_image,
            "stages": {name: timed.items for name, timed in work.stages.items()},
            "watched_ns": watched_ns,
            "copies_under_way": host_transfer.copies_under_way(),
            "spdl_copiers": host_transfer.spdl_copiers(),
            "refused": {name: reason for name, reason in refused.items() if reason},
            "queue": [work.workers, work.queue_batches],
            "settings": dict(work.seen().settings),
            "pipeline": [[done.name, done.workers, done.tasks, done.busy_ns] for done in work.pipeline()],
        }
    finally:
        work.close()
        assert not processes_left(), "workers outlive their stream"
        assert not any("loader" in thread.name for thread in threading.enumerate()), "threads outlive their stream"


def processes_left() -> int:
    """How many child processes do not end: SPDL's process takes a moment to see that nobody reads any more."""
    for _ in range(100):
        if not multiprocessing.active_children():
            return 0
        time.sleep(0.1)
    return len(multiprocessing.active_children())


def spoil_pytorch() -> None:
    """Letterbox (SPDL) or crop (other loaders), as many training scripts do."""
    import spdl.io
    from torchvision.transforms import v2
    from torchvision.transforms.v2 import functional

    original, resize = spdl.io.get_video_filter_desc, functional.resize
    spdl.io.get_video_filter_desc = lambda **options: original(**options | {"scale_mode": "pad"})
    functional.resize = lambda image, _size, **_: functional.center_crop(resize(image, [256], antialias=True), [224])
    v2.Resize = lambda _size: v2.Compose([v2.RandomResizedCrop(224, scale=(0.8, 0.8))])


def spoil_tensorflow() -> None:
    """Letterbox."""
    import tensorflow as tf

    tf.image.resize = lambda image, size, **options: tf.image.resize_with_pad(image, *size, **options)


def unlock() -> None:
    """With a global lock, threads deliver the same, but more slowly."""
    threads = importlib.import_module(f"runners.pytorch.loader_{THREADS}")
    threads.global_lock = lambda: False


SABOTAGES = {"pytorch": spoil_pytorch, "tensorflow": spoil_tensorflow, "unlocked": unlock}


if __name__ == "__main__":
    main(*sys.argv[1:])
