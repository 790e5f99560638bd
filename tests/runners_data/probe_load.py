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
from PIL import Image, ImageOps

from runners.harness.case import Case, Competitor
from runners.harness.manifest import read_manifest
from runners.harness.workload import Invalid, Request, Unsupported

BATCH = 3
THREADS = "torch_threads"
ONLY = {"transfer": "transfer", "piped": "transfer", "with_another_mean": "normalize"}
"""The only stage that is tried with a sabotage, if it is not `batch`."""
AXES = {"prefetch": {"prefetch": 3}, "piped": {"gpu_copy": "piped"}}
"""The sabotages that only choose another value of an axis."""
PASSES = ("", "unlocked", "transfer")
"""The sabotages with which the timed passes over the data run too."""
DEAR = "grain"
"""Each pass of this loader starts processes, which takes seconds. So all its passes run in the stage `normalize` only,
and in other stages one."""


def main(name: str, manifest_path: str, sabotage: str) -> None:
    declared = importlib.import_module(f"runners.{name}.framework").FRAMEWORK.workloads["load"]
    load = importlib.import_module(f"runners.{name}.load")
    spoil = SABOTAGES.get(sabotage)
    if spoil:
        spoil()
    if sabotage in MISTAKES:
        MISTAKES[sabotage](name)
    if sabotage in ("transfer", "piped"):
        host_transfer.stand_in(name)
    manifest = read_manifest(Path(manifest_path))
    outcomes = {}
    whole = declared.every_loader
    if sabotage not in ("", "alone", "prefetch"):
        whole = tuple(loader for loader in whole if loader != THREADS)
    if sabotage in ("alone", "prefetch") and THREADS in whole:
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
        return {"kind": "UNSUPPORTED", "message": str(reason), "packed": [*map(str, request.scratch.iterdir())]}
    except Invalid as reason:
        refusal = {"kind": reason.kind, "message": str(reason)}
        work = None
    except RuntimeError as error:  # a library's own
        return {"kind": "RuntimeError", "message": str(error)}
    if work is None:
        return refusal | {"left": processes_left()}
    try:
        refused = {}
        watched_ns = 0
        # Broken settings show without the timed passes over the data.
        dear = request.competitor.loader == DEAR and request.case.stage != "normalize"
        for name, timed in work.stages.items() if passes else ():
            if dear and name != "observed":
                continue
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


def spoil_jax() -> None:
    """Crop."""
    from runners.jax import loader_grain

    loader_grain.decode = cropped


def cropped(path: str) -> np.ndarray:
    """The middle of the image."""
    with Image.open(path) as image:
        return np.asarray(ImageOps.fit(image.convert("RGB"), (224, 224)))


def spoil_dali() -> None:
    """Crop."""
    from nvidia.dali import fn

    resize = fn.resize
    fn.resize = lambda images, **_: fn.crop(resize(images, resize_x=256, resize_y=256), crop=(224, 224))


def break_dali() -> None:
    """Let every pipeline fail, as with a GPU that is lost; the images are whole."""
    from nvidia.dali.pipeline import Pipeline

    def lost(_pipeline) -> None:
        raise RuntimeError("CUDA error: device lost")

    Pipeline.run = lost


def without_antialiasing(name: str) -> None:
    """Take the nearest pixels (Grain), or interpolate between neighbours only (DALI)."""
    if name == "jax":
        from runners.jax import loader_grain

        loader_grain.decode = aliased
    else:
        from runners.dali import graph

        graph.LIKE_THE_REFERENCE["antialias"] = False


def aliased(path: str) -> np.ndarray:
    """The image from its nearest pixels."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").resize((224, 224), Image.Resampling.NEAREST))


def with_another_mean(name: str) -> None:
    """Normalise with the middle of the range instead of ImageNet's mean."""
    if name == "jax":
        from runners.jax import loader_grain

        scale, _ = loader_grain.affine()
        loader_grain.affine = lambda: (scale, -127.5 * scale)
        loader_grain.normalized_image = lambda image: (image - np.float32(127.5)) * scale
    else:
        from runners.dali import graph

        graph.MEAN = (0.5, 0.5, 0.5)


def without_the_last_batch(name: str) -> None:
    """Lose the partial batch at the end of an epoch."""
    module = importlib.import_module(f"runners.{name}.{'loader_grain' if name == 'jax' else 'graph'}")
    whole = module._pass
    module._pass = lambda source, *rest: (batch for batch in whole(source, *rest) if len(batch) == source.batch_size)


def unlock() -> None:
    """With a global lock, threads deliver the same, but more slowly."""
    threads = importlib.import_module(f"runners.pytorch.loader_{THREADS}")
    threads.global_lock = lambda: False


SABOTAGES = {
    "pytorch": spoil_pytorch,
    "tensorflow": spoil_tensorflow,
    "jax": spoil_jax,
    "dali": spoil_dali,
    "lost": break_dali,
    "unlocked": unlock,
}
MISTAKES = {
    "without_antialiasing": without_antialiasing,
    "with_another_mean": with_another_mean,
    "without_the_last_batch": without_the_last_batch,
}
"""Mistakes in the framework that a run names."""


if __name__ == "__main__":
    main(*sys.argv[1:])
